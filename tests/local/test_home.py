"""The data directory's files."""

import json
import os
from pathlib import Path

import pytest

from taonet.kit.errors import Unavailable
from taonet.local.home import ClusterState, Home, ProcessState


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_state_survives_writing_and_reading(home: Home) -> None:
    state = ClusterState(7, "mark", 1.5, "box", 8000, processes=[ProcessState("chain", pid=8)])
    home.save_state(state)

    assert state == home.load_state()


def test_without_a_running_supervisor_it_says_how_to_start_one(home: Home) -> None:
    with pytest.raises(Unavailable, match="taonet up"):
        home.load_running_state()
    home.save_state(ClusterState(os.getpid(), "another birth", 0.0, "box", 8000))
    with pytest.raises(Unavailable, match="taonet up"):
        home.load_running_state()


def test_a_long_log_is_moved_aside_under_its_writer(home: Home) -> None:
    with home.log_file("chain").open("ab", buffering=0) as writer:
        writer.write(b"old" * 10)
        home.turn_log("chain", bytes_max=20)
        writer.write(b"new")

    assert home.log_file("chain").read_text() == "new"
    assert home.log_file("chain").with_suffix(".log.1").read_text() == "old" * 10


def test_keys_and_secrets_are_for_the_owner_only(home: Home) -> None:
    modes = [folder.stat().st_mode & 0o777 for folder in (home.wallets, home.secrets)]

    assert modes == [0o700, 0o700]


def test_state_on_disk_is_plain_json(home: Home) -> None:
    home.save_state(ClusterState(7, "mark", 1.5, "box", 8000, ports={"chain": 9944}))

    assert json.loads((home.path / "state.json").read_text())["ports"]["chain"] == 9944
