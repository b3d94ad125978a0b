"""What a Validator does in a round, step by step; each step may be repeated without harm."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256

import numpy as np
from psycopg import Connection

from server_service.domain.errors import MalformedTensors
from taonet.kit.logging import get_logger
from validator_service.domain.answers import MalformedAnswer, check_answer
from validator_service.domain.outcomes import Outcome, gather_round, measure_answer
from validator_service.domain.prompts import round_identity
from validator_service.domain.scores import (
    SHAPLEY,
    Judgement,
    Rules,
    Standings,
    base_scores,
    judge_round,
)
from validator_service.domain.weights import weights_from_scores
from validator_service.rounds import repository, watch_repository, weights_repository
from validator_service.rounds.asking import OK, Reply
from validator_service.rounds.packing import (
    Incomplete,
    pack_questions,
    pack_standings,
    unpack_claim,
    unpack_questions,
)
from validator_service.rounds.repository import Round, StoredAnswer
from validator_service.rounds.watch_repository import ServerRound
from validator_service.rounds.weights_repository import WeightsRow

ROUNDS_KEPT = 200
"""Finished rounds whose answers stay in the database."""
ATTEMPTS_MAX = 3
"""How often a round is begun, the first time included, before it is parked."""
UNFINISHED_MAX = 8
"""Rounds under way at once; above it the next one is left out."""
MALFORMED = "malformed"

log = get_logger(__name__)


def open_round(conn: Connection, hotkey: str, height: int, block_hash: str) -> Round | None:
    """Begin a round at the chain's head; None while too many are under way."""
    repository.lock_rounds(conn)
    if repository.count_unfinished(conn) >= UNFINISHED_MAX:
        return None
    secret_id, _ = current_secret(conn)
    number = repository.next_round_number(conn)
    round_id = round_identity(hotkey, number)
    repository.add_round(conn, round_id, number, height, block_hash, secret_id)
    return repository.load_round(conn, round_id)


def current_secret(conn: Connection) -> tuple[int, str]:
    newest = repository.load_newest_secret(conn)
    if newest is not None:
        return newest
    value = secrets.token_hex(32)
    return repository.add_secret(conn, value), value


def record_answers(
    conn: Connection, round_id: str, replies: list[Reply], text_digest: str = ""
) -> bool:
    """Keep what came back; False where the round was asked before, whose answers stand."""
    if not repository.move_round(conn, round_id, "asking", "asked"):
        return False
    repository.note_text(conn, round_id, text_digest)
    repository.add_answers(conn, [store(round_id, reply) for reply in replies])
    return True


def store(round_id: str, reply: Reply) -> StoredAnswer:
    target, signed = reply.target, reply.signed
    return StoredAnswer(
        id=sha256(f"{round_id}|{target.uid}".encode()).hexdigest(),
        round_id=round_id,
        uid=target.uid,
        hotkey=target.hotkey,
        code=reply.code,
        seconds=reply.seconds,
        questions=pack_questions(reply.questions),
        request_headers=dict(signed.request_headers) if signed else None,
        body=signed.body if signed else None,
        signature=signed.signature if signed else None,
    )


def score_answers(
    conn: Connection, round_id: str, rules: Rules, top_k: int, vocabulary_size: int
) -> Judgement | None:
    """Score a round once: None where it is not waiting for that."""
    # What takes long comes before the lock, so that other workers can do the same meanwhile.
    answers = repository.load_answers(conn, round_id)
    outcomes = [measure(answer, top_k, vocabulary_size) for answer in answers]
    repository.lock_rounds(conn)
    scored = repository.load_round(conn, round_id)
    if scored is None or not repository.move_round(conn, round_id, "asked", "scored"):
        return None
    known = repository.load_standings(conn)
    judgement = judge_answers(scored, answers, outcomes, known, rules, vocabulary_size)

    repository.note_scored(conn, round_id)
    repository.save_standings(conn, judgement.standings)
    codes = name_codes(answers, outcomes)
    repository.add_to_tally(conn, "answer", dict(Counter(codes)))
    uids = [answer.uid for answer in answers]
    watch_repository.count_server_codes(conn, list(zip(uids, codes, strict=True)))
    watch_repository.save_server_rounds(conn, scored.number, describe_servers(judgement, rules))
    repository.add_to_tally(conn, "round", {"scored": 1})
    repository.forget_rounds(conn, ROUNDS_KEPT)
    return judgement


def judge_answers(
    scored: Round,
    answers: Sequence[StoredAnswer],
    outcomes: Sequence[Outcome | None],
    known: Standings,
    rules: Rules,
    vocabulary_size: int,
) -> Judgement:
    """Judge a round by its stored answers: now, or again in an audit."""
    asked = np.array([answer.uid for answer in answers], dtype=np.int64)
    hotkeys = tuple(answer.hotkey for answer in answers)
    seconds = [answer.seconds for answer in answers]
    seen = gather_round(outcomes, seconds, scored.seed, vocabulary_size)
    return judge_round(known.recall(asked, hotkeys), seen, rules)


