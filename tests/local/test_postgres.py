import os
import subprocess
from pathlib import Path

import pytest

from taonet.local import postgres
from taonet.local.command import runs_as_root


def test_the_programs_run_from_wherever_they_are_copied(tmp_path: Path) -> None:
    """As root, from a package that nobody else may read, this copy is what runs."""
    packages = postgres.packages_folder()
    copy = tmp_path / "copy"

    postgres.copy_program(packages, copy)

    program = copy / postgres.PROGRAM / "bin" / "initdb"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("initdb (PostgreSQL)")


def test_a_home_that_nobody_can_reach_keeps_its_database_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "SHARED", tmp_path / "shared")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)

    data = postgres.data_directory(hidden / "home")

    assert data.is_relative_to(tmp_path / ("shared" if runs_as_root() else "hidden"))
    assert data == postgres.data_directory(hidden / "home"), "the same the next time"


def test_a_removed_home_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SHARED", tmp_path / "shared")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    before = postgres.data_directory(home)
    before.mkdir(parents=True, exist_ok=True)
    for path in home.iterdir():
        path.rmdir() if path.is_dir() else os.unlink(path)
    home.rmdir()
    home.mkdir(mode=0o700)

    after = postgres.data_directory(home)

    assert not (after / "PG_VERSION").exists()
    assert before != after or not runs_as_root()
    assert not before.exists() or before == after
