"""What is compiled is the same: it lives through the same random histories, and takes and refuses
the same orders."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
TESTS = (
    HERE / "test_exchange_machine.py",
    *(HERE.parent / f"test_{name}.py" for name in ("any_parameters", "authentication", "limits")),
)
EXAMPLES = "25"
RUN = """
import sys
from importlib.util import find_spec
from pathlib import Path
import pytest
import exchange_service
from exchange_service import compiled
folder, *tests = sys.argv[1:]
compiled.FOLDER, compiled.hash_sources = Path(folder).parent, lambda: Path(folder).name
exchange_service.__path__[:0] = compiled.find_compiled()
for name in ("domain.matching", "batch", "gate", "orders.reading", "streams.frames"):
    origin = find_spec(f"exchange_service.{name}").origin
    assert origin.startswith(folder) and origin.endswith(".so"), origin
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *tests]))
"""


def load_tool() -> ModuleType:
    path = ROOT / "tools" / "compile_engine.py"
    specification = importlib.util.spec_from_file_location("compile_engine", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_what_is_compiled_agrees_with_the_model_and_the_sources(tmp_path: Path) -> None:
    tool = load_tool()
    if not tool.can_compile():
        pytest.skip("there is no C compiler here, or no Python.h")
    build, compiled = tmp_path / "build", tmp_path / "compiled" / "any"
    tool.compile_in(build, level="0")  # Sooner done, and it is not for speed.
    tool.collect(build, compiled)
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(compiled), *map(str, TESTS)],
        cwd=ROOT,
        env=os.environ | {"TAONET_EXAMPLES": EXAMPLES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4_000:] + ran.stderr[-2_000:]
