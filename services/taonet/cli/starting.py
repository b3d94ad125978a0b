"""Starting the supervisor, and showing how far it is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taonet.kit.errors import Unavailable
from taonet.local.home import Home
from taonet.local.kinship import die_with_parent
from taonet.local.main import REPORT_VARIABLE

GOOD = ("running", "done")


@dataclass
class Starting:
    """A supervisor on its way: its process, and the pipe on which it reports."""

    process: "subprocess.Popen[bytes]"
    reports: BinaryIO

    def messages(self) -> Iterator[dict[str, Any]]:
        for line in self.reports:
            yield json.loads(line)


def start_supervisor(home: Home, detach: bool) -> Starting:
    """Start it in a session of its own; one that stays attached ends when we do."""
    home.create()
    reader, writer = os.pipe()
    parent = os.getpid()

    def tie() -> None:
        die_with_parent(parent, signal.SIGTERM)

    with home.log_file("supervisor").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "taonet.local.main"],
            env={**os.environ, REPORT_VARIABLE: str(writer)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writer,),
            start_new_session=True,
            preexec_fn=None if detach else tie,
        )
    os.close(writer)
    return Starting(process, os.fdopen(reader, "rb"))


def watch_start(starting: Starting, console: Console, home: Home) -> None:
    """Show each process as it gets ready; return once all are, else say what is in the way."""
    with progress_bar(console) as bar:
        task = bar.add_task("starting", total=None)
        good: set[str] = set()
        for message in starting.messages():
            match message:
                case {"problem": str(problem)}:
                    raise Unavailable(problem)
                case {"phase": "ready"}:
                    return
                case {"phase": str(phase)}:
                    total = len(message.get("processes", [])) or None
                    bar.update(task, description=phase, total=total)
                case {"name": str(name), "state": str(state)}:
                    if state in GOOD and name not in good:
                        good.add(name)
                        bar.update(task, completed=len(good), description=f"{name} is ready")
    starting.process.wait()
    raise Unavailable(
        f"the start was broken off; the end of {home.log_file('supervisor')}:\n"
        f"{home.tail('supervisor')}"
    )


def progress_bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console)
