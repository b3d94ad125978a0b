"""A service's hot modules, compiled for a test, and tests that run on them in a new process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.scripts import TOOLS, load_script

from taonet.kit.compiled import SOURCES, HotModules

ROOT = Path(__file__).parents[1]
EXAMPLES = "25"
RUN = """
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
import pytest
folder, package, modules, *tests = sys.argv[1:]
hot = importlib.import_module(f"{package}.compiled").HOT
hot.folder, hot.digest = Path(folder).parent, Path(folder).name
importlib.import_module(package).__path__[:0] = hot.find()
for name in modules.split(","):
    origin = find_spec(f"{package}.{name}").origin
    assert origin.startswith(folder) and origin.endswith(".so"), origin
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *tests]))
"""


def check_compiled(
    hot: HotModules, modules: Sequence[str], tests: Sequence[Path], folder: Path
) -> None:
    """Compile in a folder, and run tests with what came of it; `modules` must be among it."""
    tool = load_script(TOOLS / "compile_services.py")
    if not tool.can_compile():
        pytest.skip("there is no C compiler here, or no Python.h")
    build, compiled = folder / "build", folder / "compiled" / "any"
    tool.compile_in(hot, build, level="0")  # Sooner done, and it is not for speed.
    tool.collect(build, compiled)
    names = (str(compiled), hot.package.name, ",".join(modules))
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *names, *map(str, tests)],
        cwd=ROOT,
        env=os.environ | {"TAONET_EXAMPLES": EXAMPLES, SOURCES: "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4_000:] + ran.stderr[-2_000:]
