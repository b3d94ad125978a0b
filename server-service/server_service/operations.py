"""What one can ask of a Server: be admitted, then have arrays computed or a text written."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import redis
from pydantic import ValidationError

from server_service import schemas
from server_service.behaviour import spoil
from server_service.domain.admission import check_caller
from server_service.domain.behaviour import DELAY_SECONDS_MAX, Conduct
from server_service.domain.errors import MalformedTensors
from server_service.domain.requests import (
    check_answer_size,
    check_prompt,
    check_tokens,
    parse_top_k,
)
from server_service.domain.sampling import Sampling
from server_service.domain.steering import Steering
from server_service.domain.streams import append_signature, bytes_to_sign
from server_service.forwarding import Arrays, ForwardJob
from server_service.generation import Finish, GenerateJob, Piece
from server_service.grammars import UnusableSchema
from server_service.nonces import LocalNonces
from server_service.schemas import GenerateRequest, Info, Limits, RequestKind
from server_service.state import ServerState
from server_service.tensors import pack_tensors, unpack_tensors
from taonet.kit import signing
from taonet.kit.errors import Malformed, NotFound, Refusal, Unavailable
from taonet.kit.names import Hotkey

TIMEOUT_SECONDS_MAX = 120.0
"""The longest that anything may take, whatever the caller would wait."""


QUICKLY_PARSED_BYTES = 16_384
"""A body that is parsed and tokenized in less time than a change of thread takes."""


class SwitchedOff(NotFound):
    """This Server does not serve this kind of request."""


@dataclass(frozen=True)
class Asked:
    """An admitted request."""

    kind: RequestKind
    body: bytes
    stake_rao: int
    signature: str
    deadline_seconds: float
    """On `time.monotonic`'s clock."""

    @property
    def seconds_left(self) -> float:
        return max(self.deadline_seconds - time.monotonic(), 0.001)


def admit(state: ServerState, kind: RequestKind, headers: Mapping[str, str], body: bytes) -> Asked:
    """Signature, registration, stake, nonce, rate: in this order, the cheapest refusal first."""
    arrived = time.monotonic()
    if kind not in state.requests:
        raise SwitchedOff(f"{kind} is switched off here; /info names what is served")
    hotkey = signing.verify_request(headers, "POST", kind.path, body, state.keypair.ss58_address)
    stake_rao = check_caller(state.watch.callers, Hotkey(hotkey), state.stake_floors[kind])
    claim_nonce(state, hotkey, headers)
    state.buckets.take(hotkey, arrived)
    timeout_seconds = parse_timeout(headers.get(schemas.TIMEOUT_HEADER, ""))
    return Asked(kind, body, stake_rao, headers[signing.SIGNATURE], arrived + timeout_seconds)


def claim_nonce(state: ServerState, hotkey: str, headers: Mapping[str, str]) -> None:
    """While the store is away a replay cannot be told from a request, so nothing is served."""
    nonce = headers[signing.NONCE]
    if isinstance(state.nonces, LocalNonces):
        state.nonces.claim(hotkey, nonce, int(headers[signing.TIMESTAMP]))
        return
    try:
        signing.claim_nonce(state.nonces, hotkey, nonce)
    except redis.RedisError as error:
        raise Unavailable("the store of nonces does not answer; ask again later") from error


def parse_timeout(milliseconds: str) -> float:
    """What the caller says it will wait, within this Server's own bound."""
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 10):
        return TIMEOUT_SECONDS_MAX
    return min(int(milliseconds) / 1000, TIMEOUT_SECONDS_MAX)


def begin_forward(state: ServerState, asked: Asked) -> Awaitable[Arrays]:
    """Check a request for arrays and queue it."""
    job = parse_forward(state, asked)
    if state.relay:
        return state.relay.compute(job.kind, job.tokens, job.top_k, asked.seconds_left)
    state.model.submit_forward(job)
    return asyncio.wrap_future(job.future)


def parse_forward(state: ServerState, asked: Asked) -> ForwardJob:
    try:
        body = unpack_tensors(asked.body)
    except MalformedTensors as error:
        raise Malformed(str(error)) from None
    tokens = check_tokens(body.tensors, state.limits)
    hidden = asked.kind is RequestKind.HIDDEN
    top_k = 0 if hidden else parse_top_k(body.options, state.limits)
    if asked.kind is not RequestKind.NEXT:
        numbers = state.model.facts.width if hidden else 2 * top_k
        check_answer_size(tokens.size * numbers, state.limits)
    return ForwardJob(asked.kind, tokens, top_k, asked.stake_rao, asked.deadline_seconds)


def finish_forward(state: ServerState, asked: Asked, arrays: Arrays) -> tuple[bytes, str]:
    """The answer's body and its signature."""
    if state.behaviour.conduct is Conduct.MALFORMED:
        arrays = spoil(arrays)
    body = pack_tensors(arrays)
    return body, signing.sign_answer(state.keypair, body, asked.signature)


Happening = Piece | Finish | Refusal


