"""Prompts as consumers give them: text or tokens, one or several."""

from typing import Any

from tokenizers import Tokenizer

from validator_service.gateway.errors import InvalidRequest
from validator_service.gateway.schemas import PROMPTS_MAX, Prompt


def read_prompts(
    given: Prompt, tokenizer: Tokenizer, param: str = "prompt", most: int = PROMPTS_MAX
) -> list[list[int]]:
    """Return each prompt's tokens; a list of numbers is one prompt."""
    several = isinstance(given, list) and not (given and isinstance(given[0], int))
    prompts = given if several else [given]
    if not 1 <= len(prompts) <= most:
        raise InvalidRequest(param, f"give 1 to {most} texts in {param}")
    return [read_prompt(prompt, tokenizer, param) for prompt in prompts]


def read_prompt(given: Any, tokenizer: Tokenizer, param: str) -> list[int]:
    tokens: list[int] = tokenizer.encode(given).ids if isinstance(given, str) else given
    if not tokens:
        raise InvalidRequest(param, f"the {param} is empty")
    if not all(0 <= token < tokenizer.get_vocab_size() for token in tokens):
        raise InvalidRequest(param, "token ids must be those of the network's tokenizer")
    return tokens


def read_text(tokens: list[int], tokenizer: Tokenizer) -> str:
    text: str = tokenizer.decode(tokens, skip_special_tokens=False)
    return text
