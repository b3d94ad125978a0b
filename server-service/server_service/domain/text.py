"""Turning tokens into text as they come: no half characters, and nothing of a stop string."""

from collections.abc import Callable, Sequence

Decode = Callable[[list[int]], str]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for bytes that are no character, or not one yet."""
UNFINISHED_MAX = 3
"""A UTF-8 character has at most four bytes, so at most three can be waiting for the rest."""


class TextStream:
    """Decodes tokens one by one, holding back the bytes of a character that is not whole yet.

    Decoders look at neighbours (a leading space, a character spread over tokens), so each step
    decodes the last whole piece again as context, and passes on only what is new.
    """

    def __init__(self, decode: Decode, context: Sequence[int]) -> None:
        """`context` is the end of the prompt; its text is not passed on."""
        self._decode = decode
        self._tokens = list(context)
        self._context = len(self._tokens)
        self._sent = len(whole_part(decode(self._tokens)))

    def push(self, token: int) -> str:
        self._tokens.append(token)
        text = self._decode(self._tokens)
        whole = whole_part(text)
        new = whole[self._sent :]
        self._sent = max(self._sent, len(whole))
        if whole == text:
            self._forget()
        return new

    def _forget(self) -> None:
        self._tokens = self._tokens[self._context :]
        self._context = len(self._tokens)
        self._sent = len(self._decode(self._tokens))


def whole_part(text: str) -> str:
    """The text without up to three replacement characters at its end, which may yet change."""
    stripped = text.rstrip(REPLACEMENT)
    return text[: max(len(stripped), len(text) - UNFINISHED_MAX)]


class StopFilter:
    """Passes text on until a stop string comes, and holds back what may become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        assert not self.stopped
        held = self._held + text
        places = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if places:
            self.stopped = True
            self._held = ""
            return held[: min(places)]
        waiting = max((overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - waiting :]
        return held[: len(held) - waiting]

    def flush(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, and not all of it."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
