"""Answers of other neurons: good ones pass, and nothing else does."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from server_service.domain.answers import (
    PHRASE_LENGTH_MAX,
    check_hidden_states,
    check_next_phrases,
    check_token_probabilities,
)
from server_service.domain.errors import MalformedAnswer

VOCABULARY = 16
Tensors = dict[str, Any]


def good_phrases(batch: int = 2, count: int = 4) -> Tensors:
    ids = np.tile(np.arange(count, dtype=np.int32)[:, None], (batch, 1, 1))
    probabilities = np.full((batch, count), 0.8 / count, np.float32)
    floor = np.full(batch, 0.2 / (VOCABULARY - count), np.float32)
    return {"ids": ids, "probabilities": probabilities, "floor": floor}


def check(tensors: Tensors) -> object:
    return check_next_phrases(tensors, batch=2, top_k=4, vocabulary_size=VOCABULARY)


def change(name: str, edit: Callable[[Any], Any]) -> Tensors:
    tensors = good_phrases()
    tensors[name] = edit(tensors[name].copy())
    return tensors


def put(index: Any, value: float) -> Callable[[Any], Any]:
    def edit(array: Any) -> Any:
        array[index] = value
        return array

    return edit


def test_a_distribution_passes() -> None:
    check(good_phrases())


def test_fewer_phrases_than_asked_for_pass() -> None:
    check(good_phrases(count=1))


def test_phrases_of_several_tokens_pass() -> None:
    check(change("ids", lambda ids: np.concatenate([ids, np.full_like(ids, -1)], axis=2)))


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "exactly the tensors"),
        (good_phrases() | {"more": np.zeros(1, np.float32)}, "exactly the tensors"),
        (change("ids", lambda ids: ids.astype(np.int64)), "expected int32"),
        (change("probabilities", lambda p: p.astype(np.float64)), "expected float32"),
        (change("floor", lambda f: f[:, None]), "got float32 of 2"),
        (good_phrases(batch=3), "shape"),
        (good_phrases(count=5), "entries"),
        (change("ids", lambda ids: ids[:, :3]), "shape"),
        (change("floor", lambda f: f[:1]), "shape"),
        (change("ids", lambda ids: ids[:, :, :0]), "out of range"),
        (
            change("ids", lambda ids: np.repeat(ids, PHRASE_LENGTH_MAX + 1, axis=2)),
            "out of range",
        ),
        (change("ids", put((0, 0, 0), VOCABULARY)), "not all"),
        (change("ids", put((0, 0, 0), -2)), "not all"),
        (change("ids", put((0, 0, 0), -1)), "empty"),
        (
            change("ids", lambda ids: np.concatenate([ids, ids * 0 - 1, ids], axis=2)),
            "after its padding",
        ),
        (change("probabilities", put((1, 2), np.nan)), "finite"),
        (change("probabilities", put((1, 2), np.inf)), "finite"),
        (change("probabilities", put((1, 2), -0.1)), "finite"),
        (change("probabilities", put((1, 2), 0.9)), "more than 1"),
        (change("floor", put(0, np.nan)), "finite"),
        (change("floor", put(0, 0.1)), "more than 1"),
    ],
)
def test_what_is_not_a_distribution_is_refused(tensors: Tensors, reason: str) -> None:
    with pytest.raises(MalformedAnswer, match=reason):
        check(tensors)


arrays = st.one_of(
    npst.arrays(
        dtype=st.sampled_from([np.int32, np.int64, np.float32, np.float64, np.bool_]),
        shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    npst.arrays(np.int32, (2, 4, 2)),
    npst.arrays(np.float32, st.sampled_from([(2, 4), (2,), (2, 3, 4)])),
)
names = st.sampled_from(["ids", "probabilities", "floor", "hidden"])


@given(st.dictionaries(names, arrays))
def test_arbitrary_arrays_are_taken_or_refused(tensors: Tensors) -> None:
    with contextlib.suppress(MalformedAnswer):
        check(tensors)
    with contextlib.suppress(MalformedAnswer):
        check_token_probabilities(tensors, batch=2, sequence=3, top_k=4, vocabulary_size=VOCABULARY)
    with contextlib.suppress(MalformedAnswer):
        check_hidden_states(tensors, batch=2, sequence=3)


@given(
    npst.arrays(np.int32, (2, 4, 2), elements=st.integers(-2, VOCABULARY)),
    npst.arrays(np.float32, (2, 4), elements=st.floats(-0.125, 1, width=32)),
    npst.arrays(np.float32, (2,), elements=st.floats(-0.125, 1, width=32)),
)
def test_what_passes_is_a_distribution(ids: Any, probabilities: Any, floor: Any) -> None:
    try:
        check({"ids": ids, "probabilities": probabilities, "floor": floor})
    except MalformedAnswer:
        return
    assert (probabilities >= 0).all()
    assert (floor >= 0).all()
    assert (probabilities.sum(1) + (VOCABULARY - 4) * floor <= 1.001).all()
    assert (ids[:, :, 0] >= 0).all()
    assert (ids < VOCABULARY).all()


def test_every_position_sums_to_one_at_most() -> None:
    ids = np.zeros((1, 2, 3), np.int32)
    good = {"ids": ids, "probabilities": np.full((1, 2, 3), 0.3, np.float32)}
    bad = {"ids": ids, "probabilities": np.full((1, 2, 3), 0.4, np.float32)}
    asked = {"batch": 1, "sequence": 2, "top_k": 3, "vocabulary_size": VOCABULARY}
    check_token_probabilities(good, **asked)
    with pytest.raises(MalformedAnswer, match="more than 1"):
        check_token_probabilities(bad, **asked)


def test_hidden_states_are_finite() -> None:
    hidden = np.zeros((1, 2, 8), np.float32)
    check_hidden_states({"hidden": hidden}, batch=1, sequence=2)
    hidden[0, 1, 3] = np.nan
    with pytest.raises(MalformedAnswer, match="finite"):
        check_hidden_states({"hidden": hidden}, batch=1, sequence=2)
