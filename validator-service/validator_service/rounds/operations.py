"""What a Validator does in a round, step by step; each step may be repeated without harm."""

import secrets
from collections import Counter
from hashlib import sha256

import numpy as np
from psycopg import Connection

from validator_service.domain.answers import MalformedAnswer, check_answer
from validator_service.domain.outcomes import Outcome, gather_round, measure_answer
from validator_service.domain.prompts import round_identity
from validator_service.domain.scores import Judgement, Rules, judge_round
from validator_service.domain.weights import weights_from_scores
from validator_service.rounds import repository
from validator_service.rounds.asking import OK, Reply
from validator_service.rounds.packing import pack_answer, unpack_answer
from validator_service.rounds.repository import Round, StoredAnswer, WeightsRow

ROUNDS_KEPT = 50
"""Finished rounds whose answers stay in the database."""
ATTEMPTS_MAX = 3
"""How often a round is taken up again before it is parked."""
UNFINISHED_MAX = 8
"""Rounds under way at once; above it the next one is left out."""
MALFORMED = "malformed"


def open_round(conn: Connection, hotkey: str, height: int, block_hash: str) -> Round | None:
    """Begin a round at the chain's head; None while too many are under way."""
    repository.lock_rounds(conn)
    if repository.count_unfinished(conn) >= UNFINISHED_MAX:
        return None
    secret_id = repository.load_newest_secret(conn)
    if secret_id is None:
        secret_id = repository.add_secret(conn, secrets.token_hex(32))

    number = repository.next_round_number(conn)
    round_id = round_identity(hotkey, number)
    repository.add_round(conn, round_id, number, height, block_hash, secret_id)
    return repository.load_round(conn, round_id)


def record_answers(conn: Connection, round_id: str, replies: list[Reply]) -> bool:
    """Keep what came back; False where the round was asked before, whose answers stand."""
    if not repository.move_round(conn, round_id, "asking", "asked"):
        return False
    repository.add_answers(
        conn,
        [
            StoredAnswer(
                id=sha256(f"{round_id}|{reply.target.uid}".encode()).hexdigest(),
                round_id=round_id,
                uid=reply.target.uid,
                hotkey=reply.target.hotkey,
                code=reply.code,
                seconds=reply.seconds,
                body=pack_answer(reply),
            )
            for reply in replies
        ],
    )
    return True


def score_answers(
    conn: Connection, round_id: str, rules: Rules, top_k: int, vocabulary_size: int
) -> Judgement | None:
    """Score a round once: None where it is not waiting for that."""
    repository.lock_rounds(conn)
    scored = repository.load_round(conn, round_id)
    if scored is None or not repository.move_round(conn, round_id, "asked", "scored"):
        return None
    answers = repository.load_answers(conn, round_id)
    outcomes = [measure(answer, top_k, vocabulary_size) for answer in answers]

    asked = np.array([answer.uid for answer in answers], dtype=np.int64)
    hotkeys = tuple(answer.hotkey for answer in answers)
    judgement = judge_round(
        repository.load_standings(conn).recall(asked, hotkeys),
        gather_round(outcomes, [a.seconds for a in answers], scored.seed, vocabulary_size),
        rules,
    )

    repository.save_standings(conn, judgement.standings)
    repository.add_to_tally(conn, "answer", count_codes(answers, outcomes))
    repository.add_to_tally(conn, "round", {"scored": 1})
    repository.forget_rounds(conn, ROUNDS_KEPT)
    return judgement


def measure(answer: StoredAnswer, top_k: int, vocabulary_size: int) -> Outcome | None:
    """Check a stored answer as what it is, a stranger's word, and measure it."""
    if answer.body is None:
        return None
    packed = unpack_answer(answer.body)
    try:
        checked = check_answer(
            packed.ids,
            packed.probabilities,
            packed.floor,
            prompts=len(packed.hidden),
            top_k=top_k,
            vocabulary_size=vocabulary_size,
        )
    except MalformedAnswer:
        return None
    return measure_answer(checked, packed.hidden, packed.canary_rows, vocabulary_size)


def count_codes(answers: list[StoredAnswer], outcomes: list[Outcome | None]) -> dict[str, int]:
    codes = [
        MALFORMED if answer.code == OK and outcome is None else answer.code
        for answer, outcome in zip(answers, outcomes, strict=True)
    ]
    return dict(Counter(codes))


def find_overdue(conn: Connection, overdue_seconds: float) -> list[tuple[str, str]]:
    """Return the rounds that stand still, to be taken up again; park those beyond hope."""
    parked = repository.park_hopeless(conn, ATTEMPTS_MAX)
    if parked:
        repository.add_to_tally(conn, "round", {"parked": parked})
    return repository.retry_overdue(conn, overdue_seconds)


def are_weights_due(conn: Connection, epoch_blocks: int, first_rounds: int) -> bool:
    """Due with the first few rounds, and from then on once an epoch, judged by the rounds."""
    newest = repository.load_newest_weights(conn)
    height = repository.load_scored_height(conn)
    if height is None:
        return False
    if newest is None:
        return repository.count_scored(conn) >= first_rounds
    return height - newest.height >= epoch_blocks


def calculate_weights(
    conn: Connection, hotkeys: dict[int, str], limit: int, own_uid: int
) -> dict[int, int]:
    """Return the weights of the neurons that are still who they were when they were scored."""
    standings = repository.load_standings(conn)
    named = zip(standings.uids.tolist(), standings.hotkeys, strict=True)
    present = np.array([hotkeys.get(uid) == hotkey for uid, hotkey in named], dtype=bool)
    uids, values = weights_from_scores(
        standings.uids[present], standings.score.value[present], limit, own_uid
    )
    return dict(zip(uids.tolist(), values.tolist(), strict=True))


def record_weights(
    conn: Connection, height: int, weights: dict[int, int], error: str | None
) -> None:
    """Note what was set, and take a new secret: that of the past epoch may be told now."""
    repository.add_weights(conn, WeightsRow(height, list(weights), list(weights.values()), error))
    repository.add_to_tally(conn, "weights", {"set" if error is None else "refused": 1})
    if error is None:
        repository.add_secret(conn, secrets.token_hex(32))
