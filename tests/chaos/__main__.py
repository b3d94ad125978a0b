"""
Kill, freeze and cut every process of a live box while users work; then audit: `make chaos`.

The schedule follows from a seed, which is printed; `--seed` runs it again. Three faults may be
under way at once, never two of one process. The page is `docs/benchmarks/chaos.md`.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from typing import Never

from tests.bench.report import write_report
from tests.chaos.alarms import Alarms, drill, watched
from tests.chaos.audit import Auditor
from tests.chaos.box import Box, Suffered, new_home, running_box
from tests.chaos.pages import Run, describe
from tests.chaos.schedule import Fault, plan_faults
from tests.chaos.village import at_work, settle_village
from tests.chaos.workload import Doors
from tqdm import tqdm

from taonet.local.settings import LocalSettings
from taonet.local.status import describe_addresses

FAULTS = 210
AT_ONCE = 3
PORT_BASE = 28_000
BLOCK_MILLISECONDS = 1_000
CALM_SECONDS = 10.0
"""After the last fault users go on for so long, so that each is heard once more."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--schedule", action="store_true", help="Show the faults; start nothing.")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    os.environ.setdefault("TAONET_PORT_BASE", str(PORT_BASE))
    os.environ["TAONET_CHAIN_PARAMETERS"] = f'{{"block_milliseconds": {BLOCK_MILLISECONDS}}}'
    with new_home("taonet-chaos-") as home:
        os.environ["TAONET_HOME"] = str(home)
        if arguments.schedule:
            box = Box(LocalSettings())
            for fault in plan_faults(arguments.seed, box.processes, box.targets, arguments.faults):
                print(f"{fault.number:4} {fault}")
            return
        run = asyncio.run(run_chaos(LocalSettings(), arguments.seed, arguments.faults))
        text = describe(run)
        print(text)
        if not run.sound:
            raise SystemExit("something was lost, or is not exact")
    if arguments.faults >= FAULTS:
        write_report("chaos", text)


async def run_chaos(settings: LocalSettings, seed: int, count: int) -> Run:
    """Bring a box up, hurt it so often while users work, and audit it at rest."""
    async with running_box(settings) as box:
        addresses = describe_addresses({s.name: s.port for s in box.specs if s.port is not None})
        doors = Doors(addresses["chain"], addresses["gateway"], addresses["exchange"])
        village = await asyncio.to_thread(settle_village, box.home, doors)
        faults = plan_faults(seed, box.processes, box.targets, count)
        alarms = Alarms(addresses["prometheus"]) if addresses["prometheus"] else None
        began = time.monotonic()
        async with watched(alarms):
            with at_work(village.users):
                suffered = await suffer_all(box, faults)
                if alarms is not None:
                    await drill(box, alarms)
                await asyncio.sleep(CALM_SECONDS)
        lasted = time.monotonic() - began
        auditor = Auditor(doors, addresses["gateways"], box.signs, village)
        findings = await asyncio.to_thread(auditor.look)
        return Run(seed, suffered, village.users, findings, alarms, lasted)


async def suffer_all(box: Box, faults: Sequence[Fault]) -> list[Suffered]:
    """Begin the faults in their order; one waits while its process has another, or three run."""
    slots = asyncio.Semaphore(AT_ONCE)
    held = {name: asyncio.Lock() for name in box.processes}
    began = time.monotonic()
    suffered: list[Suffered] = []

    async def suffer(fault: Fault, bar: "tqdm[Never]") -> None:
        try:
            async with held[fault.process]:
                suffered.append(await box.suffer(fault, began))
            bar.set_description(f"{suffered[-1].back_seconds:5.1f} s after {fault}")
            bar.update()
        finally:
            slots.release()

    with tqdm(total=len(faults), desc="faults", file=sys.stderr) as bar:
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(fault.gap_seconds)
                await slots.acquire()
                group.create_task(suffer(fault, bar))
    return suffered


if __name__ == "__main__":
    main()
