"""Prompts: repeatable, private to each Server, and all from held-out text."""

import numpy as np
import pytest

from validator_service.domain.prompts import (
    RoundSeed,
    Shape,
    Text,
    TooLittleText,
    draw_numbers,
    draw_questions,
    join_documents,
    round_identity,
)

SHAPE = Shape(context_tokens=5, hidden_tokens=2, prompts=6, canaries=3)
SEED = RoundSeed(block_hash="ab" * 32, secret="hush", number=7)


@pytest.fixture
def text() -> Text:
    documents = [np.arange(1000, 1300), np.arange(3), np.arange(5000, 5007), np.arange(9000, 9900)]
    return join_documents(documents, SHAPE)


def test_no_prompt_reaches_across_documents(text: Text) -> None:
    for number in range(50):
        questions = draw_questions(text, RoundSeed("ab", "hush", number), "alice", SHAPE)
        whole = np.concatenate([questions.context, questions.hidden], axis=1)

        assert questions.context.shape == (9, 5)
        assert (np.diff(whole[~questions.altered], axis=1) == 1).all()


def test_half_of_a_servers_own_questions_have_one_foreign_token(text: Text) -> None:
    questions = draw_questions(text, SEED, "alice", SHAPE)
    whole = np.concatenate([questions.context, questions.hidden], axis=1)
    expected = whole[:, -1:] + np.arange(-6, 1)

    assert questions.altered.sum() == SHAPE.prompts // 2
    assert not questions.altered[questions.canary_rows].any()
    assert ((whole != expected).sum(axis=1) <= questions.altered).all()
    assert (whole != expected).any()
    np.testing.assert_array_equal(questions.hidden, expected[:, -2:])


def test_every_place_can_be_drawn(text: Text) -> None:
    assert len(text.starts) == 294 + 1 + 894
    assert text.tokens[text.starts[-1] + 6] == 9899


def test_the_same_seed_draws_the_same_questions(text: Text) -> None:
    first, second = (draw_questions(text, SEED, "alice", SHAPE) for _ in range(2))

    np.testing.assert_array_equal(first.context, second.context)


def test_servers_share_the_canaries_and_nothing_else(text: Text) -> None:
    alice, bob = (draw_questions(text, SEED, name, SHAPE) for name in ("alice", "bob"))

    np.testing.assert_array_equal(alice.context[alice.canary_rows], bob.context[bob.canary_rows])
    np.testing.assert_array_equal(alice.hidden[alice.canary_rows], bob.hidden[bob.canary_rows])
    own = set(map(tuple, np.delete(alice.context, alice.canary_rows, axis=0).tolist()))
    others = set(map(tuple, np.delete(bob.context, bob.canary_rows, axis=0).tolist()))
    assert own != others


@pytest.mark.parametrize(
    "other",
    [
        RoundSeed("cd" * 32, "hush", 7),
        RoundSeed("ab" * 32, "loud", 7),
        RoundSeed("ab" * 32, "hush", 8),
    ],
)
def test_each_part_of_the_seed_matters(text: Text, other: RoundSeed) -> None:
    mine = draw_questions(text, SEED, "alice", SHAPE)
    theirs = draw_questions(text, other, "alice", SHAPE)

    assert not np.array_equal(mine.context, theirs.context)


def test_draws_are_spread_evenly() -> None:
    counts = np.bincount(draw_numbers(SEED, "spread", 10_000, 10))

    assert counts.min() > 850
    assert counts.max() < 1150


def test_too_little_text_says_so() -> None:
    with pytest.raises(TooLittleText, match="7 tokens"):
        join_documents([np.arange(6)], SHAPE)


def test_a_round_has_one_name() -> None:
    assert round_identity("alice", 1) == round_identity("alice", 1)
    assert (
        len({round_identity("alice", 1), round_identity("alice", 2), round_identity("b", 1)}) == 3
    )