class Text:
    """A text that is being written for a caller in this event loop."""

    def __init__(self, state: ServerState, asked: Asked) -> None:
        self._state = state
        self._asked = asked
        self._loop = asyncio.get_running_loop()
        self._happened: deque[Happening] = deque()
        self._news = asyncio.Event()
        self._lines = bytearray()
        self._job: GenerateJob | None = None
        self._relayed: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Queue the request, and wait until it was refused or its first token is there."""
        small = len(self._asked.body) <= QUICKLY_PARSED_BYTES
        parse = partial(parse_generation, self._state, self._asked, self._post)
        self._job = parse() if small else await asyncio.to_thread(parse)
        if self._state.relay:
            request = GenerateRequest.model_validate_json(self._asked.body)
            work = self._state.relay.write(request, self._asked.seconds_left, self._post)
            self._relayed = asyncio.create_task(work)
        else:
            self._state.model.submit_text(self._job)
        await self._news.wait()
        if isinstance(self._happened[0], Refusal):
            raise self._happened[0]

    def leave(self) -> None:
        """Nobody reads on: the model stops with its next step."""
        if self._job is not None:
            self._job.gone = True
        if self._relayed is not None:
            self._relayed.cancel()

    async def lines(self) -> AsyncIterator[bytes]:
        """One line for each token, and the signed end. What came meanwhile travels together."""
        happened: Happening | None = None
        while happened is None or isinstance(happened, Piece):
            await self._news.wait()
            self._news.clear()
            waiting = []
            while self._happened:
                happened = self._happened.popleft()
                waiting.append(self._encode(happened))
            if waiting:
                yield b"".join(waiting)

    def _post(self, happened: Happening) -> None:
        """Called by the thread that writes: wake the event loop once for all that it has not read.

        An appended deque and a set flag are each one step, so no lock is needed: the reader clears
        the flag before it reads.
        """
        self._happened.append(happened)
        if len(self._happened) == 1:
            # The loop may be closed already when the process ends in the middle of a text.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.set)

    def _encode(self, happened: Happening) -> bytes:
        if isinstance(happened, Refusal):
            return orjson.dumps(happened.as_json()) + b"\n"
        if isinstance(happened, Finish):
            return self._encode_end(happened)
        line = orjson.dumps(happened) + b"\n"
        if self._state.behaviour.conduct is Conduct.MALFORMED:
            line = line[: len(line) // 2] + b"\n"
        self._lines += line
        return line

    def _encode_end(self, finish: Finish) -> bytes:
        end = orjson.dumps(
            {
                "finish_reason": finish.finish_reason,
                "usage": {
                    "prompt_tokens": finish.prompt_tokens,
                    "completion_tokens": finish.completion_tokens,
                },
            }
        )
        signed = bytes_to_sign(bytes(self._lines), end)
        signature = signing.sign_answer(self._state.keypair, signed, self._asked.signature)
        return append_signature(end, signature)


def parse_generation(
    state: ServerState, asked: Asked, emit: Callable[[Happening], None]
) -> GenerateJob:
    try:
        request = GenerateRequest.model_validate_json(asked.body)
    except ValidationError as error:
        raise Malformed(describe(error.errors()[0])) from None
    prompt = request.prompt_tokens or state.tokenizer.encode(request.prompt or "")
    check_prompt(prompt, request.max_new_tokens, state.limits)
    try:
        grammar = request.json_schema and state.tokenizer.grammars.compile(request.json_schema)
    except UnusableSchema as error:
        raise Malformed(f"json_schema: {error}") from None
    return GenerateJob(
        prompt=prompt,
        new_tokens=request.max_new_tokens,
        sampling=Sampling(request.temperature, request.top_p, request.top_k),
        seed=request.seed,
        stops=request.stop,
        top_logprobs=request.logprobs,
        stake_rao=asked.stake_rao,
        deadline_seconds=asked.deadline_seconds,
        emit=emit,
        steering=Steering(request.frequency_penalty, request.presence_penalty, request.logit_bias),
        grammar=grammar or None,
    )


def describe(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])


async def hold_back(state: ServerState) -> None:
    """Be slow or silent, where this Server was told to be."""
    if state.behaviour.conduct is Conduct.SLOW:
        await asyncio.sleep(state.behaviour.delay_seconds)
    if state.behaviour.conduct is Conduct.SILENT:
        await asyncio.sleep(DELAY_SECONDS_MAX)


def describe_server(state: ServerState) -> Info:
    limits = state.limits
    return Info(
        name=state.name,
        hotkey=state.keypair.ss58_address,
        model=state.model.facts.name,
        parameters=state.model.facts.parameters,
        tokenizer_sha256=state.tokenizer.sha256,
        vocabulary_size=state.model.facts.vocabulary_size,
        context_length=state.model.facts.context_length,
        limits=Limits(
            body_bytes=state.body_bytes_max,
            batch_size=limits.batch_size,
            sequence_length=limits.sequence_length,
            top_k=limits.top_k,
            new_tokens=limits.new_tokens,
            answer_numbers=limits.answer_numbers,
        ),
        requests=sorted(state.requests),
    )
