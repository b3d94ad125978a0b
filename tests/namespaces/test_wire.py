"""A wire between two namespaces carries what is sent, late if it shall, and loses it when cut."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.namespaces.machine import HUB, NAMESPACE, Machine, become_hub, new_machine
from tests.namespaces.wire import DEVICE, open_wire

PORT = 5_000
DELAY_SECONDS = 0.1
LOST = -1.0
SECONDS = 60
ASK = f"""
import socket, time
began = time.monotonic()
try:
    with socket.create_connection(("{HUB}", {PORT}), 2) as door:
        door.sendall(b"x")
        assert door.recv(1) == b"x"
        print(time.monotonic() - began)
except TimeoutError:
    print({LOST})
"""
"""How long a connection and an answer take, in seconds."""


NEEDS = {
    "root": os.geteuid() == 0,
    DEVICE: Path(DEVICE).exists(),
    **{program: shutil.which(program) is not None for program in ("ip", "nsenter", "unshare")},
}
MISSING = [what for what, there in NEEDS.items() if not there]


@pytest.mark.skipif(bool(MISSING), reason=f"no namespaces without {', '.join(MISSING)}")
def test_a_wire_carries_delays_and_loses() -> None:
    own_namespace = ("unshare", "--net", sys.executable, "-m", "tests.namespaces.test_wire")
    done = subprocess.run(own_namespace, check=True, capture_output=True, timeout=SECONDS)
    whole, slow, lost, healed = json.loads(done.stdout)

    # A connection is one way there and one back, and so is an answer.
    assert whole < 4 * DELAY_SECONDS <= slow
    assert lost == LOST
    assert 0 < healed < 4 * DELAY_SECONDS


async def play() -> list[float]:
    become_hub()
    async with open_wire("near", "far") as wire:
        with new_machine(2, "near", "far") as machine:
            async with await asyncio.start_server(answer, HUB, PORT):
                whole = await ask_from(machine)
                wire.delay_seconds = DELAY_SECONDS
                slow = await ask_from(machine)
                wire.delay_seconds, wire.cut = 0.0, True
                lost = await ask_from(machine)
                wire.cut = False
                return [whole, slow, lost, await ask_from(machine)]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(1))
    await writer.drain()
    writer.close()


async def ask_from(machine: Machine) -> float:
    inside = ("nsenter", f"--net={NAMESPACE.format(machine.holder)}", sys.executable, "-c", ASK)
    asked = await asyncio.create_subprocess_exec(*inside, stdout=asyncio.subprocess.PIPE)
    said, _ = await asked.communicate()
    return float(said)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(play())))
