"""Prompts as consumers give them: text or tokens, one or several."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from tokenizers import Tokenizer

from validator_service.gateway.errors import InvalidRequest
from validator_service.gateway.schemas import PROMPTS_MAX, Prompt

QUICK_CHARACTERS = 16_384
"""Cut in some milliseconds; a megabyte, which a body may hold, takes a second."""


async def read_prompts(
    given: Prompt, tokenizer: Tokenizer, param: str = "prompt", most: int = PROMPTS_MAX
) -> list[list[int]]:
    """Return each prompt's tokens; a list of numbers is one prompt."""
    several = isinstance(given, list) and not (given and isinstance(given[0], int))
    prompts: list[Any] = given if several else [given]  # type: ignore[assignment]
    if not 1 <= len(prompts) <= most:
        raise InvalidRequest(param, f"give 1 to {most} texts in {param}")
    if isinstance(prompts[0], str):
        prompts = await encode_all(prompts, tokenizer)
    for prompt in prompts:
        check_prompt(prompt, tokenizer, param)
    return prompts


async def encode_all(texts: list[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Return each text's tokens; long ones are cut in a thread, so that nobody else waits."""
    if sum(map(len, texts)) <= QUICK_CHARACTERS:
        return [tokenizer.encode(text).ids for text in texts]
    # Only the batch lets go of the interpreter meanwhile.
    encoded = await run_in_threadpool(tokenizer.encode_batch, texts)
    return [each.ids for each in encoded]


def check_prompt(tokens: list[int], tokenizer: Tokenizer, param: str) -> None:
    if not tokens:
        raise InvalidRequest(param, f"the {param} is empty")
    vocabulary_size = tokenizer.get_vocab_size()
    if not all(0 <= token < vocabulary_size for token in tokens):
        raise InvalidRequest(param, "token ids must be those of the network's tokenizer")


def read_text(tokens: list[int], tokenizer: Tokenizer) -> str:
    text: str = tokenizer.decode(tokens, skip_special_tokens=False)
    return text
