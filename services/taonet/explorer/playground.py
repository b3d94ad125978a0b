"""
The playground's way to the gateway: the prompt and the person's own API key pass through.

The page may talk to its own site only, so the explorer relays. The key is never stored or logged.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Literal, Self

import httpx
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from taonet.explorer.pages import TheNetwork
from taonet.explorer.settings import ExplorerSettings
from taonet.kit.errors import Unauthenticated, Unavailable

PROMPT_LENGTH_MAX = 8_000
TOKENS_MAX = 512
MESSAGES_MAX = 64
ANSWER_SECONDS_MAX = 120.0

router = APIRouter(tags=["playground"])


Text = Annotated[str, Field(min_length=1, max_length=PROMPT_LENGTH_MAX)]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=PROMPT_LENGTH_MAX)]


class Question(BaseModel):
    """Either a text to continue, or a conversation to answer."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Text | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=MESSAGES_MAX)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=TOKENS_MAX)] = 64

    @model_validator(mode="after")
    def check_form(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("a question is either a prompt or messages")
        return self

    @property
    def path(self) -> str:
        return "/v1/completions" if self.messages is None else "/v1/chat/completions"


@router.post("/playground/completions")
async def complete(
    question: Question,
    request: Request,
    network: TheNetwork,
    authorization: Annotated[str | None, Header(max_length=500)] = None,
) -> Response:
    """Ask the gateway, and stream its answer as it comes."""
    if not authorization:
        raise Unauthenticated("paste an API key: `taonet key new` makes one")
    settings: ExplorerSettings = request.app.state.settings
    asked = network.http.build_request(
        "POST",
        f"{settings.gateway_url}{question.path}",
        json={
            **question.model_dump(exclude_none=True),
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        headers={"authorization": authorization},
        timeout=httpx.Timeout(ANSWER_SECONDS_MAX),
    )
    answer = await _send(network.http, asked)
    return StreamingResponse(
        _pass_on(answer),
        status_code=answer.status_code,
        media_type=answer.headers.get("content-type", "text/plain"),
    )


@router.get("/playground/models")
async def models(
    request: Request,
    network: TheNetwork,
    authorization: Annotated[str | None, Header(max_length=500)] = None,
) -> Response:
    """List the models that the gateway offers to this key."""
    settings: ExplorerSettings = request.app.state.settings
    headers = {"authorization": authorization} if authorization else {}
    return await relay(network.http, f"{settings.gateway_url}/v1/models", headers)


async def relay(http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> Response:
    """Ask the gateway, and pass on its whole answer."""
    answer = await _send(http, http.build_request("GET", url, headers=headers))
    media_type = answer.headers.get("content-type", "text/plain")
    return Response(await _read(answer), answer.status_code, media_type=media_type)


async def _send(http: httpx.AsyncClient, asked: httpx.Request) -> httpx.Response:
    try:
        return await http.send(asked, stream=True)
    except httpx.TransportError:
        raise Unavailable(
            f"the gateway at {asked.url.host}:{asked.url.port} does not answer; "
            "`taonet status` tells whether a Validator runs"
        ) from None


async def _read(answer: httpx.Response) -> bytes:
    content = await answer.aread()
    await answer.aclose()
    return content


async def _pass_on(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_bytes():
            yield piece
    finally:
        await answer.aclose()
