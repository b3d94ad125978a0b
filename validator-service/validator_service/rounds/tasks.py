"""The jobs of a Validator. Each is a door: one operation in one transaction, then the next bell.

Postgres is the truth. A job that is lost is rung for again by `reconcile`; one that comes twice
finds its work done.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from celery import current_app, shared_task
from kombu.exceptions import OperationalError as BrokerDown
from psycopg import OperationalError as PostgresDown

from chain_service.client import ChainRefusal, ChainUnavailable
from chain_service.domain.weights import hash_weights
from chain_service.schemas import Metagraph
from taonet.corpus import CorpusError
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from validator_service.domain.passages import count_places, draw_groups, put_passages
from validator_service.domain.prompts import Questions, draw_questions
from validator_service.domain.scores import Judgement
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.membership import ensure_registered, load_coldkey_address
from validator_service.rounds import operations, passage_repository, repository, weights_repository
from validator_service.rounds.asking import AskingRules, Target, ask_servers
from validator_service.rounds.context import Context
from validator_service.rounds.repository import Round
from validator_service.rounds.timing import timed
from validator_service.rounds.weights_repository import WeightsRow

OVERDUE_SECONDS = 20.0
"""How long a round may stand still before it is taken up again."""
WEIGHTS_VERSION = 1
"""Of these rules; a chain may ask for a newer one, and then these weights do not count."""
TOO_EARLY = "RevealTooEarly"
BEST_TOLD = 10
"""Servers in the log line of a round."""

log = get_logger(__name__)


def job(name: str) -> Callable[[Callable[..., None]], Any]:
    """Make a function a Celery task that is patient."""

    def register(work: Callable[..., None]) -> Any:
        return shared_task(name=name)(patient(name, work))

    return register


def patient(name: str, work: Callable[..., None]) -> Callable[..., None]:
    """What a Validator stands on may be away: say so, and let the next bell try again."""

    @wraps(work)
    def waiting(*arguments: str) -> None:
        with timed(context().pool, name) as outcome:
            try:
                work(*arguments)
            except (ChainUnavailable, PostgresDown, BrokerDown, CorpusError) as error:
                outcome[0] = "waiting"
                log.warning("waiting", job=work.__name__, reason=f"{type(error).__name__}: {error}")

    return waiting


def context() -> Context:
    held: Context = current_app.validator_context
    return held


@job("validator.score_round")
def score_round() -> None:
    """Open a round at the chain's head and ask the Servers."""
    held = context()
    metagraph = held.chain.metagraph()
    if metagraph.find(held.hotkey.ss58_address) is None:
        join(held)
        return
    head = held.chain.head()
    with begin(held.pool) as conn:
        opened = operations.open_round(conn, held.hotkey.ss58_address, head.height, head.block_hash)
    if opened is None:
        log.warning("round left out: too many are unfinished")
        return
    ask(held, opened, metagraph)


@job("validator.resume_round")
def resume_round(round_id: str) -> None:
    """Ask the Servers again for a round whose process died."""
    held = context()
    with begin(held.pool) as conn:
        opened = repository.load_round(conn, round_id)
    if opened is not None and opened.state == "asking":
        ask(held, opened, held.chain.metagraph())


@job("validator.score_answers")
def score_answers(round_id: str) -> None:
    """Turn a round's answers into standings."""
    held = context()
    settings = held.settings
    with begin(held.pool) as conn:
        judgement = operations.score_answers(
            conn, round_id, settings.rules(), settings.validator_top_k, held.vocabulary_size
        )
        due = operations.are_weights_due(
            conn, held.parameters.blocks_per_step, settings.validator_first_weights_rounds
        )
        promised = weights_repository.load_committed_weights(conn) is not None
    if judgement is not None:
        log.info("round scored", **describe(judgement))
    if due or promised:
        set_weights.delay()


def describe(judgement: Judgement) -> dict[str, Any]:
    """Return what a log line tells of a round: its best Servers, and how many were paid."""
    values, uids = judgement.values, judgement.standings.uids
    best = np.argsort(-values)[:BEST_TOLD]
    return {
        "best": {int(uids[row]): round(float(values[row]), 1) for row in best},
        "answered": int((judgement.clusters >= 0).sum()),
        "paid": int((values > 0).sum()),
    }


@job("validator.set_weights")
def set_weights() -> None:
    """Reveal what was promised, if its step has passed; promise anew, if an epoch has."""
    held = context()
    with begin(held.pool) as conn:
        if weights_repository.try_lock_weights(conn):  # Else another process is at it.
            change_weights(held)


