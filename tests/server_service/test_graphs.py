"""Steps on frames of fixed memory say what plain steps do; test_cuda.py records them on a card."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server_service.test_architectures import VOCABULARY, build

from server_service import graphs
from server_service.graphs import GraphedBatch, prove, quicken
from server_service.pretrained import load_engine
from server_service.reference import TransformersBatch, TransformersEngine

Turn = tuple[str, list[int]]
lengths = st.lists(st.integers(1, 60), min_size=1, max_size=3)
turns = st.one_of(
    st.tuples(st.just("join"), lengths),
    st.tuples(st.just("step"), st.lists(st.just(1), min_size=1, max_size=40)),
    st.tuples(st.just("leave"), st.lists(st.integers(0, 5), min_size=1, max_size=3)),
)


@settings(max_examples=30, deadline=None)
@given(wishes=st.lists(turns, min_size=1, max_size=12))
def test_whoever_joins_and_leaves_all_are_told_the_same(
    engine: TransformersEngine, wishes: list[Turn]
) -> None:
    plain, graphed = TransformersBatch(engine), GraphedBatch(engine)
    rows = 0
    token = iter(range(1, 10_000))
    for kind, numbers in wishes:
        if kind == "join":
            prompts = [[next(token) % 2048 for _ in range(length)] for length in numbers]
            np.testing.assert_array_equal(plain.join(prompts), graphed.join(prompts))
            rows += len(prompts)
        elif kind == "leave":
            staying = [row for row in range(rows) if row not in numbers]
            plain.keep(staying)
            graphed.keep(staying)
            rows = len(staying)
        for _ in numbers if kind == "step" and rows else ():
            tokens = [next(token) % 2048 for _ in range(rows)]
            np.testing.assert_allclose(graphed.step(tokens), plain.step(tokens), atol=1e-4)


def test_rows_move_to_a_wider_frame_where_theirs_is_full(engine: TransformersEngine) -> None:
    plain, graphed = TransformersBatch(engine), GraphedBatch(engine)
    prompts = [list(range(5, 5 + graphs.COLUMNS_MIN - 2)), [7, 8, 9]]
    np.testing.assert_array_equal(plain.join(prompts), graphed.join(prompts))
    for number in range(6):
        tokens = [number, number + 1]
        np.testing.assert_allclose(graphed.step(tokens), plain.step(tokens), atol=1e-4)


def test_running_texts_go_on_where_a_newcomer_finds_too_little_memory(
    engine: TransformersEngine,
) -> None:
    plain, graphed = TransformersBatch(engine), GraphedBatch(engine)
    for batch in (plain, graphed):
        batch.join([[5, 6, 7]])
    short = mock.patch.object(graphs, "Frame", side_effect=torch.OutOfMemoryError("no memory"))
    with short, pytest.raises(torch.OutOfMemoryError):
        graphed.join([[8, 9]])
    np.testing.assert_allclose(graphed.step([3]), plain.step([3]), atol=1e-4)


def test_frames_that_wait_are_given_up_where_memory_is_short(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = GraphedBatch(engine)
    for _ in range(3):
        batch.join([[5, 6, 7]])
    assert len(batch._frames) == 3
    read, errors = engine.read_together, [torch.OutOfMemoryError("no memory")]

    def read_or_fail(rows: list[list[int]]) -> object:
        if errors:
            raise errors.pop()
        return read(rows)

    monkeypatch.setattr(engine, "read_together", read_or_fail)
    batch.join([[5, 6, 7]])
    assert list(batch._frames) == [(4, graphs.COLUMNS_MIN)]


def test_frames_that_wait_keep_within_their_memory(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "IDLE_BYTES_MAX", 0)
    batch = GraphedBatch(engine)
    for _ in range(5):
        batch.join([[5, 6, 7]])
    assert len(batch._frames) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("learned positions", None), ("sliding window", "reach"), ("distances", "unpack")],
)
def test_only_models_that_say_the_same_are_quickened(
    name: str, reason: str | None, tmp_path: Path
) -> None:
    build(name).save_pretrained(tmp_path)
    engine = load_engine(str(tmp_path), VOCABULARY, threads=1)
    if reason is not None:
        with pytest.raises(Exception, match=reason):
            prove(engine)
    quicken(engine)
    assert (engine.make_batch is GraphedBatch) == (reason is None)