def measure(answer: StoredAnswer, top_k: int, vocabulary_size: int) -> Outcome | None:
    """Check a stored answer as what it is, a stranger's word, and measure it."""
    if answer.body is None:
        return None
    questions = unpack_questions(answer.questions)
    try:
        claim = unpack_claim(answer.body)
        checked = check_answer(
            claim.ids,
            claim.probabilities,
            claim.floor,
            prompts=len(questions.hidden),
            top_k=top_k,
            vocabulary_size=vocabulary_size,
        )
        return measure_answer(checked, questions, vocabulary_size)
    except (MalformedTensors, Incomplete, MalformedAnswer):
        return None
    except (TypeError, ValueError, ArithmeticError, LookupError):
        # An answer nobody thought of must cost its Server the round, and nobody else.
        log.exception("measuring failed in an unknown way", uid=answer.uid)
        return None


def name_codes(answers: list[StoredAnswer], outcomes: list[Outcome | None]) -> list[str]:
    return [
        MALFORMED if answer.code == OK and outcome is None else answer.code
        for answer, outcome in zip(answers, outcomes, strict=True)
    ]


def describe_servers(judgement: Judgement, rules: Rules) -> list[ServerRound]:
    """Return what each Server's round was worth, and how much of that is synergy."""
    standings, values = judgement.standings, judgement.values
    base = base_scores(standings.loss.value, rules)
    paid = (values > 0) & (rules.rule != SHAPLEY)
    synergies = np.where(paid, np.maximum(values - base, 0.0), 0.0)
    uids = standings.uids.tolist()
    return [
        ServerRound(
            uid=uid,
            hotkey=standings.hotkeys[row],
            worth=float(values[row]),
            synergy=float(synergies[row]),
            cluster_uid=uids[cluster] if cluster >= 0 else None,
        )
        for row, (uid, cluster) in enumerate(zip(uids, judgement.clusters.tolist(), strict=True))
    ]


def find_overdue(conn: Connection, overdue_seconds: float) -> list[tuple[str, str]]:
    """Return the rounds that stand still, to be taken up again; park those beyond hope."""
    parked = repository.park_hopeless(conn, ATTEMPTS_MAX, overdue_seconds)
    if parked:
        repository.add_to_tally(conn, "round", {"parked": parked})
    return repository.retry_overdue(conn, ATTEMPTS_MAX, overdue_seconds)


def are_weights_due(conn: Connection, epoch_blocks: int, first_rounds: int) -> bool:
    """Due with the first few rounds, and from then on once an epoch, judged by the rounds."""
    newest = weights_repository.load_newest_weights(conn)
    height = repository.load_scored_height(conn)
    if height is None:
        return False
    if newest is None:
        return repository.count_scored(conn) >= first_rounds
    return height - newest.height >= epoch_blocks


def calculate_weights(
    conn: Connection, hotkeys: dict[int, str], height: int, limit: int, own_uid: int, rules: Rules
) -> WeightsRow:
    """Return the weights that the standings lead to, with all that an audit needs."""
    standings = repository.load_standings(conn)
    named = zip(standings.uids.tolist(), standings.hotkeys, strict=True)
    present = [uid for uid, hotkey in named if hotkeys.get(uid) == hotkey]
    uids, values = weigh(standings, present, limit, own_uid)
    secret_id, salt = current_secret(conn)
    return WeightsRow(
        height=height,
        uids=uids,
        values=values,
        state="committed",
        error=None,
        secret_id=secret_id,
        salt=salt,
        rules=asdict(rules),
        own_uid=own_uid,
        limit_u32=limit,
        present=present,
        standings=pack_standings(standings),
    )


def weigh(
    standings: Standings, present: Sequence[int], limit: int, own_uid: int
) -> tuple[list[int], list[int]]:
    """Return uids and weights of the neurons that are still who they were when scored."""
    kept = np.isin(standings.uids, present)
    uids, values = weights_from_scores(
        standings.uids[kept], standings.score.value[kept], limit, own_uid
    )
    return uids.tolist(), values.tolist()


def record_weights(conn: Connection, row: WeightsRow) -> int:
    """
    Close the epoch: its rounds count towards these weights, and the next have another secret.

    Kept before the chain hears of them: a promise whose content is lost can't be kept.
    """
    epoch = weights_repository.add_weights(conn, row)
    repository.close_epoch(conn, epoch)
    repository.add_secret(conn, secrets.token_hex(32))
    return epoch


def settle_weights(conn: Connection, epoch: int, state: str, error: str | None = None) -> None:
    """Note what became of weights: `set` or `revealed`, else `refused` or `lost`, and why."""
    weights_repository.move_weights(conn, epoch, state, error)
    repository.add_to_tally(conn, "weights", {state: 1})
