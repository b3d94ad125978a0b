"""What is compiled is the same: it lives through the same random histories, and takes and refuses
the same orders."""

from pathlib import Path

import pytest
from tests.compiling import check_compiled

from exchange_service.compiled import HOT

HERE = Path(__file__).parent
MODULES = ("domain.matching", "batch", "gate", "orders.reading", "streams.frames")
TESTS = (
    HERE / "test_exchange_machine.py",
    *(HERE.parent / f"test_{name}.py" for name in ("any_parameters", "authentication", "limits")),
)


@pytest.mark.timeout(1800)
def test_what_is_compiled_agrees_with_the_model_and_the_sources(tmp_path: Path) -> None:
    check_compiled(HOT, MODULES, TESTS, tmp_path)
