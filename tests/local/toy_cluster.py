"""A small cluster of standard-library processes, supervised as the real one is."""

import asyncio
import os
import sys
import time
from pathlib import Path

from taonet.kit.logging import configure_logging
from taonet.local.home import ClusterState, Home
from taonet.local.kinship import birth_mark
from taonet.local.processes import HttpProbe, ProcessSpec
from taonet.local.supervisor import StartFailed, Supervisor


def toy_specs(port: int, broken: bool = False) -> list[ProcessSpec]:
    """A step, then a web page, then another; besides, a program of its own."""
    python = sys.executable
    step = ("timeit", "-n1", "-r1", "raise SystemExit(3)" if broken else "pass")
    return [
        ProcessSpec("sleeper", (python, "-c", "import time; time.sleep(600)")),
        ProcessSpec("nursery", (python, "-m", "taonet.local.nursery", "http.server"), nurses=True),
        ProcessSpec("step", step, nursery="nursery", once=True),
        web("first", port, after=("step",)),
        web("second", port + 1, after=("first",)),
    ]


def web(name: str, port: int, after: tuple[str, ...]) -> ProcessSpec:
    command = ("http.server", str(port), "--bind", "127.0.0.1")
    probe = HttpProbe(port, "/")
    return ProcessSpec(name, command, nursery="nursery", port=port, probe=probe, after=after)


def main(path: str, port: str, kind: str = "sound") -> None:
    configure_logging("toy")
    home = Home(Path(path))
    home.create()
    home.hold()
    mark = birth_mark(os.getpid())
    assert mark is not None
    state = ClusterState(os.getpid(), mark, time.time(), "toy", int(port))
    supervisor = Supervisor(
        home,
        toy_specs(int(port), broken=kind == "broken"),
        state,
        tell=lambda process: say(f"{process.name} {process.state}"),
    )
    try:
        asyncio.run(supervisor.run(lambda: say("cluster ready")))
    except StartFailed as error:
        sys.exit(error.message)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
