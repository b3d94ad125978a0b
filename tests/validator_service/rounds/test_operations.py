"""The steps of a round on a real Postgres: each may be repeated without harm."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from psycopg_pool import ConnectionPool

from server_service.client import SignedAnswer
from server_service.tensors import pack_tensors
from taonet.kit.db import begin, open_pool
from validator_service.domain.prompts import Questions
from validator_service.domain.scores import Rules
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.rounds import operations, repository, watch_repository
from validator_service.rounds.asking import OK, Reply, Target

VOCABULARY = 32
HASH = "ab" * 32
RULES = Rules(probation_rounds=1)


@pytest.fixture
def pool(database: Callable[[str], str]) -> Iterator[ConnectionPool]:
    with open_pool(database("validator_service")) as opened:
        yield opened


def reply(uid: int, probability: float = 0.5, code: str = OK, **changes: Any) -> Reply:
    """Four questions, the last two of them canaries; the truth is always token 7."""
    questions = Questions(
        context=np.zeros((4, 3), dtype=np.int64),
        hidden=np.full((4, 2), 7),
        canary_rows=np.array([2, 3]),
        altered=np.array([True, False, False, False]),
        lent=np.zeros(4, dtype=bool),
    )
    body = pack_tensors(
        {
            "ids": np.full((4, 1, 1), 7, dtype=np.int32),
            "probabilities": np.full((4, 1), probability, dtype=np.float32),
            "floor": np.full(4, (1 - probability) / (VOCABULARY - 1), dtype=np.float32),
            **changes,
        }
    )
    target = Target(uid, f"hotkey-{uid}", "127.0.0.1", 8091)
    signed = SignedAnswer({"taonet-nonce": "1"}, body, "00")
    return Reply(target, questions, code, 0.1, signed if code == OK else None)


def open_round(pool: ConnectionPool, height: int = 5) -> repository.Round:
    with begin(pool) as conn:
        opened = operations.open_round(conn, "me", height, HASH)
    assert opened is not None
    return opened


def record(pool: ConnectionPool, round_id: str, replies: list[Reply]) -> bool:
    with begin(pool) as conn:
        return operations.record_answers(conn, round_id, replies)


def score(pool: ConnectionPool, round_id: str) -> Any:
    with begin(pool) as conn:
        return operations.score_answers(conn, round_id, RULES, 8, VOCABULARY)


def play(pool: ConnectionPool, replies: list[Reply], height: int = 5) -> Any:
    opened = open_round(pool, height)
    record(pool, opened.id, replies)
    return score(pool, opened.id)


def record_weights(conn: Any, height: int, state: str, error: str | None = None) -> int:
    hotkeys = {uid: f"hotkey-{uid}" for uid in range(10)}
    row = operations.calculate_weights(conn, hotkeys, height, U32_MAXIMUM, 9, RULES)
    epoch = operations.record_weights(conn, row)
    operations.settle_weights(conn, epoch, state, error)
    return epoch


def test_rounds_are_numbered_and_share_a_secret_until_weights_are_set(pool: ConnectionPool) -> None:
    first, second = open_round(pool), open_round(pool)
    with begin(pool) as conn:
        record_weights(conn, 9, "set")
    third = open_round(pool)

    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.secret == second.secret != third.secret
    assert len({first.id, second.id, third.id}) == 3


def test_a_round_counts_once_however_often_it_is_scored(pool: ConnectionPool) -> None:
    opened = open_round(pool)
    assert record(pool, opened.id, [reply(1), reply(2, 0.25)])
    assert not record(pool, opened.id, [reply(1, 0.9)])

    assert score(pool, opened.id) is not None
    assert score(pool, opened.id) is None

    with begin(pool) as conn:
        standings = repository.load_standings(conn)
        assert repository.count_scored(conn) == 1
    assert standings.uids.tolist() == [1, 2]
    assert standings.rounds.tolist() == [1, 1]
    np.testing.assert_allclose(standings.loss.value, -np.log([0.5, 0.25]), rtol=1e-5)


def test_judgements_tell_losses_worth_and_who_answered_alike(pool: ConnectionPool) -> None:
    play(pool, [reply(1), reply(2), reply(3, code="timeout")])

    with begin(pool) as conn:
        first, second, silent = watch_repository.load_judgements(conn, None)
        only = watch_repository.load_judgements(conn, 2)
        nobody = watch_repository.load_judgements(conn, 7)
    assert first.loss_nats == pytest.approx(-np.log(0.5), rel=1e-5)
    assert (first.cluster_uid, second.cluster_uid, silent.cluster_uid) == (1, 1, None)
    assert (first.worth > 0, second.worth, silent.worth) == (True, 0, 0)
    assert (silent.loss_nats, silent.rounds) == (None, 1)
    assert (only, nobody) == ([second], [])


def test_standings_survive_in_the_tables(pool: ConnectionPool) -> None:
    for _ in range(3):
        judgement = play(pool, [reply(1), reply(2, 0.3), reply(3, code="timeout")])
    with begin(pool) as conn:
        stored = repository.load_standings(conn)
    assert stored.hotkeys == judgement.standings.hotkeys
    for column in ("loss", "score", "seconds", "by_heart"):
        kept, known = getattr(stored, column), getattr(judgement.standings, column)
        assert (kept.total.tolist(), kept.weight.tolist()) == (
            known.total.tolist(),
            known.weight.tolist(),
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": np.full((4, 1), 1.5, dtype=np.float32)},
        {"probabilities": np.full((4, 1), np.nan, dtype=np.float32)},
        {"ids": np.full((4, 1, 1), VOCABULARY, dtype=np.int32)},
        {"ids": np.full((2, 1, 1), 7, dtype=np.int32)},
        {"floor": np.zeros((4, 4), dtype=np.float32)},
        {"ids": np.full((4, 1, 1), 7, dtype=np.int64), "floor": np.zeros(0, dtype=np.float32)},
    ],
)
def test_a_malformed_answer_scores_nothing_and_stops_nothing(
    pool: ConnectionPool, changes: dict[str, Any]
) -> None:
    judgement = play(pool, [reply(1), reply(2, **changes)])

    assert judgement.values[0] > 0
    assert judgement.values[1] == 0
    with begin(pool) as conn:
        tallies = repository.load_tallies(conn)
    assert ("answer", "malformed", 1) in tallies
    assert ("answer", "ok", 1) in tallies


def test_bytes_that_nobody_thought_of_cost_one_server_its_round(pool: ConnectionPool) -> None:
    """A dtype that is a list once ended the job that scores all answers, for ever."""
    header = b'{"ids":{"dtype":[],"shape":[1],"data_offsets":[0,4]}}'
    body = len(header).to_bytes(8, "little") + header + bytes(4)
    odd = replace(reply(2), signed=SignedAnswer({"taonet-nonce": "1"}, body, "00"))

    judgement = play(pool, [reply(1), odd])

    assert judgement.values[0] > 0
    assert judgement.values[1] == 0


def test_a_round_that_stands_still_is_taken_up_again_and_parked_in_the_end(
    pool: ConnectionPool,
) -> None:
    asking, asked = open_round(pool), open_round(pool)
    record(pool, asked.id, [reply(1)])
    with begin(pool) as conn:
        assert operations.find_overdue(conn, overdue_seconds=20) == []

    def a_little_later() -> list[tuple[str, str]]:
        with begin(pool) as conn:
            conn.execute("UPDATE round SET touched_at = touched_at - interval '21 seconds'")
            return operations.find_overdue(conn, overdue_seconds=20)

    assert sorted(a_little_later()) == sorted([(asking.id, "asking"), (asked.id, "asked")])
    assert len(a_little_later()) == 2
    assert a_little_later() == []
    assert score(pool, asked.id) is None
    with begin(pool) as conn:
        assert ("round", "parked", 2) in repository.load_tallies(conn)


def test_parked_rounds_are_taken_up_again_on_demand(pool: ConnectionPool) -> None:
    asking, asked = open_round(pool), open_round(pool)
    record(pool, asked.id, [reply(1)])
    with begin(pool) as conn:
        conn.execute("UPDATE round SET state = 'parked', attempts = 3")
        assert repository.load_parked(conn) == [(1, 5, 3, 0), (2, 5, 3, 1)]
        assert repository.unpark(conn) == 2

    with begin(pool) as conn:
        overdue = operations.find_overdue(conn, overdue_seconds=20)
    assert sorted(overdue) == sorted([(asking.id, "asking"), (asked.id, "asked")])
    assert score(pool, asked.id) is not None


def test_too_many_rounds_under_way_leave_the_next_one_out(pool: ConnectionPool) -> None:
    for _ in range(operations.UNFINISHED_MAX):
        open_round(pool)
    with begin(pool) as conn:
        assert operations.open_round(conn, "me", 5, HASH) is None


def test_old_rounds_are_forgotten(pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "ROUNDS_KEPT", 5)
    for _ in range(operations.ROUNDS_KEPT + 3):
        play(pool, [reply(1)])
    with begin(pool) as conn:
        numbers = [row[0] for row in conn.execute("SELECT number FROM round ORDER BY number")]
        assert repository.count_scored(conn) == operations.ROUNDS_KEPT + 3
    assert numbers == list(range(4, operations.ROUNDS_KEPT + 4))


def test_weights_are_due_after_the_first_rounds_and_then_each_epoch(pool: ConnectionPool) -> None:
    def due() -> bool:
        with begin(pool) as conn:
            return operations.are_weights_due(conn, epoch_blocks=10, first_rounds=2)

    assert not due()
    play(pool, [reply(1)], height=5)
    assert not due()
    play(pool, [reply(1)], height=6)
    assert due()
    with begin(pool) as conn:
        record_weights(conn, 6, "refused", "SettingWeightsTooFast: wait")
    assert due()
    with begin(pool) as conn:
        record_weights(conn, 7, "revealed")
    assert not due()
    play(pool, [reply(1)], height=16)
    assert not due()
    play(pool, [reply(1)], height=17)
    assert due()


def test_weights_go_to_those_who_are_still_who_they_were(pool: ConnectionPool) -> None:
    play(pool, [reply(1), reply(2, 0.3), reply(3, code="timeout")])
    with begin(pool) as conn:
        row = operations.calculate_weights(
            conn, {1: "hotkey-1", 2: "somebody-new", 3: "hotkey-3"}, 5, U32_MAXIMUM, 9, RULES
        )

    assert row.uids == [1]
