"""What is compiled is the same: the same histories against the model, the same refusals of what
can't be read, and the same hashes to the last bit."""

from pathlib import Path

import pytest
from tests.compiling import check_compiled

from chain_service.compiled import HOT

HERE = Path(__file__).parent
MODULES = ("orders", "domain.blocks", "domain.state", "domain.transfers", "domain.replay")
TESTS = (
    *(HERE / f"test_{name}.py" for name in ("ledger", "blocks", "merkle", "prices")),
    *(HERE / f"test_{name}.py" for name in ("registration", "supply")),
    HERE.parent / "test_reading.py",
)


@pytest.mark.timeout(1800)
def test_what_is_compiled_agrees_with_the_model_and_the_sources(tmp_path: Path) -> None:
    check_compiled(HOT, MODULES, TESTS, tmp_path)
