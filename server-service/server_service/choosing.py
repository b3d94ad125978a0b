"""What makes a text of a model's logits: choosing each token, and reading it as text."""

from collections import Counter

import numpy as np

from server_service.domain.sampling import Choice, Sampling, choose_token
from server_service.domain.steering import Floats, Steering, steer
from server_service.domain.text import Decode, StopFilter, TextStream
from server_service.grammars import Grammar
from server_service.schemas import FinishReason

CONTEXT_TOKENS = 4
"""Of the prompt's end, decoded along so that the first words join it rightly."""
CHANCE = np.random.default_rng()
"""For texts without a seed."""


class Chooser:
    """Chooses the tokens of one text as its request wishes."""

    def __init__(
        self,
        sampling: Sampling,
        seed: int | None,
        top_logprobs: int = 0,
        steering: Steering | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(seed) if seed is not None else CHANCE
        self._top = top_logprobs
        self._steering = steering or Steering()
        self._grammar = grammar
        self._written: Counter[int] = Counter()

    def choose(self, logits: Floats) -> Choice:
        """Choose the next token from its logits, [V]."""
        steered = steer(logits, self._steering, self._written)
        if self._grammar is not None:
            steered = self._grammar.restrict(steered)
        draw = float(self._random.random())
        choice = choose_token(logits, self._sampling, draw, self._top, steered=steered)
        if self._steering.active:
            self._written[choice.token] += 1
        if self._grammar is not None:
            accepted = self._grammar.accept(choice.token)
            assert accepted, f"token {choice.token} was drawn against the schema"
        return choice


class Reader:
    """Reads one text's tokens, and knows when it is over."""

    def __init__(
        self,
        decode: Decode,
        prompt: list[int],
        stops: list[str],
        end_tokens: frozenset[int],
        new_tokens: int,
    ) -> None:
        self._end_tokens = end_tokens
        self._left = new_tokens
        self._stream = TextStream(decode, prompt[-CONTEXT_TOKENS:])
        self._stops = StopFilter(stops)
        self.finish_reason: FinishReason | None = None

    def read(self, token: int) -> str:
        """Return the text that became certain with this token."""
        self._left -= 1
        ends = token in self._end_tokens
        text = "" if ends else self._stops.push(self._stream.push(token))
        if ends or self._stops.stopped:
            self.finish_reason = FinishReason.STOP
        elif self._left <= 0:
            self.finish_reason = FinishReason.LENGTH
        if self.finish_reason is not None and not self._stops.stopped:
            text += self._stops.flush()
        return text
