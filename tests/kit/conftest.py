"""The bookshop: a small service that stands on the kit."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def bookshop_url(monkeypatch: pytest.MonkeyPatch, database: Callable[[str], str]) -> Iterator[str]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    yield database("bookshop")
    for name in [name for name in sys.modules if name.partition(".")[0] == "bookshop"]:
        del sys.modules[name]
