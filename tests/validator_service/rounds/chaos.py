"""
Worker processes: how many rounds they score, and what killing them loses. Too long for every run:
`make bench NAME=workers` runs it, and `test_live.py` holds the short form.
"""

import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from tqdm import tqdm

from taonet.kit.queue import create_celery

REPORT = Path("docs/benchmarks/workers.md")
SERVERS, ANSWER_SECONDS = 4, 0.3
ROUNDS, RUNS, IN_FLIGHT = 12, 3, 6
KILLS = int(os.environ.get("KILLS", "20"))
KILL_PAUSE_SECONDS = 3.0
FINISH_SECONDS = 240.0


class Play:
    """A Validator whose bell is rung by hand."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        name = environment["TAONET_VALIDATOR_NAME"]
        self.celery = create_celery("bench", environment["TAONET_REDIS_URL"], [], prefix=name)

    def ask(self, query: str) -> Any:
        with psycopg.connect(self.environment["TAONET_DATABASE_URL"]) as conn:
            row = conn.execute(query.encode()).fetchone()
            assert row is not None
            return row[0]

    def ring(self) -> None:
        self.celery.send_task("validator.score_round", queue="rounds")

    def reconcile(self) -> None:
        """What beat does every 15 seconds, with the overdue rounds' clocks put forward."""
        self.celery.send_task("validator.reconcile", queue="rounds")

    def scored(self) -> int:
        return int(self.ask("SELECT count(*) FROM round WHERE state = 'scored'"))

    def unfinished(self) -> int:
        return int(self.ask("SELECT count(*) FROM round WHERE state IN ('asking', 'asked')"))

    def warm_up(self) -> None:
        """Registration, imports, connections and the text are not counted."""
        before = self.scored()
        while self.scored() == before:
            self.ring()
            time.sleep(1)
        while self.unfinished():
            time.sleep(0.1)

    def rounds(self, count: int) -> float:
        """Return the seconds that so many rounds take, some of them at once."""
        before, rung, started = self.scored(), 0, time.monotonic()
        while (done := self.scored() - before) < count:
            while rung < count and rung - done < IN_FLIGHT:
                self.ring()
                rung += 1
            if rung == count and not self.unfinished() and time.monotonic() - started > 30:
                self.ring()  # A bell may be lost; a round may not.
            assert time.monotonic() - started < FINISH_SECONDS
            time.sleep(0.02)
        return time.monotonic() - started


def start_worker(environment: dict[str, str], processes: int) -> "subprocess.Popen[bytes]":
    quiet = ["--without-gossip", "--without-mingle", "-l", "error"]
    command = [sys.executable, "-m", "celery", "-A", "validator_service.worker", "worker", *quiet]
    name = f"w{secrets.token_hex(3)}@%h"
    return subprocess.Popen(
        [*command, "-c", str(processes), "-n", name], env={**os.environ, **environment}
    )


@contextmanager
def working(environment: dict[str, str], processes: int) -> Iterator[None]:
    process = start_worker(environment, processes)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    children = psutil.Process(process.pid).children(recursive=True)
    for pid in (*(child.pid for child in children), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def play(environment: dict[str, str], make_server: Any) -> Play:
    for _ in range(SERVERS):
        make_server(0.5, pause_seconds=ANSWER_SECONDS)
    slow_clock = {"TAONET_VALIDATOR_ROUND_SECONDS": "3600", "OMP_NUM_THREADS": "1"}
    return Play({**environment, **slow_clock, "TAONET_VALIDATOR_ANSWER_SECONDS": "5"})


def test_more_processes_score_more_rounds(play: Play) -> None:
    lines = [
        "# Workers",
        "",
        f"{os.cpu_count()} cores. {SERVERS} Servers take {ANSWER_SECONDS} s for an answer, as",
        f"under load; {IN_FLIGHT} rounds at once. Real Postgres, Valkey, Celery and HTTP; the",
        "chain and the Servers are stand-ins. Made by `make bench NAME=workers`.",
        "",
        f"| processes | rounds a second (median of {RUNS} runs of {ROUNDS}) | least … most |",
        "| ---: | ---: | ---: |",
    ]
    medians = []
    for processes in tqdm((1, 2, 4), desc="processes", file=sys.stderr):
        with working(play.environment, processes):
            play.warm_up()
            rates = sorted(ROUNDS / play.rounds(ROUNDS) for _ in range(RUNS))
        medians.append(statistics.median(rates))
        lines.append(f"| {processes} | {medians[-1]:.2f} | {rates[0]:.2f} … {rates[-1]:.2f} |")
    REPORT.write_text("\n".join(lines) + "\n")

    assert medians[1] > medians[0]


def test_no_round_is_lost_and_none_counted_twice_however_often_workers_are_killed(
    play: Play,
) -> None:
    rung = kill_often(play, KILLS)

    opened = play.ask("SELECT count(*) FROM round")
    tally = play.ask("SELECT total FROM tally WHERE kind = 'round' AND code = 'scored'")
    judged = play.ask("SELECT max(rounds) FROM standing")
    answers = play.ask("SELECT count(*) FROM answer")
    attempts = play.ask("SELECT sum(attempts - 1) FROM round")
    with REPORT.open("a") as file:
        file.write(
            f"\nThe worker and all its processes killed {KILLS} times while rounds were under way:"
            f" {rung} bells, {opened} rounds opened, {play.scored()} scored, {tally} counted,"
            f" {attempts} taken up again; a Server was judged {judged} times.\n"
        )
    assert opened == play.scored() == tally == judged
    assert answers == opened * SERVERS


def kill_often(play: Play, kills: int) -> int:
    """Ring, kill, start anew; then finish what is left. Return how many bells were rung."""
    rung = 0
    process = start_worker(play.environment, 2)
    play.warm_up()
    for _ in tqdm(range(kills), desc="kills", file=sys.stderr):
        before, deadline = play.unfinished(), time.monotonic() + 30
        for _ in range(2):
            play.ring()
            rung += 1
        while play.unfinished() <= before and time.monotonic() < deadline:
            time.sleep(0.02)
        kill_tree(process)
        process = start_worker(play.environment, 2)
    deadline = time.monotonic() + FINISH_SECONDS
    while play.unfinished():
        assert time.monotonic() < deadline, "rounds stand still"
        play.reconcile()
        time.sleep(KILL_PAUSE_SECONDS)
    process.terminate()
    process.wait(timeout=30)
    return rung
