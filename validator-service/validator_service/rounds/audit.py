"""Judging an epoch again, from the signed answers alone: does it lead to the same weights?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from psycopg import Connection

from server_service.client import SignedAnswer, verify_next_phrases
from taonet.kit.errors import NotFound, Refusal
from validator_service.domain.passages import follow_from
from validator_service.domain.prompts import Shape, Text, draw_questions
from validator_service.domain.scores import Rules, Standings, strangers
from validator_service.rounds import repository, weights_repository
from validator_service.rounds.operations import judge_answers, measure, weigh
from validator_service.rounds.packing import AVERAGES, unpack_questions, unpack_standings
from validator_service.rounds.repository import Round, StoredAnswer
from validator_service.rounds.weights_repository import WeightsRow

TOLERANCE = 1e-9
"""Relative: another processor may add in another order."""
PROBLEMS_TOLD = 20


@dataclass(frozen=True)
class Lens:
    """What is needed to look at an epoch, beside what was stored."""

    hotkey: str
    """The Validator's."""
    top_k: int
    vocabulary_size: int
    text: Text
    shape: Shape


@dataclass(frozen=True)
class Finding:
    """What an audit found."""

    epoch: int
    rounds: int
    answers: int
    redrawn: int
    """Answers whose questions were drawn again from the seed; the others' text is gone."""
    problems: list[str]

    @property
    def agrees(self) -> bool:
        return not self.problems


def audit_epoch(conn: Connection, epoch: int, lens: Lens) -> Finding:
    """Verify every signature, judge every round again, weigh again; compare."""
    kept = weights_repository.load_epoch_weights(conn, epoch)
    if kept is None:
        raise NotFound(f"there is no epoch {epoch}; `taonet validator epochs` lists them")
    before = weights_repository.load_weights_before(conn, epoch)
    standings = unpack_standings(before.standings) if before else NOBODY
    rounds = repository.load_epoch_rounds(conn, epoch)
    problems: list[str] = []
    count = redrawn = 0
    for scored in rounds:
        answers = repository.load_answers(conn, scored.id)
        count += len(answers)
        if scored.text_digest == lens.text.digest:
            redrawn += len(answers)
        for answer in answers:
            problems += check_provenance(scored, answer, lens)
        standings = judge_again(scored, answers, standings, kept, lens)
    problems += compare(standings, kept)
    return Finding(epoch, len(rounds), count, redrawn, problems[:PROBLEMS_TOLD])


NOBODY = strangers(np.empty(0, dtype=np.int64), ())


def check_provenance(scored: Round, answer: StoredAnswer, lens: Lens) -> Iterator[str]:
    """Yield what is wrong with who asked what, and who answered."""
    where = f"round {scored.number}, uid {answer.uid}"
    questions = unpack_questions(answer.questions)
    if scored.text_digest == lens.text.digest:
        drawn = draw_questions(lens.text, scored.seed, answer.hotkey, lens.shape)
        if not follow_from(drawn, questions, lens.shape):
            yield f"{where}: the questions do not follow from the seed"
    if answer.body is None or answer.request_headers is None or answer.signature is None:
        return
    signed = SignedAnswer(answer.request_headers, answer.body, answer.signature)
    try:
        asker = verify_next_phrases(signed, answer.hotkey, questions.context, lens.top_k)
    except Refusal as refusal:
        yield f"{where}: {refusal.message}"
        return
    if asker != lens.hotkey:
        yield f"{where}: asked by {asker}"


def judge_again(
    scored: Round,
    answers: list[StoredAnswer],
    standings: Standings,
    kept: WeightsRow,
    lens: Lens,
) -> Standings:
    """Return all standings after the round."""
    outcomes = [measure(answer, lens.top_k, lens.vocabulary_size) for answer in answers]
    judged = judge_answers(
        scored, answers, outcomes, standings, Rules(**kept.rules), lens.vocabulary_size
    ).standings
    others = np.flatnonzero(~np.isin(standings.uids, judged.uids))
    return merge(standings, others, judged)


def merge(first: Standings, rows: np.ndarray, second: Standings) -> Standings:
    """Return some rows of the first and all of the second, by uid."""
    uids = np.concatenate([first.uids[rows], second.uids])
    hotkeys = [*(first.hotkeys[row] for row in rows.tolist()), *second.hotkeys]
    order = np.argsort(uids)
    both = {
        name: getattr(first, name).take(rows).join(getattr(second, name)).take(order)
        for name in AVERAGES
    }
    return Standings(
        uids=uids[order],
        hotkeys=tuple(hotkeys[row] for row in order.tolist()),
        rounds=np.concatenate([first.rounds[rows], second.rounds])[order],
        **both,
    )


def compare(standings: Standings, kept: WeightsRow) -> Iterator[str]:
    """Yield where the standings, or the weights, are not those that were kept."""
    known = unpack_standings(kept.standings)
    if (known.uids.tolist(), known.hotkeys) != (standings.uids.tolist(), standings.hotkeys):
        yield "the Servers judged are not those of the standings that were kept"
        return
    for name in ("loss", "score"):
        found, told = getattr(standings, name).value, getattr(known, name).value
        for row in np.flatnonzero(~np.isclose(found, told, rtol=TOLERANCE, atol=0)):
            yield f"uid {known.uids[row]}: {name} {told[row]:.6g} was kept, {found[row]:.6g} found"
    if weigh(standings, kept.present, kept.limit_u32, kept.own_uid) != (kept.uids, kept.values):
        yield "the weights do not follow from the answers"
