"""What the images hold is code on a path: no package of ours is installed there."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise

from tests.compose.test_compose_file import ROOT, SERVICES

from taonet.kit.version import VERSION

NOT_INSTALLED = """
import importlib, sys
from importlib.metadata import Distribution, PackageNotFoundError
known = Distribution.from_name.__func__
def from_name(cls, name):
    if name == "taonet":
        raise PackageNotFoundError(name)
    return known(cls, name)
Distribution.from_name = classmethod(from_name)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def modules() -> Iterator[str]:
    """Yield what the containers of ours run; Celery reads its settings as it is imported."""
    for service in SERVICES.values():
        words = service.get("command", []) if "build" in service else []
        yield from (word.removesuffix(":create_app") for word in words if ":create_app" in word)
        yield from (after for word, after in pairwise(words) if word == "-m")


def test_the_version_is_known_without_a_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_what_runs_in_containers_asks_for_no_package_of_ours() -> None:
    names = sorted({*modules(), "server_service.app"})
    done = subprocess.run([sys.executable, "-c", NOT_INSTALLED, *names], capture_output=True)

    assert len(names) > 10
    assert done.returncode == 0, done.stderr.decode()[-500:]
