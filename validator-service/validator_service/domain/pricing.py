"""What a consumer pays: whole rao, rounded up, in proportion to tokens in and out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TOKENS_PER_PRICE = 1_000_000
"""Prices are per million tokens."""


@dataclass(frozen=True)
class Price:
    input_rao: int
    """Per million tokens of the prompt."""
    output_rao: int
    """Per million tokens of the answer."""


@dataclass(frozen=True)
class PriceList:
    """What a Validator asks for each model."""

    default: Price
    by_model: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: str) -> Price:
        return self.by_model.get(model, self.default)


def calculate_cost_rao(price: Price, prompt_tokens: int, completion_tokens: int) -> int:
    """Return ⌈(in · price_in + out · price_out) / 10^6⌉. Part of a rao is a rao."""
    assert prompt_tokens >= 0
    assert completion_tokens >= 0
    micro_rao = prompt_tokens * price.input_rao + completion_tokens * price.output_rao
    return -(-micro_rao // TOKENS_PER_PRICE)
