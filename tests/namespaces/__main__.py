"""
A Server and a Celery worker on machines of their own, against one chain: `make namespaces`.

Each machine is a network namespace with an address; a wire leads to the box, and can be slow or
cut. Needs root. Writes docs/benchmarks/namespaces.md.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.bench.report import write_report
from tests.chaos.box import Box, new_home, running_box
from tests.chaos.links import Link
from tests.chaos.proxy import Proxy
from tests.namespaces import hub
from tests.namespaces.machine import HUB, Machine, become_hub, new_machine
from tests.namespaces.trial import Place, Trial, tell
from tests.namespaces.wire import open_wire

from taonet.local.settings import LocalSettings

BLOCK_MILLISECONDS = 1_000
FIRST_MACHINE = 2
"""The last part of its address: the box has 1."""


def main() -> None:
    become_hub()
    os.environ["TAONET_CHAIN_PARAMETERS"] = f'{{"block_milliseconds": {BLOCK_MILLISECONDS}}}'
    with new_home("taonet-namespaces-") as home:
        os.environ["TAONET_HOME"] = str(home)
        trial = asyncio.run(run_trial(LocalSettings()))
    write_report("namespaces", tell(trial.rows))


async def run_trial(settings: LocalSettings) -> Trial:
    """Bring up the box and two machines, and play the trial beside them: wires need the loop."""
    async with (
        running_box(settings, hub) as box,
        wired_machine(FIRST_MACHINE) as server,
        wired_machine(FIRST_MACHINE + 1) as worker,
        doors(box),
    ):
        trial = Trial(box, server, worker)
        await asyncio.to_thread(trial.play)
        return trial


@asynccontextmanager
async def wired_machine(number: int) -> AsyncIterator[Place]:
    near, far = f"near{number}", f"far{number}"
    async with open_wire(near, far) as wire:
        machine: Machine
        with new_machine(number, near, far) as machine:
            yield Place(machine, wire)


@asynccontextmanager
async def doors(box: Box) -> AsyncIterator[None]:
    """Open to the other machines what the box keeps on its loopback: only what they are told of."""
    _, ports = hub.environment_elsewhere(box.settings, box.home, hub.WORKER)
    async with AsyncExitStack() as stack:
        for port in ports:
            door = Proxy(Link("machines", str(port), port, port), HUB)
            await door.start()
            stack.push_async_callback(door.close)
        yield


if __name__ == "__main__":
    main()
