"""Answers as OpenAI's clients read them: whole objects, and the chunks of a stream."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from server_service.client import GeneratePiece, ServerFailure
from validator_service.gateway.answering import Answer
from validator_service.gateway.calls import Call
from validator_service.gateway.likelihoods import JsonObject, Likelihoods

DONE = b"data: [DONE]\n\n"


@dataclass
class Shown:
    """What was shown of one choice."""

    trimming: bool
    """An answer in a chat begins with its first word, not with the space before it."""
    texts: list[str] = field(default_factory=list)
    pieces: list[GeneratePiece] = field(default_factory=list)
    offset: int = 0
    """Characters of the tokens so far."""


class Shape:
    """The form of one call's answer: chat or plain text, whole or in chunks."""

    def __init__(
        self, answer: Answer, *, chat: bool, created: int, likelihoods: Likelihoods | None
    ) -> None:
        self.answer = answer
        self.chat = chat
        self.created = created
        self.likelihoods = likelihoods
        """None where nobody asked for them."""
        self.shown = [Shown(trimming=chat) for _ in answer.choices]
        self.echoes: list[str] = []

    def begin_with(self, prompts: list[str]) -> None:
        """Let each text begin with its prompt."""
        for prompt in prompts:
            self.echoes += [prompt] * (len(self.shown) // len(prompts))

    async def whole(self) -> JsonObject:
        """Read the answer to its end and bill it; then return it."""
        try:
            async for came in self.answer.pieces():
                for index, piece in came:
                    shown = self.shown[index]
                    shown.pieces.append(piece)
                    shown.texts.append(self.trim(shown, piece.text))
        finally:
            await self.answer.finish()
        choices = [self.whole_choice(index) for index in range(len(self.shown))]
        return self.envelope(choices=choices, chunk=False) | {"usage": usage(self.answer)}

    def whole_choice(self, index: int) -> JsonObject:
        shown = self.shown[index]
        text = "".join([*self.echoes[index : index + 1], *shown.texts])
        message = {"role": "assistant", "content": text, "refusal": None}
        content: JsonObject = {"message": message} if self.chat else {"text": text}
        return {
            "index": index,
            "logprobs": self.describe(shown, shown.pieces),
            **content,
            "finish_reason": self.answer.choices[index].finish_reason,
        }

    async def chunks(self, *, with_usage: bool) -> AsyncIterator[bytes]:
        """Yield the events of a stream; a failure in its middle is an event too, and the last."""
        if beginning := b"".join(self.first_events(with_usage)):
            yield beginning
        try:
            async for came in self.answer.pieces():
                if events := b"".join(self.piece_events(came, with_usage)):
                    yield events
        except ServerFailure as failure:
            await self.answer.finish()
            yield failure_event(failure)
            return
        await self.answer.finish()
        yield b"".join(self.last_events(with_usage))

    def first_events(self, with_usage: bool) -> Iterator[bytes]:
        if self.chat:
            for index in range(len(self.shown)):
                delta = {"role": "assistant", "content": ""}
                yield self.event(index, delta, None, None, with_usage)
        for index, echo in enumerate(self.echoes):
            yield self.event(index, {"content": echo}, None, None, with_usage)

    def piece_events(
        self, came: list[tuple[int, GeneratePiece]], with_usage: bool
    ) -> Iterator[bytes]:
        for index, piece in came:
            shown = self.shown[index]
            text = self.trim(shown, piece.text)
            if text or self.likelihoods is not None:
                logprobs = self.describe(shown, [piece])
                yield self.event(index, {"content": text}, logprobs, None, with_usage)

    def last_events(self, with_usage: bool) -> Iterator[bytes]:
        for index, choice in enumerate(self.answer.choices):
            yield self.event(index, {}, None, choice.finish_reason, with_usage)
        if with_usage:
            yield pack(self.envelope(choices=[], chunk=True) | {"usage": usage(self.answer)})
        yield DONE

    def trim(self, shown: Shown, text: str) -> str:
        text = text.lstrip() if shown.trimming else text
        shown.trimming = shown.trimming and not text
        return text

    def describe(self, shown: Shown, pieces: list[GeneratePiece]) -> JsonObject | None:
        if self.likelihoods is None:
            return None
        if self.chat:
            return self.likelihoods.chat(pieces)
        told = self.likelihoods.plain(pieces, shown.offset)
        shown.offset += sum(len(token) for token in told["tokens"])
        return told

    def event(
        self,
        index: int,
        delta: dict[str, str],
        logprobs: JsonObject | None,
        finish_reason: str | None,
        with_usage: bool,
    ) -> bytes:
        choice: JsonObject = {"index": index, "logprobs": logprobs, "finish_reason": finish_reason}
        choice |= {"delta": delta} if self.chat else {"text": delta.get("content", "")}
        nothing_yet = {"usage": None} if with_usage else {}
        return pack(self.envelope(choices=[choice], chunk=True) | nothing_yet)

    def envelope(self, *, choices: list[JsonObject], chunk: bool) -> JsonObject:
        kind = "text_completion"
        if self.chat:
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        prefix = "chatcmpl" if self.chat else "cmpl"
        return {
            "id": f"{prefix}-{self.answer.order.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.answer.order.model,
            "choices": choices,
            "system_fingerprint": None,
        }


def usage(call: Call[Any]) -> JsonObject:
    """What was counted and paid; who answered and the price are ours to add."""
    assert call.server is not None
    return {
        "prompt_tokens": call.prompt_count,
        "completion_tokens": call.completion_tokens,
        "total_tokens": call.prompt_count + call.completion_tokens,
        "cost_rao": str(call.cost_rao),
        "server_uid": call.server.uid,
        "server_uids": [server.uid for server in call.answering()],
    }


def pack(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def failure_event(failure: ServerFailure) -> bytes:
    message = f"the Server failed in the middle of its answer ({failure.code}); what came is billed"
    error = {"message": message, "type": "server_error", "param": None, "code": "server_failed"}
    return pack({"error": error})
