"""Answers that are kept for a day, so that a call whose answer got lost can be asked for again.

The books know that a call was made (a consumer's Idempotency-Key is unique there); what it said
is only kept here, in Redis.
"""

import hashlib
from dataclasses import dataclass

import orjson
import redis.asyncio
from fastapi import Request
from fastapi.responses import Response
from redis.exceptions import RedisError

from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger
from validator_service.gateway.context import Order

KEPT_SECONDS = 86_400
KEPT_BYTES_MAX = 262_144
"""Larger answers are not kept."""

log = get_logger(__name__)


class AnotherQuestion(Refusal):
    """The Idempotency-Key belongs to a call that asked something else."""


@dataclass(frozen=True)
class Replays:
    """The kept answers of one gateway's consumers."""

    redis: "redis.asyncio.Redis"
    gateway: str
    """The gateway's hotkey: others may share the store."""

    async def keep(self, order: Order, question: bytes, answer: bytes) -> None:
        """Keep an answer, where the consumer named its call; without the store there is none."""
        if order.idempotency_key is None or len(answer) > KEPT_BYTES_MAX:
            return
        kept = orjson.dumps([digest(question), answer.decode()])
        try:
            await self.redis.set(self._name(order), kept, ex=KEPT_SECONDS)
        except RedisError as error:
            log.warning("an answer is not kept", reason=str(error))

    async def find(self, order: Order, question: bytes) -> Response | None:
        """Return the answer that this call was given before, if it is still here."""
        try:
            kept = await self.redis.get(self._name(order))
        except RedisError:
            return None
        if kept is None:
            return None
        asked, answer = orjson.loads(kept)
        if asked != digest(question):
            raise AnotherQuestion("this Idempotency-Key was used for another question; take a new")
        headers = {"idempotent-replayed": "true"}
        return Response(answer, media_type="application/json", headers=headers)

    def _name(self, order: Order) -> str:
        key = digest(f"{order.caller.key_id}:{order.idempotency_key}".encode())
        return f"replay:{self.gateway}:{key}"


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def replays_of(request: Request) -> Replays:
    replays: Replays = request.app.state.replays
    return replays
