"""What consumers send: OpenAI's bodies, as far as they are honoured here.

A parameter is honoured, or known to change nothing, or refused by name; never silently ignored.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from validator_service.gateway.errors import InvalidRequest, UnsupportedParameter

MESSAGES_MAX = 256
CONTENT_CHARACTERS_MAX = 200_000
NAME_CHARACTERS_MAX = 64
TOKENS_MAX = 4096
CHOICES_MAX = 8
PROMPTS_MAX = 16
CONTINUATIONS_MAX = 16
"""Of all prompts of a call together."""
TOP_LOGPROBS_MAX = 20
PLAIN_LOGPROBS_MAX = 5
STOPS_MAX = 4
STOP_CHARACTERS_MAX = 64
MODEL_CHARACTERS_MAX = 100
BIASES_MAX = 300
SEED_MAX = 2**63 - 1

HARMLESS = {
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
}
"""Accepted and without effect: no answer depends on them."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "suffix": ("",),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
}
"""Accepted with the value that asks for nothing."""
NEUTRAL_IN_MESSAGES: dict[str, tuple[Any, ...]] = {"tool_calls": ([],), "annotations": ([],)}

Stop = Annotated[str, Field(min_length=1, max_length=STOP_CHARACTERS_MAX)]
Limit = Annotated[int, Field(ge=1, le=TOKENS_MAX, strict=True)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenId = Annotated[int, Field(ge=0)]
Bias = Annotated[float, Field(ge=-100, le=100)]

Prompt = (
    Annotated[str, Field(max_length=CONTENT_CHARACTERS_MAX)]
    | list[Annotated[str, Field(max_length=CONTENT_CHARACTERS_MAX)]]
    | list[TokenId]
    | list[list[TokenId]]
)


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class TextPart(BaseModel):
    """A part of a message's content; pictures and sound are refused by their type."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str = Field(max_length=CONTENT_CHARACTERS_MAX)


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=CONTENT_CHARACTERS_MAX)] | list[TextPart]
    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAX, pattern=r"^[^\r\n]*$")] | None = None

    def speaker(self) -> str:
        """Return the role, and the name beside it where several share a role."""
        role = "system" if self.role == "developer" else self.role
        return f"{role} {self.name}" if self.name else role

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class JsonSchema(BaseModel):
    """The schema of a structured answer; it is always kept strictly."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=NAME_CHARACTERS_MAX)
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def schema_of_answer(self) -> dict[str, Any] | None:
        """Return what the answer must be; None where it may be anything."""
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise InvalidRequest("response_format", "type json_schema goes with a json_schema")
        if self.type == "json_object":
            return {"type": "object"}
        return self.json_schema.schema_ if self.json_schema else None


class Sampling(BaseModel, ABC):
    """What both kinds of completion share."""

    model_config = ConfigDict(extra="allow")

    model: str = Field("network/best", max_length=MODEL_CHARACTERS_MAX)
    max_tokens: Limit | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[TokenId, Bias] | None = Field(None, max_length=BIASES_MAX)
    """By the ids of the network's tokenizer."""
    n: int | None = Field(None, ge=1, le=CHOICES_MAX)
    """Continuations at once; the prompt is paid for once."""
    seed: int | None = Field(None, ge=-SEED_MAX - 1, le=SEED_MAX)
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
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest("stream_options", "stream_options needs stream to be true")


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
    response_format: ResponseFormat | None = None

    def wanted_logprobs(self) -> int | None:
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequest("top_logprobs", "top_logprobs needs logprobs to be true")
        return (self.top_logprobs or 0) if self.logprobs else None

    def wanted_schema(self) -> dict[str, Any] | None:
        return self.response_format.schema_of_answer() if self.response_format else None

    def check_parameters(self) -> None:
        super().check_parameters()
        for message in self.messages:
            refuse_extras(message.model_extra, set(), NEUTRAL_IN_MESSAGES)


class CompletionRequest(Sampling):
    prompt: Prompt
    logprobs: int | None = Field(None, ge=0, le=PLAIN_LOGPROBS_MAX)
    echo: bool | None = None
    """Whether each text begins with its prompt."""

    def wanted_logprobs(self) -> int | None:
        return self.logprobs

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.echo and self.logprobs is not None:
            raise UnsupportedParameter(
                "logprobs", "with echo there are no logprobs: a prompt's are at /v1/knowledge/next"
            )
