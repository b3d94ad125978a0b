"""
The supervisor's process: `python -m taonet.local.main`, started by `taonet up`.

Checks everything that could stand in the way before it starts anything, and tells its starter
how far it is, a JSON line at a time, on the descriptor that TAONET_REPORT names.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import server_service
from taonet.kit.errors import Refusal
from taonet.kit.logging import configure_logging, get_logger
from taonet.local.cluster import describe_cluster
from taonet.local.home import ClusterState, Home
from taonet.local.kinship import birth_mark, end_strays
from taonet.local.place import Place
from taonet.local.ports import check_ports
from taonet.local.processes import ProcessSpec
from taonet.local.scrape import write_configuration, write_routes
from taonet.local.settings import LocalSettings
from taonet.local.stores import prepare_stores
from taonet.local.supervisor import Supervisor

REPORT_VARIABLE = "TAONET_REPORT"
STRAY_SECONDS = 8.0
MONITORING = Path(server_service.__file__).parents[2] / "monitoring"

log = get_logger(__name__)


class Reporter:
    """Tells the starter what happens, until it has heard that all is ready or has gone away."""

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor

    def tell(self, **message: Any) -> None:
        if self.descriptor is None:
            return
        try:
            os.write(self.descriptor, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            self.close()

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


Prepare = Callable[[LocalSettings, Home], tuple[ProcessSpec, ...]]
"""What describes the cluster that shall run."""


def main(prepare: Prepare | None = None) -> None:
    """Run the cluster; `prepare` stands in for `prepare_cluster` where another is described."""
    descriptor = os.environ.pop(REPORT_VARIABLE, None)
    reporter = Reporter(None if descriptor is None else int(descriptor))
    try:
        settings = LocalSettings()
        configure_logging("supervisor", settings.log_level)
        run_cluster(settings, reporter, prepare or prepare_cluster)
    except (Refusal, RuntimeError, OSError, ValidationError) as error:
        reporter.tell(problem=str(error))
        sys.exit(str(error))


def run_cluster(settings: LocalSettings, reporter: Reporter, prepare: Prepare) -> None:
    """Take the home, clear what a crash left, describe, check, and supervise until stopped."""
    home = settings.data_directory()
    home.create()
    lock = home.hold()
    end_leftovers(home)
    reporter.tell(phase="preparing the database")
    specs = prepare(settings, home)
    check_ports(specs)
    mark = birth_mark(os.getpid())
    assert mark is not None
    state = ClusterState(os.getpid(), mark, time.time(), settings.preset, settings.port_base)
    supervisor = Supervisor(
        home, specs, state, lambda process: reporter.tell(name=process.name, state=process.state)
    )
    reporter.tell(phase="starting", processes=[spec.name for spec in specs])

    def told_ready() -> None:
        reporter.tell(phase="ready")
        reporter.close()

    try:
        asyncio.run(supervisor.run(told_ready))
    finally:
        with contextlib.suppress(OSError):
            os.close(lock)


def prepare_cluster(settings: LocalSettings, home: Home) -> tuple[ProcessSpec, ...]:
    prometheus = find_program("prometheus")
    alertmanager = find_program("alertmanager", "prometheus-alertmanager") if prometheus else None
    place = Place(settings, home, prepare_stores(settings, home))
    specs = describe_cluster(place, prometheus, alertmanager)
    if prometheus is not None:
        write_configuration(home, specs, MONITORING / "prometheus" / "rules")
    if alertmanager is not None:
        write_routes(
            home, MONITORING / "alertmanager" / "alertmanager.yml", settings.alert_webhook_url
        )
    return specs


def find_program(*names: str) -> str | None:
    """Return the path of a program that is installed by one of these names, or lies beside us."""
    beside = str(Path(sys.executable).parent)
    found = (shutil.which(name) or shutil.which(name, path=beside) for name in names)
    return next(filter(None, found), None)


def end_leftovers(home: Home) -> None:
    """End what a supervisor that was killed could not: by pid and time of birth, never by name."""
    state = home.load_state()
    if state is None:
        return
    strays = [
        (process.pid, process.birth_mark)
        for process in state.processes
        if process.pid is not None and process.birth_mark is not None
    ]
    ended = end_strays(strays, STRAY_SECONDS)
    if ended:
        log.warning("ended what the last run left behind", pids=ended)


if __name__ == "__main__":
    main()
