"""One box for the end-to-end tests: ports and a data directory of its own, a faster clock."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from chain_service.client import ChainClient

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORT_BASE = 23_000 + 300 * WORKER
UP_SECONDS = 300
ELSEWHERE_PORT_BASE = 26_000 + 300 * WORKER
"""Of a second box, beside the first."""
CHAIN_PARAMETERS = {"block_milliseconds": 1_000}
"""Half the box's time between two blocks, and with it between two payouts."""

PAYOUT_SECONDS = 10
"""Time between two looks at what Servers are owed: a sixth of the usual."""


@dataclass(frozen=True)
class Box:
    """A running cluster, asked as a user would ask it: by the command."""

    home: Path
    environment: dict[str, str]

    def taonet(self, *arguments: str, timeout: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "taonet.cli.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"taonet {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def read(self, *arguments: str) -> Any:
        return json.loads(self.taonet(*arguments, "--json"))

    def status(self) -> Any:
        return self.read("status")

    def pids(self) -> dict[str, int]:
        return {process["name"]: process["pid"] for process in self.status()["processes"]}

    def port(self, name: str) -> int:
        """Return where a process listens."""
        found: int = next(p["port"] for p in self.status()["processes"] if p["name"] == name)
        return found

    def up(self) -> None:
        self.taonet("up", "--detach", timeout=UP_SECONDS)

    def address(self, name: str) -> str:
        return str(self.status()["addresses"][name])

    def address_list(self, name: str) -> list[str]:
        return list(self.status()["addresses"][name])

    def chain(self) -> ChainClient:
        return ChainClient(self.address("chain"))

    def gateway(self) -> OpenAI:
        status = self.status()
        return OpenAI(
            base_url=f"{status['addresses']['gateway']}/v1",
            api_key=status["demo_api_key"],
            max_retries=0,
        )


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with new_box(PORT_BASE) as box:
        box.up()
        yield box


@contextmanager
def new_box(port_base: int) -> Iterator[Box]:
    """Give a data directory that does not exist yet; what runs in it is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="taonet-e2e-"))
    folder.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAONET_")}
    environment = {
        **own,
        "TAONET_HOME": str(folder / "home"),
        "TAONET_PORT_BASE": str(port_base),
        "TAONET_CHAIN_PARAMETERS": json.dumps(CHAIN_PARAMETERS),
        "TAONET_VALIDATOR_PAYOUT_SECONDS": str(PAYOUT_SECONDS),
    }
    box = Box(folder / "home", environment)
    try:
        yield box
    finally:
        box.taonet("down", timeout=60)
        shutil.rmtree(folder)
