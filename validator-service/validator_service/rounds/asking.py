"""Asking many Servers at once: bounded, within one deadline, and whatever comes back is a code."""

import asyncio
import time
from dataclasses import dataclass

from server_service.client import ServerAddress, ServerClient, ServerFailure, SignedAnswer
from taonet.kit.logging import get_logger
from validator_service.domain.addresses import ForbiddenAddress
from validator_service.domain.prompts import Questions

CONCURRENCY_MAX = 64
"""Servers asked at the same moment."""
OK = "ok"

log = get_logger(__name__)


@dataclass(frozen=True)
class Target:
    """A Server to be asked."""

    uid: int
    hotkey: str
    ip: str
    port: int


@dataclass(frozen=True, eq=False)
class Reply:
    """What came of asking one Server."""

    target: Target
    questions: Questions
    code: str
    """`ok`, or why there is no answer."""
    seconds: float
    signed: SignedAnswer | None
    """What came, unread: scoring reads it as what it is, a stranger's word."""


@dataclass(frozen=True)
class AskingRules:
    top_k: int
    answer_seconds: float


async def ask_servers(
    client: ServerClient, asked: list[tuple[Target, Questions]], rules: AskingRules
) -> list[Reply]:
    """Ask each Server its own questions. All are done when the deadline is, answered or not."""
    gate = asyncio.Semaphore(CONCURRENCY_MAX)
    deadline = time.monotonic() + rules.answer_seconds

    async def ask_in_turn(target: Target, questions: Questions) -> Reply:
        async with gate:
            return await ask_one(client, target, questions, rules, deadline)

    return await asyncio.gather(*(ask_in_turn(*each) for each in asked))


async def ask_one(
    client: ServerClient,
    target: Target,
    questions: Questions,
    rules: AskingRules,
    deadline: float,
) -> Reply:
    started = time.monotonic()
    signed, code = None, OK
    try:
        signed = await client.signed_next_phrases(
            ServerAddress(target.hotkey, target.ip, target.port),
            questions.context,
            top_k=rules.top_k,
            timeout_seconds=max(deadline - started, 0.001),
        )
    except ServerFailure as failure:
        code = failure.code.value
    except ForbiddenAddress:
        code = "forbidden_address"
    except Exception:
        # An answer nobody thought of must cost its Server the round, and nobody else.
        log.exception("asking failed in an unknown way", uid=target.uid)
        code = "failed"
    return Reply(target, questions, code, time.monotonic() - started, signed)
