"""
Measures a start, in a home and on ports of its own: `make bench`.

Says how long the very first start takes (with the first payout), a stop, a second start, and how
much memory everything holds: the sum of proportional sizes, in which a shared page counts once.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

PORT_BASE = 28_000


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    os.environ.update(TAONET_HOME=str(home), TAONET_PORT_BASE=str(PORT_BASE))
    try:
        say("first start, until the first payout and the top-up", taonet("up", "--detach"))
        say("stop", taonet("down"))
        say("second start", taonet("up", "--detach"))
        sys.stdout.write(f"{'memory':<52} {memory_mb(home):6d} MB\n")
    finally:
        taonet("down")
        shutil.rmtree(home)


def taonet(*arguments: str) -> float:
    """Run a command and return how long it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "taonet.cli.main", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def memory_mb(home: Path) -> int:
    supervisor = psutil.Process(json.loads((home / "state.json").read_text())["pid"])
    processes = [supervisor, *supervisor.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in processes) // 2**20


def say(what: str, seconds: float) -> None:
    sys.stdout.write(f"{what:<52} {seconds:6.1f} s\n")


if __name__ == "__main__":
    main()
