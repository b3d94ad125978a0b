"""OpenAI's routes for text: chat completions, completions."""

import time
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server_service.client import ServerFailure, UnusableSchema
from taonet.kit.hanging_up import unless_gone
from validator_service.domain.chat import END_OF_ANSWER, Turn, render_chat
from validator_service.gateway.answering import SEED_MODULUS, Answer, Question
from validator_service.gateway.context import Gateway, Order
from validator_service.gateway.directory import ENSEMBLE
from validator_service.gateway.ensemble import EnsembleAnswer
from validator_service.gateway.errors import InvalidRequest, NoServerAvailable
from validator_service.gateway.likelihoods import Likelihoods
from validator_service.gateway.paying import (
    PayingForText,
    answer_headers,
    gateway_of,
    order_of,
    seconds_to_wait,
)
from validator_service.gateway.prompts import encode_all, read_prompts, read_text
from validator_service.gateway.replays import replays_of
from validator_service.gateway.schemas import (
    CONTINUATIONS_MAX,
    STOPS_MAX,
    ChatRequest,
    CompletionRequest,
    Sampling,
)
from validator_service.gateway.shapes import Shape
from validator_service.ledger.errors import AlreadyMade

router = APIRouter(prefix="/v1", tags=["inference"])


class BilledStream(StreamingResponse):
    """A stream whose call is settled however it ends: to the end, broken, or nobody listening."""

    def __init__(self, answer: Answer, content: Any, headers: dict[str, str]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.answer.finish()


@router.post("/chat/completions")
async def create_chat_completion(
    body: ChatRequest, request: Request, who: PayingForText
) -> Response:
    body.check_parameters()
    gateway = gateway_of(request)
    turns = [Turn(message.speaker(), message.text()) for message in body.messages]
    prompts = await encode_all([render_chat(turns)], gateway.tokenizer)
    schema = body.wanted_schema()
    check_schema(gateway, schema)
    stops = body.stops()
    # JSON ends by itself.
    if schema is None and len(stops) < STOPS_MAX:
        stops = [*stops, END_OF_ANSWER]
    limit = body.max_completion_tokens or body.max_tokens
    question = make_question(request, body, prompts, stops, limit, schema)
    order = order_of(request, who, body.model)
    return await respond(request, body, order, question, chat=True)


@router.post("/completions")
async def create_completion(
    body: CompletionRequest, request: Request, who: PayingForText
) -> Response:
    body.check_parameters()
    tokenizer = gateway_of(request).tokenizer
    prompts = await read_prompts(body.prompt, tokenizer)
    if len(prompts) * (body.n or 1) > CONTINUATIONS_MAX:
        raise InvalidRequest(
            "prompt", f"a call writes at most {CONTINUATIONS_MAX} texts: prompts times n"
        )
    question = make_question(request, body, prompts, body.stops(), body.max_tokens)
    order = order_of(request, who, body.model)
    echoes = [read_text(prompt, tokenizer) for prompt in prompts] if body.echo else []
    return await respond(request, body, order, question, chat=False, echoes=echoes)


async def respond(
    request: Request,
    body: Sampling,
    order: Order,
    question: Question,
    *,
    chat: bool,
    echoes: list[str] | None = None,
) -> Response:
    gateway = gateway_of(request)
    answer = (EnsembleAnswer if order.model == ENSEMBLE else Answer)(gateway, order, question)
    try:
        await unless_gone(request, answer.start())
    except AlreadyMade as made:
        if (kept := await replays_of(request).find(order, await request.body())) is None:
            raise made from None
        return kept
    likelihoods = None
    if (wanted := body.wanted_logprobs()) is not None:
        likelihoods = Likelihoods(gateway.token_bytes, wanted)
    shape = Shape(answer, chat=chat, created=int(time.time()), likelihoods=likelihoods)
    shape.begin_with(echoes or [])
    if body.stream:
        chunks = shape.chunks(with_usage=body.wants_usage())
        return BilledStream(answer, chunks, answer_headers(request, answer))
    content = orjson.dumps(await read_whole(shape))
    await replays_of(request).keep(order, await request.body(), content)
    headers = answer_headers(request, answer)
    return Response(content, media_type="application/json", headers=headers)


def make_question(
    request: Request,
    body: Sampling,
    prompts: list[list[int]],
    stops: list[str],
    limit: int | None,
    schema: dict[str, Any] | None = None,
) -> Question:
    return Question(
        prompts=prompts,
        tokens_max=limit,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=None if body.seed is None else body.seed % SEED_MODULUS,
        stops=stops,
        choices=body.n or 1,
        top_logprobs=body.wanted_logprobs() or 0,
        frequency_penalty=body.frequency_penalty or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
        logit_bias=body.logit_bias or {},
        json_schema=schema,
        whole=not body.stream,
        seconds_max=seconds_to_wait(request.headers),
    )


def check_schema(gateway: Gateway, schema: dict[str, Any] | None) -> None:
    """Refuse a schema before anybody is asked to write by it."""
    if schema is None:
        return
    try:
        gateway.grammars.compile(schema)
    except UnusableSchema as error:
        raise InvalidRequest("response_format", f"response_format: {error}") from None


async def read_whole(shape: Shape) -> dict[str, Any]:
    try:
        return await shape.whole()
    except ServerFailure as failure:
        raise NoServerAvailable(
            f"the Server failed in the middle of its answer ({failure.code}); try again"
        ) from None
