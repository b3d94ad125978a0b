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
from psycopg_pool import PoolTimeout

from chain_service.client import ChainRefusal, ChainUnavailable
from chain_service.schemas import Metagraph
from taonet.corpus import CorpusError
from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from validator_service.domain.passages import count_places, put_passages
from validator_service.domain.prompts import Questions, draw_questions
from validator_service.domain.scores import Judgement
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.membership import ensure_registered, load_coldkey_address
from validator_service.rounds import operations, passage_repository, repository
from validator_service.rounds.asking import AskingRules, Target, ask_servers
from validator_service.rounds.context import Context
from validator_service.rounds.repository import Round

OVERDUE_SECONDS = 20.0
"""How long a round may stand still before it is taken up again."""
BEST_TOLD = 10
"""Servers in the log line of a round."""

log = get_logger(__name__)


def job(name: str) -> Callable[[Callable[..., None]], Any]:
    """Make a function a Celery task that is patient."""

    def register(work: Callable[..., None]) -> Any:
        return shared_task(name=name)(patient(work))

    return register


def patient(work: Callable[..., None]) -> Callable[..., None]:
    """What a Validator stands on may be away: say so, and let the next bell try again."""

    @wraps(work)
    def waiting(*arguments: str) -> None:
        try:
            work(*arguments)
        except (ChainUnavailable, PostgresDown, PoolTimeout, BrokerDown, CorpusError) as error:
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
    if judgement is not None:
        log.info("round scored", **describe(judgement))
    if due:
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
    """Put the scores on chain as weights, when an epoch has passed since the last."""
    held = context()
    parameters = held.parameters
    own_limit = int(held.settings.validator_weight_cap * U32_MAXIMUM)
    limit = min(own_limit, parameters.max_weight_limit_u32)
    metagraph = held.chain.metagraph()
    own = metagraph.find(held.hotkey.ss58_address)
    hotkeys = {neuron.uid: neuron.hotkey for neuron in metagraph.neurons}
    if own is None:
        log.warning("no weights to set: not registered")
        return
    height = metagraph.height
    with begin(held.pool) as conn:
        if not operations.are_weights_due(
            conn, parameters.blocks_per_step, held.settings.validator_first_weights_rounds
        ):
            return
        weights = operations.calculate_weights(conn, hotkeys, limit, own.uid)
    if not weights:
        log.warning("no weights to set: no Server has a score")
        return
    error = submit_weights(held, weights)
    with begin(held.pool) as conn:
        operations.record_weights(conn, height, weights, error)
    log.info("weights set" if error is None else "weights refused", weights=weights, error=error)


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
        private_allowed=settings.validator_private_addresses,
    )
    replies = held.runner.run(ask_servers(held.servers, asked, rules))
    with begin(held.pool) as conn:
        recorded = operations.record_answers(conn, opened.id, replies)
    if recorded:
        score_answers.delay(opened.id)


def draw_all(held: Context, opened: Round, targets: list[Target]) -> list[Questions]:
    """Return each Server's questions; some are about consumers' text, each passage asked once."""
    shape = held.settings.shape()
    each, length = count_places(shape), shape.context_tokens + shape.hidden_tokens
    with begin(held.pool) as conn:
        passages = passage_repository.take_passages(conn, each * len(targets), length)
    return [
        put_passages(
            draw_questions(held.text, opened.seed, target.hotkey, shape),
            passages[place :: len(targets)],
        )
        for place, target in enumerate(targets)
    ]


def join(held: Context) -> None:
    settings = held.settings
    coldkey = load_coldkey_address(settings.wallet_path, settings.wallet_name)
    uid = ensure_registered(held.pool, held.chain, held.hotkey, coldkey)
    log.info("registered" if uid is not None else "being registered elsewhere", uid=uid)


def submit_weights(held: Context, weights: dict[int, int]) -> str | None:
    """Send the weights and wait for the block; return the chain's reason where it says no."""
    arguments = {
        "uids": list(weights),
        "values": list(weights.values()),
        "version_key": held.parameters.weights_version_key,
    }
    try:
        held.chain.execute(held.hotkey, "set_weights", arguments)
    except ChainUnavailable:
        raise
    except ChainRefusal as refusal:
        return str(refusal)
    return None
