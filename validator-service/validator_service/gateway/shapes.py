"""Answers as OpenAI's clients read them: whole objects, and the chunks of a stream."""

from collections.abc import AsyncIterator
from typing import Any

import orjson

from server_service.client import ServerFailure
from validator_service.gateway.answering import Answer

DONE = b"data: [DONE]\n\n"


class Shape:
    """The form of one call's answer: chat or plain text, whole or in chunks."""

    def __init__(self, answer: Answer, *, chat: bool, created: int) -> None:
        self.answer = answer
        self.chat = chat
        self.created = created
        self.trimming = chat
        """An answer in a chat begins with its first word, not with the space before it."""

    async def texts(self) -> AsyncIterator[str]:
        async for text in self.answer.texts():
            shown = text.lstrip() if self.trimming else text
            if shown:
                self.trimming = False
                yield shown

    async def whole(self) -> dict[str, Any]:
        """Read the answer to its end and bill it; then return it."""
        try:
            text = "".join([text async for text in self.texts()])
        finally:
            await self.answer.finish()
        choice: dict[str, Any] = {"index": 0, "logprobs": None}
        choice |= {"message": self.message(text)} if self.chat else {"text": text}
        choice["finish_reason"] = self.answer.finish_reason
        return self.envelope(choices=[choice], chunk=False) | {"usage": self.usage()}

    async def chunks(self, *, with_usage: bool) -> AsyncIterator[bytes]:
        """Yield the events of a stream; a failure in its middle is an event too, and the last."""
        if self.chat:
            yield self.event({"role": "assistant", "content": ""}, None, with_usage)
        try:
            async for text in self.texts():
                yield self.event({"content": text} if self.chat else text, None, with_usage)
        except ServerFailure as failure:
            await self.answer.finish()
            yield failure_event(failure)
            return
        await self.answer.finish()
        yield self.event({} if self.chat else "", self.answer.finish_reason, with_usage)
        if with_usage:
            yield pack(self.envelope(choices=[], chunk=True) | {"usage": self.usage()})
        yield DONE

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "refusal": None}

    def event(self, delta: Any, finish_reason: str | None, with_usage: bool) -> bytes:
        choice = {"index": 0, "logprobs": None, "finish_reason": finish_reason}
        choice |= {"delta": delta} if self.chat else {"text": delta}
        nothing_yet = {"usage": None} if with_usage else {}
        return pack(self.envelope(choices=[choice], chunk=True) | nothing_yet)

    def envelope(self, *, choices: list[dict[str, Any]], chunk: bool) -> dict[str, Any]:
        kind = "text_completion"
        if self.chat:
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        prefix = "chatcmpl" if self.chat else "cmpl"
        return {
            "id": f"{prefix}-{self.answer.question.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.answer.question.model,
            "choices": choices,
            "system_fingerprint": None,
        }

    def usage(self) -> dict[str, Any]:
        """What was counted and paid; who answered and the price are ours to add."""
        answer = self.answer
        assert answer.server is not None
        return {
            "prompt_tokens": answer.prompt_count,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_count + answer.completion_tokens,
            "cost_rao": str(answer.cost_rao),
            "server_uid": answer.server.uid,
        }


def pack(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def failure_event(failure: ServerFailure) -> bytes:
    message = f"the Server failed in the middle of its answer ({failure.code}); what came is billed"
    error = {"message": message, "type": "server_error", "param": None, "code": "server_failed"}
    return pack({"error": error})
