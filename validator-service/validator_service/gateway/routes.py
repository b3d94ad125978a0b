"""OpenAI's routes: models, chat completions, completions."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send
from tokenizers import Tokenizer

from server_service.client import ServerFailure
from validator_service.domain.chat import END_OF_ANSWER, Turn, render_chat
from validator_service.gateway.answering import SEED_MODULUS, Answer, Question
from validator_service.gateway.calls import Call, Gateway, Order
from validator_service.gateway.directory import BEST, SERVER_PREFIX, Directory
from validator_service.gateway.errors import (
    InvalidRequest,
    ModelNotFound,
    NoServerAvailable,
    UnsupportedParameter,
)
from validator_service.gateway.likelihoods import Likelihoods
from validator_service.gateway.limiting import paying_caller
from validator_service.gateway.schemas import (
    STOPS_MAX,
    ChatRequest,
    CompletionRequest,
    Prompt,
    Sampling,
)
from validator_service.gateway.shapes import Shape
from validator_service.ledger.key_repository import Caller

router = APIRouter(prefix="/v1", tags=["inference"])

Paying = Annotated[Caller, Depends(paying_caller)]


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


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    directory = gateway_of(request).directory
    await directory.refresh()
    return {"object": "list", "data": describe_models(gateway_of(request), directory)}


@router.get("/models/{model:path}")
async def show_model(model: str, request: Request) -> dict[str, Any]:
    directory = gateway_of(request).directory
    await directory.refresh()
    for known in describe_models(gateway_of(request), directory):
        if known["id"] == model:
            return known
    raise ModelNotFound(model)


@router.post("/chat/completions")
async def create_chat_completion(body: ChatRequest, request: Request, who: Paying) -> Response:
    body.check_parameters()
    turns = [
        Turn("system" if message.role == "developer" else message.role, message.text())
        for message in body.messages
    ]
    tokens = gateway_of(request).tokenizer.encode(render_chat(turns)).ids
    stops = body.stops()
    if len(stops) < STOPS_MAX:
        stops = [*stops, END_OF_ANSWER]
    limit = body.max_completion_tokens or body.max_tokens
    question = make_question(body, tokens, stops, limit)
    order = Order(request.state.request_id, who, body.model)
    return await respond(request, body, order, question, chat=True)


@router.post("/completions")
async def create_completion(body: CompletionRequest, request: Request, who: Paying) -> Response:
    body.check_parameters()
    tokens = read_prompt(body.prompt, gateway_of(request).tokenizer)
    question = make_question(body, tokens, body.stops(), body.max_tokens)
    order = Order(request.state.request_id, who, body.model)
    return await respond(request, body, order, question, chat=False)


async def respond(
    request: Request, body: Sampling, order: Order, question: Question, *, chat: bool
) -> Response:
    gateway = gateway_of(request)
    answer = Answer(gateway, order, question)
    await answer.start()
    likelihoods = None
    if (wanted := body.wanted_logprobs()) is not None:
        likelihoods = Likelihoods(gateway.token_bytes, wanted)
    shape = Shape(answer, chat=chat, created=int(time.time()), likelihoods=likelihoods)
    headers = answer_headers(request, answer)
    if body.stream:
        return BilledStream(answer, shape.chunks(with_usage=body.wants_usage()), headers)
    return JSONResponse(await read_whole(shape), headers=headers)


def make_question(
    body: Sampling, tokens: list[int], stops: list[str], limit: int | None
) -> Question:
    return Question(
        prompt_tokens=tokens,
        tokens_max=limit,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=None if body.seed is None else body.seed % SEED_MODULUS,
        stops=stops,
        choices=body.n or 1,
        top_logprobs=body.wanted_logprobs() or 0,
    )


async def read_whole(shape: Shape) -> dict[str, Any]:
    try:
        return await shape.whole()
    except ServerFailure as failure:
        raise NoServerAvailable(
            f"the Server failed in the middle of its answer ({failure.code}); try again"
        ) from None


def read_prompt(prompt: Prompt, tokenizer: Tokenizer, param: str = "prompt") -> list[int]:
    """Return one prompt's tokens; lists hold one prompt, or the tokens of one."""
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        if len(prompt) > 1:
            raise UnsupportedParameter(param, "one prompt a call: send each in its own")
        return read_prompt(prompt[0], tokenizer, param)
    given = tokenizer.encode(prompt).ids if isinstance(prompt, str) else prompt
    tokens = [token for token in given if isinstance(token, int)]
    if not tokens:
        raise InvalidRequest(param, f"the {param} is empty")
    if not all(0 <= token < tokenizer.get_vocab_size() for token in tokens):
        raise InvalidRequest(param, "token ids must be those of the network's tokenizer")
    return tokens


def answer_headers(request: Request, call: Call) -> dict[str, str]:
    """Who answered, and how many more calls the account may make."""
    assert call.server is not None
    own = {"x-taonet-server": str(call.server.uid), "cache-control": "no-cache"}
    return {**own, **request.state.limit_headers}


def describe_models(gateway: Gateway, directory: Directory) -> list[dict[str, Any]]:
    servers = directory.servers.values()
    prices = {
        "price_input_rao_per_million": str(gateway.price.input_rao),
        "price_output_rao_per_million": str(gateway.price.output_rao),
    }
    models = [
        {
            "id": f"{SERVER_PREFIX}{server.uid}",
            "object": "model",
            "created": 0,
            "owned_by": server.name,
            "context_length": server.info.context_length,
            "incentive": server.incentive,
            **prices,
        }
        for server in sorted(servers, key=lambda server: -server.incentive)
    ]
    longest = max((server.info.context_length for server in servers), default=0)
    best = {"id": BEST, "object": "model", "created": 0, "owned_by": "network", **prices}
    return [{**best, "context_length": longest}, *models]


def gateway_of(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway
