"""What was read before is not read again, and nobody's answer is another for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.server_service.greedy import write_greedy
from tests.server_service.test_architectures import STEPS, VOCABULARY, build

from server_service.prefixes import SHARED_TOKENS_MIN, count_bytes, states_of
from server_service.pretrained import load_engine
from server_service.reference import TransformersEngine

TOLD = list(range(40, 140))
CONVERSATION = [TOLD, [*TOLD, 7, 8, 9], [*TOLD, 7, 8, 9, 10], [*TOLD[:90], 3, 4], [5, *TOLD], TOLD]
UNREAD = [100, 3, 1, 2, 101, 1]
"""Tokens that are new in each of them. Of the last all are known, and its end is asked."""
PLENTY = 2**24


@pytest.fixture(params=["learned positions", "distances", "sliding window"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    build(request.param).save_pretrained(tmp_path)
    return str(tmp_path)


def load(folder: str, prefix_bytes: int) -> TransformersEngine:
    return load_engine(folder, VOCABULARY, threads=1, prefix_bytes=prefix_bytes)


def count_reading(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of each pass from now on."""
    forward, seen = engine.forward, []

    def watched(ids: Any, **options: Any) -> Any:
        seen.append(ids.shape[1])
        return forward(ids, **options)

    monkeypatch.setattr(engine, "forward", watched)
    return seen


def test_texts_equal_those_of_a_model_that_remembers_nothing(folder: str) -> None:
    forgetful = write_greedy(load(folder, 0), CONVERSATION, STEPS)
    assert forgetful == write_greedy(load(folder, PLENTY), CONVERSATION, STEPS)


def test_only_what_is_new_is_read(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful, engine = load(folder, 0), load(folder, PLENTY)
    read = count_reading(engine, monkeypatch)
    for prompt in CONVERSATION:
        tokens = np.array([prompt])
        expected = forgetful.next_logits(tokens)
        np.testing.assert_allclose(expected, engine.next_logits(tokens), atol=1e-4)
    assert read == UNREAD


def test_rows_read_together_are_remembered_each(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful, engine = load(folder, 0), load(folder, PLENTY)
    rows = [[first, *TOLD[first:]] for first in range(3)]
    together, _ = engine.read_together(rows)
    read = count_reading(engine, monkeypatch)
    for row, logits in zip(rows, together, strict=True):
        np.testing.assert_allclose(logits, forgetful.read(row)[0][0], atol=1e-4)
        longer = [*row, 7, 8]
        np.testing.assert_allclose(engine.read(longer)[0], forgetful.read(longer)[0], atol=1e-4)
    assert read == [2, 2, 2]


def test_no_more_is_kept_than_the_bound_and_the_least_used_goes_first(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(folder, 0)
    rows = [[first, *TOLD] for first in range(4)]
    size = count_bytes(states_of(engine.read(rows[0])[1]))
    engine = load(folder, 3 * size)
    for row in (*rows[:3], rows[0], rows[3]):
        engine.read(row)
    read = count_reading(engine, monkeypatch)
    for row in (rows[0], rows[2], rows[3], rows[1]):
        engine.read(row)
    assert read == [1, 1, 1, len(rows[1])]


def test_a_short_beginning_is_read_again(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(folder, PLENTY)
    engine.read(TOLD)
    read = count_reading(engine, monkeypatch)
    engine.read([*TOLD[: SHARED_TOKENS_MIN - 1], 1, 2])
    assert read == [SHARED_TOKENS_MIN + 1]
