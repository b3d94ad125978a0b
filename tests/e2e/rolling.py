"""
Replacing what holds no state, under load: a second gateway, and consumers who never ask twice.

In front stands what a load balancer is: an address that leads each new connection to who is ready.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from openai import OpenAI
from tests.chaos.links import Link
from tests.chaos.proxy import Proxy
from tests.conftest import free_port, wait_until

from taonet.local.cluster import describe_cluster
from taonet.local.place import Place
from taonet.local.settings import LocalSettings
from taonet.local.stores import prepare_stores

from .conftest import Box

CONSUMERS = 3
PAUSE_SECONDS = 0.35
"""Three times in that: what one account may ask, 600 times a minute, is not passed."""
READY_SECONDS = 90
GATEWAY = "validator-1-gateway"


class Front:
    """A proxy in a thread of its own, at an address that stays."""

    def __init__(self, target_port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = Proxy(Link("consumers", "gateway", free_port(), target_port))
        self.url = f"http://127.0.0.1:{self._proxy.link.port}/v1"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.start(), self._loop).result()

    def point_to(self, port: int) -> None:
        self._loop.call_soon_threadsafe(self._proxy.point_to, port)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Consumers:
    """Ask as fast as an account may, each question by a connection of its own, and never twice."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url, self._api_key = url, api_key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CONSUMERS)]
        self.answers = 0
        self.failures: list[Exception] = []

    def _ask(self) -> None:
        alone = {"connection": "close"}
        with OpenAI(
            base_url=self._url, api_key=self._api_key, max_retries=0, default_headers=alone
        ) as client:
            while not self._stop.is_set():
                try:
                    client.chat.completions.create(
                        model="network/best",
                        max_tokens=6,
                        messages=[{"role": "user", "content": "Return the sum of"}],
                    )
                    self.answers += 1
                except Exception as failure:
                    self.failures.append(failure)
                self._stop.wait(PAUSE_SECONDS)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count: int = 5) -> None:
        wanted = self.answers + count
        wait_until(lambda: self.answers >= wanted, READY_SECONDS)


@contextmanager
def asking(url: str, box: Box) -> Iterator[Consumers]:
    """Have the demonstration account ask at an address, for the time of a block."""
    consumers = Consumers(url, box.status()["demo_api_key"])
    consumers.start()
    try:
        yield consumers
    finally:
        consumers.stop()


def describe_gateway(box: Box, port: int) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of one more replica of the first Validator's gateway."""
    settings = LocalSettings(home=str(box.home), port_base=int(box.environment["TAONET_PORT_BASE"]))
    home = settings.data_directory()
    specs = describe_cluster(Place(settings, home, prepare_stores(settings, home)))
    spec = next(spec for spec in specs if spec.name == GATEWAY)
    command = [str(port) if word == str(spec.port) else word for word in spec.command]
    return [sys.executable, "-m", *command], {**box.environment, **spec.environment}


@contextmanager
def replica(box: Box, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command, environment = describe_gateway(box, port)
    with (box.home / "logs" / "replica.log").open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: is_ready(port), READY_SECONDS)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def is_ready(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK


def renew(box: Box, name: str) -> None:
    """Ask a process to end; the supervisor puts a new one in its place."""
    old = box.pids()[name]
    os.kill(old, signal.SIGTERM)

    def is_new() -> bool:
        process: Any = next(each for each in box.status()["processes"] if each["name"] == name)
        return bool(process["healthy"] and process["pid"] != old)

    wait_until(is_new, READY_SECONDS)


def can_ask(box: Box) -> bool:
    with box.gateway() as client:
        return bool(client.completions.create(model="network/best", prompt="Once", max_tokens=1))