def change_weights(held: Context) -> None:
    with begin(held.pool) as conn:
        promised = weights_repository.load_committed_weights(conn)
    if promised is not None and not reveal(held, promised):
        return
    parameters, metagraph = held.parameters, held.chain.metagraph()
    own = metagraph.find(held.hotkey.ss58_address)
    if own is None:
        log.warning("no weights to set: not registered")
        return
    if metagraph.height + 1 - own.last_update_block < parameters.weights_rate_limit_blocks:
        return  # The chain would say no; the next round rings again.
    own_limit = int(held.settings.validator_weight_cap * U32_MAXIMUM)
    with begin(held.pool) as conn:
        if not operations.are_weights_due(
            conn, parameters.blocks_per_step, held.settings.validator_first_weights_rounds
        ):
            return
        weights = operations.calculate_weights(
            conn,
            {neuron.uid: neuron.hotkey for neuron in metagraph.neurons},
            metagraph.height,
            min(own_limit, parameters.max_weight_limit_u32),
            own.uid,
            held.settings.rules(),
        )
        if not weights.uids:
            log.warning("no weights to set: no Server has a score")
            return
        epoch = operations.record_weights(conn, weights)
        first = weights_repository.load_weights_before(conn, epoch) is None
    promise(held, epoch, weights, at_once=first)


def promise(held: Context, epoch: int, weights: WeightsRow, *, at_once: bool) -> None:
    """Commit to weights. The very first are set at once: there is nothing yet to copy."""
    if at_once:
        state, error = submit(held, "set_weights", revealed(weights, salted=False), "set")
    else:
        commit_hash = hash_weights(
            held.hotkey.ss58_address, weights.uids, weights.values, weights.salt, WEIGHTS_VERSION
        )
        state, error = submit(held, "commit_weights", {"commit_hash": commit_hash}, "committed")
    if state != "committed":
        with begin(held.pool) as conn:
            operations.settle_weights(conn, epoch, state, error)
    log.info("weights", epoch=epoch, state=state, error=error, servers=len(weights.uids))


def reveal(held: Context, promised: WeightsRow) -> bool:
    """Show promised weights; False where it is too early. A promise the chain lost is dropped."""
    # They were promised in the block after that height at the soonest.
    if held.chain.parameters().last_step_block <= promised.height + 1:
        return False
    arguments = revealed(promised, salted=True)
    state, error = submit(held, "reveal_weights", arguments, "revealed")
    if error is not None and error.startswith(TOO_EARLY):
        return False
    with begin(held.pool) as conn:
        operations.settle_weights(conn, promised.id, state.replace("refused", "lost"), error)
    log.info("weights", epoch=promised.id, state=state, error=error)
    return True


def revealed(weights: WeightsRow, *, salted: bool) -> dict[str, Any]:
    shown = {"uids": weights.uids, "values": weights.values, "version_key": WEIGHTS_VERSION}
    return {**shown, "salt": weights.salt} if salted else shown


@job("validator.reconcile")
def reconcile() -> None:
    """Ring again for rounds that stand still: their job was lost with a process or the broker."""
    with begin(context().pool) as conn:
        overdue = operations.find_overdue(conn, OVERDUE_SECONDS)
    for round_id, state in overdue:
        log.warning("round taken up again", round=round_id, state=state)
        (resume_round if state == "asking" else score_answers).delay(round_id)


def ask(held: Context, opened: Round, metagraph: Metagraph) -> None:
    """Ask every neuron that announced an address; those that are no Servers earn nothing by it."""
    settings = held.settings
    targets = [
        Target(neuron.uid, neuron.hotkey, neuron.axon.ip, neuron.axon.port)
        for neuron in metagraph.neurons
        if neuron.axon is not None and neuron.hotkey != held.hotkey.ss58_address
    ]
    asked = list(zip(targets, draw_all(held, opened, targets), strict=True))
    rules = AskingRules(
        top_k=settings.validator_top_k,
        answer_seconds=settings.validator_answer_seconds,
    )
    replies = held.runner.run(ask_servers(held.servers, asked, rules))
    with begin(held.pool) as conn:
        recorded = operations.record_answers(conn, opened.id, replies, held.text.digest)
    if recorded:
        score_answers.delay(opened.id)


def draw_all(held: Context, opened: Round, targets: list[Target]) -> list[Questions]:
    """Return each Server's questions; some are about consumers' text, each passage asked once."""
    shape = held.settings.shape()
    length = shape.context_tokens + shape.hidden_tokens
    numbers = draw_groups(opened.seed, len(targets))
    groups = int(numbers.max(initial=-1)) + 1
    with begin(held.pool) as conn:
        passages = passage_repository.take_passages(conn, count_places(shape) * groups, length)
    return [
        put_passages(
            draw_questions(held.text, opened.seed, target.hotkey, shape),
            passages[number::groups],
            shape,
        )
        for target, number in zip(targets, numbers.tolist(), strict=True)
    ]


def join(held: Context) -> None:
    settings = held.settings
    coldkey = load_coldkey_address(settings.wallet_path, settings.wallet_name)
    uid = ensure_registered(held.pool, held.chain, held.hotkey, coldkey)
    log.info("registered" if uid is not None else "being registered elsewhere", uid=uid)


def submit(
    held: Context, call: str, arguments: dict[str, Any], done: str
) -> tuple[str, str | None]:
    """Send a call and wait for its block; return the state it leads to, and the chain's reason."""
    try:
        held.chain.execute(held.hotkey, call, arguments)
    except ChainUnavailable:
        raise
    except ChainRefusal as refusal:
        return "refused", f"{refusal.code}: {refusal.message}"
    return done, None
