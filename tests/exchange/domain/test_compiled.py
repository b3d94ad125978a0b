"""The engine compiled is the same engine: it lives through the same random histories."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
MACHINE = Path(__file__).with_name("test_exchange_machine.py")
EXAMPLES = "25"
RUN = """
import sys
import pytest
import exchange_service.domain
folder, machine = sys.argv[1:]
sys.path.append(folder)
exchange_service.domain.__path__.insert(0, f"{folder}/exchange_service/domain")
from exchange_service.domain import matching
assert matching.__file__.endswith(".so"), matching.__file__
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", machine]))
"""


def load_tool() -> ModuleType:
    path = ROOT / "tools" / "compile_engine.py"
    specification = importlib.util.spec_from_file_location("compile_engine", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_compiled_engine_agrees_with_the_model(tmp_path: Path) -> None:
    tool = load_tool()
    if not tool.can_compile():
        pytest.skip("there is no C compiler here, or no Python.h")
    tool.compile_in(tmp_path, level="0")  # Sooner done, and it is not for speed.
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), str(MACHINE)],
        cwd=ROOT,
        env=os.environ | {"TAONET_EXAMPLES": EXAMPLES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4_000:] + ran.stderr[-2_000:]
