"""Stores that a test may kill: a Postgres and a Valkey of its own."""

import secrets
import signal
import subprocess
from pathlib import Path

import psycopg
import redis
from tests.conftest import free_port, wait_until

from taonet.kit import db
from taonet.local.command import Command
from taonet.local.postgres import postgres_url, prepare_postgres
from taonet.local.valkey import prepare_valkey, valkey_url


class KillableStores:
    def __init__(self, home: Path) -> None:
        password, ports = secrets.token_hex(8), (free_port(), free_port())
        self._commands: dict[str, Command] = {
            "postgres": prepare_postgres(home, ports[0], password),
            "valkey": prepare_valkey(home, ports[1], password),
        }
        self._admin_url = postgres_url(ports[0], password)
        self.redis_url = valkey_url(ports[1], password)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> str:
        """Start both, and return the URL of a migrated schema."""
        for name in self._commands:
            self._start(name)
        url = db.provision(self._admin_url, "chain", password="test")
        db.migrate(url, "chain_service")
        return url

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def kill(self, name: str) -> None:
        """Kill a store outright, and start it again."""
        self._processes[name].kill()
        self._processes[name].wait()
        self._start(name)

    def close(self) -> None:
        for name, number in (("postgres", signal.SIGINT), ("valkey", signal.SIGTERM)):
            if name in self._processes:
                self._processes[name].send_signal(number)
                self._processes[name].wait(30)

    def _start(self, name: str) -> None:
        """Start until it answers: a Postgres waits for its killed forerunner's children to go."""
        command = self._commands[name]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes[name] = command.start(**quiet)

        def answers() -> None:
            if self._processes[name].poll() is not None:
                self._processes[name] = command.start(**quiet)
            if name == "postgres":
                psycopg.connect(self._admin_url, connect_timeout=2).close()
            else:
                with redis.Redis.from_url(self.redis_url) as client:
                    client.ping()

        wait_until(answers)
