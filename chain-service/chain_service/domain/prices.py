"""
What entering the network costs: the difficulty of the work, and the burn. Three rules, by genesis.

`doubling` is the Nakamoto network's (opentensor/subtensor_deprecated, pallets/subtensor, step.rs).
`ratio` and `half-life` are the later chain's (opentensor/subtensor v1.1.11, and its registration of
2026); `vectors/finney_registration.json` pins both.
"""

from dataclasses import replace
from decimal import Context, Decimal
from functools import lru_cache

from chain_service.domain.parameters import PARTS_PER_MILLION, UINT64_MAX, ChainParameters
from chain_service.domain.values import Counters

ALPHA_BITS = 18
"""The later chain's fraction bits where it blends two prices."""
DECAY_BITS = 32
EXACTLY = Context(prec=40)


def adjust_prices(counters: Counters, parameters: ChainParameters) -> Counters:
    """Return the counters with the prices that hold after this block; a call of every block."""
    counters = replace(counters, registrations_this_block=0)
    if parameters.price_rule == "half-life":
        counters = replace(counters, burn_rao=decay_burn(counters.burn_rao, parameters))
    if counters.height - counters.last_adjustment_block < parameters.adjustment_interval_blocks:
        return counters
    difficulty, burn_rao = _end_interval(counters, parameters)
    return replace(
        counters,
        last_adjustment_block=counters.height,
        difficulty=difficulty,
        burn_rao=burn_rao,
        works_this_interval=0,
        burns_this_interval=0,
    )


def _end_interval(counters: Counters, parameters: ChainParameters) -> tuple[int, int]:
    """Return difficulty and burn: each follows how often its own way in was taken."""
    works, burns = counters.works_this_interval, counters.burns_this_interval
    target, alpha = parameters.target_registrations_per_interval, parameters.price_alpha_u64
    hard = (parameters.minimum_difficulty, parameters.maximum_difficulty)
    dear = (parameters.minimum_burn_rao, parameters.maximum_burn_rao)
    if parameters.price_rule == "ratio":
        return (
            blend(counters.difficulty, works, target, alpha, *hard),
            blend(counters.burn_rao, burns, target, alpha, *dear),
        )
    difficulty = adjust(counters.difficulty, works > target, *hard)
    if parameters.price_rule == "half-life":
        return difficulty, counters.burn_rao
    return difficulty, adjust(counters.burn_rao, burns > target, *dear)


def adjust(price: int, too_many: bool, minimum: int, maximum: int) -> int:
    """
    Return the doubled price, at most the maximum; or half of it, at least the minimum.

    A count equal to the target halves, as in the original.
    """
    return min(price * 2, maximum) if too_many else max(price // 2, minimum)


def blend(
    price: int, registrations: int, target: int, alpha_u64: int, minimum: int, maximum: int
) -> int:
    """Return α·price + (1 − α)·price·(registrations + target) / (2·target), floored, in bounds."""
    one = 1 << ALPHA_BITS
    alpha = alpha_u64 * one // UINT64_MAX
    parts = alpha * 2 * target + (one - alpha) * (registrations + target)
    return min(max(price * parts // (2 * target * one), minimum), maximum)


def decay_burn(burn_rao: int, parameters: ChainParameters) -> int:
    """Return what a block leaves of the burn: 2^(−1/half-life) of it, in bounds."""
    left = burn_rao * _decay_factor(parameters.burn_half_life_blocks) >> DECAY_BITS
    return _bound_burn(left, parameters)


def raise_burn(burn_rao: int, parameters: ChainParameters) -> int:
    """Return the burn after a registration by burning, by the rule `half-life`."""
    raised = burn_rao * parameters.burn_multiplier_ppm // PARTS_PER_MILLION
    return _bound_burn(raised, parameters)


def _bound_burn(burn_rao: int, parameters: ChainParameters) -> int:
    return min(max(burn_rao, parameters.minimum_burn_rao), parameters.maximum_burn_rao)


@lru_cache
def _decay_factor(half_life_blocks: int) -> int:
    """Return floor(2^(32 − 1/half-life)); decimal arithmetic is the same on every machine."""
    exponent = EXACTLY.divide(Decimal(-1), Decimal(half_life_blocks))
    return int(EXACTLY.multiply(EXACTLY.power(Decimal(2), exponent), Decimal(1 << DECAY_BITS)))
