"""`logprobs` in the two forms that OpenAI's clients know: of chats, and of plain completions."""

from typing import Any

from server_service.client import GeneratePiece
from validator_service.domain.logprobs import clean_logprob

JsonObject = dict[str, Any]


class Likelihoods:
    """Describes tokens by the network's own vocabulary, not by what a Server calls them."""

    def __init__(self, token_bytes: list[bytes], top: int) -> None:
        self.token_bytes = token_bytes
        self.top = top

    def chat(self, pieces: list[GeneratePiece]) -> JsonObject:
        return {"content": [self._chat_item(piece) for piece in pieces], "refusal": None}

    def plain(self, pieces: list[GeneratePiece], offset: int) -> JsonObject:
        """`offset` is how many characters of the text came before these tokens."""
        tokens = [self._text(piece.token) for piece in pieces]
        offsets = []
        for token in tokens:
            offsets.append(offset)
            offset += len(token)
        return {
            "tokens": tokens,
            "token_logprobs": [clean_logprob(piece.logprob) for piece in pieces],
            "top_logprobs": [self._plain_top(piece) for piece in pieces] if self.top else None,
            "text_offset": offsets,
        }

    def _chat_item(self, piece: GeneratePiece) -> JsonObject:
        others = [self._entry(other.token, other.logprob) for other in piece.top[: self.top]]
        return {**self._entry(piece.token, piece.logprob), "top_logprobs": others}

    def _plain_top(self, piece: GeneratePiece) -> dict[str, float]:
        """The chosen token is always told, even where it is not among the likeliest."""
        told = {
            self._text(other.token): clean_logprob(other.logprob) for other in piece.top[: self.top]
        }
        return {self._text(piece.token): clean_logprob(piece.logprob)} | told

    def _entry(self, token: int, logprob: float) -> JsonObject:
        return {
            "token": self._text(token),
            "logprob": clean_logprob(logprob),
            "bytes": list(self._bytes(token)),
        }

    def _text(self, token: int) -> str:
        return self._bytes(token).decode(errors="replace")

    def _bytes(self, token: int) -> bytes:
        return self.token_bytes[token] if 0 <= token < len(self.token_bytes) else b""
