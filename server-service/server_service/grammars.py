"""Constrained decoding: which tokens may come next so that an answer follows a JSON schema.

llguidance does the work, over the network's own tokenizer. Answers are compact JSON: white space
between parts is not offered, so that no model can fill its answer with it.
"""

import json
from typing import Any

import llguidance.numpy as masks
import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer

Floats = npt.NDArray[np.float32]

END_TOKEN = 0
"""`<|endoftext|>` of the network's tokenizer."""
SCHEMA_CHARACTERS_MAX = 32_768
OPTIONS: Any = {"whitespace_flexible": False}


class UnusableSchema(ValueError):
    """A JSON schema that nothing can be written by; the message says why."""


class Grammars:
    """Compiles schemas for one tokenizer, given as the text of its file."""

    def __init__(self, tokenizer_json: str) -> None:
        self._tokenizer = LLTokenizer(tokenizer_json, eos_token=END_TOKEN)

    def compile(self, schema: dict[str, Any]) -> "Grammar":
        """Return the constraint of a new answer; raises UnusableSchema."""
        text = json.dumps(schema)
        if len(text) > SCHEMA_CHARACTERS_MAX:
            raise UnusableSchema(f"a schema has at most {SCHEMA_CHARACTERS_MAX} characters")
        try:
            grammar = LLMatcher.grammar_from_json_schema(text, defaults=OPTIONS)
            matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        except ValueError as error:
            raise UnusableSchema(str(error)) from None
        if matcher.is_error():
            raise UnusableSchema(matcher.get_error())
        return Grammar(matcher, self._tokenizer.vocab_size)


class Grammar:
    """How far one answer has come within its schema."""

    def __init__(self, matcher: LLMatcher, vocabulary_size: int) -> None:
        self._matcher = matcher
        self._mask = masks.allocate_token_bitmask(1, vocabulary_size)

    def restrict(self, logits: Floats) -> Floats:
        """Return the logits, −∞ where the schema forbids a token. [V]"""
        masks.fill_next_token_bitmask(self._matcher, self._mask)
        restricted = logits.copy()
        masks.apply_token_bitmask_inplace(restricted, self._mask)
        return restricted

    def accept(self, token: int) -> bool:
        """Go on by a token; False where the schema forbids it."""
        accepted: bool = self._matcher.consume_token(token)
        return accepted
