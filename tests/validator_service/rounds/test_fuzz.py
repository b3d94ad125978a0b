"""Whatever a Server sends is an answer or a failure of its own, and never an exception."""

import numpy as np
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from validator_service.domain.prompts import Questions
from validator_service.rounds.operations import measure
from validator_service.rounds.packing import pack_questions
from validator_service.rounds.repository import StoredAnswer

VOCABULARY = 16
TOP_K = 4
QUESTIONS = Questions(
    context=np.zeros((3, 5), dtype=np.int64),
    hidden=np.array([[1, 2], [3, 4], [5, 6]]),
    canary_rows=np.array([2]),
    altered=np.array([True, False, False]),
    lent=np.zeros(3, dtype=bool),
)
GOOD = {
    "ids": np.arange(12, dtype=np.int32).reshape(3, 4, 1),
    "probabilities": np.full((3, 4), 0.2, dtype=np.float32),
    "floor": np.full(3, 0.01, dtype=np.float32),
}
DTYPES = st.sampled_from(["i1", "i4", "i8", "u8", "f2", "f4", "f8", "?"])
SHAPES = st.one_of(
    st.sampled_from([(3, 4, 1), (3, 4), (3,), (3, 4, 3), (3, 0, 1), (0,), ()]),
    arrays.array_shapes(max_dims=4, max_side=5),
)
anything = DTYPES.flatmap(
    lambda dtype: SHAPES.flatmap(
        lambda shape: arrays.arrays(dtype, shape, elements=arrays.from_dtype(np.dtype(dtype)))
    )
)


def stored(body: bytes) -> StoredAnswer:
    return StoredAnswer(
        *("id", "round", 1, "hotkey", "ok", 0.1, pack_questions(QUESTIONS), {}, body, "00")
    )


def look(body: bytes) -> bool:
    """Return whether it was worth anything; what is, is worth something finite."""
    outcome = measure(stored(body), TOP_K, VOCABULARY)
    if outcome is None:
        return False
    assert np.isfinite(outcome.loss)
    assert 0 <= outcome.loss <= 20
    assert np.isfinite(outcome.fingerprint).all()
    np.testing.assert_allclose((outcome.fingerprint**2).sum(), 1, rtol=1e-3)
    return True


def test_the_good_answer_is_good() -> None:
    assert look(safetensors.numpy.save(GOOD))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind(body: bytes) -> None:
    assert not look(body)


@settings(deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_good_answer_with_some_bytes_changed(place: int, change: bytes) -> None:
    body = safetensors.numpy.save(GOOD)
    look(body[:place] + change + body[place + len(change) :])


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from([*GOOD, "more"]), anything))
def test_arrays_of_any_kind_in_any_place(changes: dict[str, np.ndarray]) -> None:
    contiguous = {name: np.ascontiguousarray(array) for name, array in changes.items()}
    look(safetensors.numpy.save({**GOOD, **contiguous}))


@settings(deadline=None)
@given(
    arrays.arrays(np.int32, (3, 4, 2), elements=st.integers(-2, VOCABULARY)),
    arrays.arrays(np.float32, (3, 4), elements=st.floats(-0.125, 1.125, width=32)),
    arrays.arrays(np.float32, 3, elements=st.floats(-0.125, 1.125, width=32)),
)
def test_numbers_near_the_limits(
    ids: np.ndarray, probabilities: np.ndarray, floor: np.ndarray
) -> None:
    look(safetensors.numpy.save({"ids": ids, "probabilities": probabilities, "floor": floor}))


def test_an_answer_that_lacks_a_part_is_worth_nothing() -> None:
    for part in GOOD:
        assert not look(safetensors.numpy.save({k: v for k, v in GOOD.items() if k != part}))
