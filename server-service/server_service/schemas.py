"""What travels between a Server and its callers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NETWORK_VOCABULARY_SIZE = 2048
"""Tokens of the tokenizer that the starter network fixes at genesis."""

TIMEOUT_HEADER = "taonet-timeout-ms"
"""How long the caller waits; a Server drops what it cannot answer within it."""

PROMPT_CHARACTERS_MAX = 262_144
NEW_TOKENS_MAX = 4096
STOP_STRINGS_MAX = 4
STOP_CHARACTERS_MAX = 64
TOP_LOGPROBS_MAX = 20
PENALTY_MAX = 2.0
BIAS_MAX = 100.0
BIASES_MAX = 300

TokenId = Annotated[int, Field(ge=0)]
Bias = Annotated[float, Field(ge=-BIAS_MAX, le=BIAS_MAX)]


class RequestKind(StrEnum):
    """What a Server can be asked; the value is the last part of the path under `/v1`."""

    NEXT = "text-causal-lm-next"
    """The likeliest phrases that come next (TextCausalLMNext)."""
    EVERY = "text-causal-lm"
    """The likeliest next tokens after every position (TextCausalLM)."""
    HIDDEN = "text-last-hidden-state"
    """The last hidden state at every position (TextLastHiddenState)."""
    GENERATE = "generate"
    """Text that goes on from a prompt, streamed (TextSeq2Seq)."""

    @property
    def path(self) -> str:
        return f"/v1/{self.value}"


class FinishReason(StrEnum):
    STOP = "stop"
    """The model ended its text, or a stop string came up."""
    LENGTH = "length"
    """As many tokens as asked for."""
    TIMEOUT = "timeout"
    """The caller's time was over."""


@dataclass(frozen=True)
class ServerAddress:
    """Where a Server listens, and whose signature its answers must carry."""

    hotkey: str
    ip: str
    port: int


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GenerateRequest(Message):
    """A prompt, as text or as network token ids, and how to go on from it."""

    prompt: str | None = Field(None, max_length=PROMPT_CHARACTERS_MAX)
    prompt_tokens: list[Annotated[int, Field(ge=0)]] | None = None
    max_new_tokens: int = Field(16, ge=1, le=NEW_TOKENS_MAX)
    temperature: float = Field(1.0, ge=0, le=2)
    """0 takes the likeliest token every time."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw among the likeliest tokens that together hold this much probability."""
    top_k: int = Field(0, ge=0)
    """Draw among so many of the likeliest tokens; 0 means all."""
    seed: int | None = Field(None, ge=0, lt=2**63)
    """The same seed, request and Server give the same text."""
    stop: list[Annotated[str, Field(min_length=1, max_length=STOP_CHARACTERS_MAX)]] = Field(
        default_factory=list, max_length=STOP_STRINGS_MAX
    )
    """Text that ends the answer and is not part of it."""
    logprobs: int = Field(0, ge=0, le=TOP_LOGPROBS_MAX)
    """How many of the likeliest tokens to tell beside each chosen one."""
    frequency_penalty: float = Field(0.0, ge=-PENALTY_MAX, le=PENALTY_MAX)
    """Taken from a token's logit for each time that the answer has it already."""
    presence_penalty: float = Field(0.0, ge=-PENALTY_MAX, le=PENALTY_MAX)
    """Taken once from each token that the answer has already."""
    logit_bias: dict[TokenId, Bias] = Field(default_factory=dict, max_length=BIASES_MAX)
    """Added to these tokens' logits."""
    json_schema: dict[str, Any] | None = None
    """The answer is a JSON text of this schema, as far as its length allows."""

    @model_validator(mode="after")
    def _check_one_prompt(self) -> Self:
        if (self.prompt is None) == (self.prompt_tokens is None):
            raise ValueError("give either prompt or prompt_tokens")
        if not (self.prompt or self.prompt_tokens):
            raise ValueError("the prompt is empty")
        return self


class TopToken(Message):
    """One of the likeliest tokens at a place."""

    token: int
    text: str
    logprob: float


class GeneratePiece(Message):
    """One token of an answer. Its text is empty while a stop string or a character is half seen."""

    token: int
    text: str
    logprob: float
    """ln p by the model itself, before temperature, top_p and top_k."""
    top: list[TopToken] = Field(default_factory=list)


class Usage(Message):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class GenerateEnd(Message):
    """The last line of an answer. The signature covers every byte before itself."""

    finish_reason: FinishReason
    usage: Usage
    signature: str = ""


class Limits(Message):
    """The most that one request may ask for."""

    body_bytes: int
    batch_size: int
    sequence_length: int
    """Tokens of one row; for a generation, prompt and answer together."""
    top_k: int
    new_tokens: int
    answer_numbers: int
    """Of an answer that tells of every position: batch × sequence × (2 · top_k, or the width)."""


class Info(Message):
    """What a Server says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(max_length=64)
    hotkey: str = Field(max_length=64)
    model: str = Field(max_length=256)
    tokenizer_sha256: str = Field(max_length=64)
    parameters: int = Field(ge=0)
    vocabulary_size: int = Field(ge=1)
    context_length: int = Field(ge=1)
    limits: Limits
    requests: list[RequestKind]
