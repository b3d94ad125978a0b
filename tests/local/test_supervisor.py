"""The supervisor on real processes of the standard library: start, restart, kill -9, stop."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taonet.local.home import Home, ProcessState
from taonet.local.kinship import birth_mark, end_strays

TOY = Path(__file__).with_name("toy_cluster.py")
SECONDS = 20


class Toy:
    """A toy cluster that runs in a process of its own."""

    def __init__(self, home: Path, port: int, kind: str = "sound") -> None:
        self.home = Home(home)
        self.port = port
        self.output = home.with_suffix(f".{time.monotonic_ns()}.txt")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(TOY), str(home), str(port), kind],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> "Toy":
        wait_until(lambda: "cluster ready" in self.output.read_text())
        return self

    def states(self) -> dict[str, ProcessState]:
        state = self.home.load_state()
        assert state is not None
        return {process.name: process for process in state.processes}

    def pid(self, name: str) -> int:
        pid = self.states()[name].pid
        assert pid is not None
        return pid

    def answers(self, offset: int = 0) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port + offset}/"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


@pytest.fixture
def port() -> int:
    """The first of two neighbouring ports that are free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            number: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", number + 1)).close()
            except OSError:
                continue
            return number


@pytest.fixture
def toys(tmp_path: Path, port: int) -> Iterator[list[Toy]]:
    """What a test starts; ended afterwards, whatever happened."""
    started: list[Toy] = []
    yield started
    for toy in started:
        if toy.process.poll() is None:
            toy.process.terminate()
            toy.process.wait(SECONDS)


@pytest.fixture
def toy(toys: list[Toy], tmp_path: Path, port: int) -> Toy:
    toys.append(Toy(tmp_path / "home", port))
    return toys[0].wait_ready()


def test_each_starts_once_what_it_stands_on_is_ready(toy: Toy) -> None:
    told = toy.output.read_text().splitlines()

    order = ["nursery running", "step done", "first running", "second running", "cluster ready"]
    assert order == [line for line in told if line in order]
    assert told.index("nursery running") < told.index("step starting")
    assert told.index("step done") < told.index("first starting")
    assert told.index("first running") < told.index("second starting")


@pytest.mark.alone
def test_it_stops_in_reverse_order_within_the_deadline(toy: Toy) -> None:
    pids = [process.pid for process in toy.children()]
    began = time.monotonic()
    toy.process.send_signal(signal.SIGTERM)

    assert toy.process.wait(SECONDS) == 0
    assert time.monotonic() - began < 5
    told = toy.output.read_text().splitlines()
    ends = [
        line.split()[0] for line in told if re.fullmatch(r"(first|second|nursery) stopped", line)
    ]
    assert ends == ["second", "first", "nursery"]
    assert [pid for pid in pids if birth_mark(pid)] == []


@pytest.mark.parametrize("name", ["first", "sleeper"])
def test_a_killed_process_comes_back_alone(toy: Toy, name: str) -> None:
    before = toy.states()
    os.kill(toy.pid(name), signal.SIGKILL)

    wait_until(lambda: toy.states()[name].restarts == 1 and toy.states()[name].state == "running")
    after = toy.states()
    assert before[name].pid != after[name].pid
    assert before["second"].pid == after["second"].pid
    assert toy.answers()


def test_with_a_killed_nursery_all_its_children_come_back(toy: Toy) -> None:
    old = [toy.pid(name) for name in ("nursery", "first", "second")]
    os.kill(old[0], signal.SIGKILL)

    wait_until(lambda: all(toy.states()[name].restarts for name in ("nursery", "first", "second")))
    wait_until(lambda: toy.answers(0) and toy.answers(1))
    assert [pid for pid in old if birth_mark(pid)] == []
    assert toy.states()["step"].state == "done"


@pytest.mark.alone
def test_restarts_back_off(toy: Toy) -> None:
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        os.kill(toy.pid("second"), signal.SIGSTOP)
        pid = toy.pid("second")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: _bind(squatter, toy.port + 1))
        began = time.monotonic()
        wait_until(lambda: toy.states()["second"].restarts >= 4)
        elapsed = time.monotonic() - began
    wait_until(lambda: toy.answers(1))

    # 0.25 + 0.5 + 1 s lie between the first and the fourth.
    assert 1.5 < elapsed < 8


def _bind(squatter: socket.socket, port: int) -> bool:
    try:
        squatter.bind(("127.0.0.1", port))
    except OSError:
        return False
    squatter.listen()
    return True


def test_a_killed_supervisor_leaves_nobody_behind(toys: list[Toy], toy: Toy) -> None:
    pids = [process.pid for process in toy.children()]
    assert len(pids) == 4
    toy.process.kill()
    toy.process.wait(SECONDS)

    wait_until(lambda: not any(birth_mark(pid) for pid in pids))
    toys.append(Toy(toy.home.path, toy.port))
    toys[1].wait_ready()
    assert toys[1].answers()


def test_a_step_that_fails_stops_the_start_and_says_why(
    toys: list[Toy], tmp_path: Path, port: int
) -> None:
    toys.append(Toy(tmp_path / "home", port, "broken"))

    assert toys[0].process.wait(SECONDS) == 1
    told = toys[0].output.read_text()
    assert "step could not be started" in told
    assert "SystemExit" in told
    assert "first starting" not in told


def test_a_second_supervisor_of_a_home_is_told_who_holds_it(toys: list[Toy], toy: Toy) -> None:
    toys.append(Toy(toy.home.path, toy.port))

    assert toys[1].process.wait(SECONDS) != 0
    assert f"supervisor with pid {toy.process.pid}" in toys[1].output.read_text()
    assert toy.answers()


def test_strays_are_ended_but_not_their_namesakes() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    stray = subprocess.Popen(sleep, start_new_session=True)
    other = subprocess.Popen(sleep, start_new_session=True)
    mark = birth_mark(stray.pid)
    assert mark is not None
    try:
        found = end_strays([(stray.pid, mark), (other.pid, "another birth")], deadline_seconds=5)

        assert [stray.pid] == found
        assert stray.wait(SECONDS) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (stray, other):
            process.kill()
            process.wait(SECONDS)
