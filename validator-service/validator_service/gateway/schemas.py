"""What consumers send: OpenAI's bodies, as far as they are honoured here.

A parameter is honoured, or known to change nothing, or refused by name; never silently ignored.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from validator_service.gateway.errors import InvalidRequest, UnsupportedParameter

MESSAGES_MAX = 256
CONTENT_CHARACTERS_MAX = 200_000
TOKENS_MAX = 4096
CHOICES_MAX = 8
TOP_LOGPROBS_MAX = 20
PLAIN_LOGPROBS_MAX = 5
STOPS_MAX = 4
STOP_CHARACTERS_MAX = 64
MODEL_CHARACTERS_MAX = 100

HARMLESS = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
}
"""Accepted and without effect: no answer depends on them."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "top_logprobs": (0,),
    "echo": (False,),
    "suffix": ("",),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "modalities": (["text"],),
}
"""Accepted with the value that asks for nothing."""

Stop = Annotated[str, Field(min_length=1, max_length=STOP_CHARACTERS_MAX)]
Limit = Annotated[int, Field(ge=1, le=TOKENS_MAX, strict=True)]


Prompt = str | list[str] | list[int] | list[list[int]]


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class TextPart(BaseModel):
    """A part of a message's content; pictures and sound are refused by their type."""

    type: Literal["text"]
    text: str = Field(max_length=CONTENT_CHARACTERS_MAX)


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=CONTENT_CHARACTERS_MAX)] | list[TextPart]

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class Sampling(BaseModel, ABC):
    """What both kinds of completion share."""

    model_config = ConfigDict(extra="allow")

    model: str = Field("network/best", max_length=MODEL_CHARACTERS_MAX)
    max_tokens: Limit | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1, le=CHOICES_MAX)
    """Continuations at once; the prompt is paid for once."""
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=STOPS_MAX)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def stops(self) -> list[str]:
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop

    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @abstractmethod
    def wanted_logprobs(self) -> int | None:
        """Return how many others to tell beside each token; None where nothing is asked."""

    def check_parameters(self) -> None:
        """Refuse each parameter that would change the answer and is not honoured."""
        refuse_extras(self.model_extra, HARMLESS, NEUTRAL)


def refuse_extras(
    extras: dict[str, Any] | None, harmless: set[str], neutral: dict[str, tuple[Any, ...]]
) -> None:
    """Refuse by name what a schema does not know, unless it asks for nothing."""
    for name, value in (extras or {}).items():
        if name in harmless or value is None or value in neutral.get(name, ()):
            continue
        raise UnsupportedParameter(
            name, f"{name}={str(value)[:100]} is not supported here: leave it out"
        )


class ChatRequest(Sampling):
    messages: list[ChatMessage] = Field(min_length=1, max_length=MESSAGES_MAX)
    max_completion_tokens: Limit | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=TOP_LOGPROBS_MAX)

    def wanted_logprobs(self) -> int | None:
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequest("top_logprobs", "top_logprobs needs logprobs to be true")
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionRequest(Sampling):
    prompt: Prompt
    logprobs: int | None = Field(None, ge=0, le=PLAIN_LOGPROBS_MAX)

    def wanted_logprobs(self) -> int | None:
        return self.logprobs
