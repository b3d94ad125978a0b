"""
The supply: 1 TAO a block, halved every 10,500,000 blocks, 64 times; never above 21,000,000 TAO.

Whole rao allow only 30 distinct rewards, so the schedule is kept as an exact rational number and
minted by difference (docs/mechanism.md §1): reward(h) = R / 2^k, k = (h − 1) div blocks_per_era,
and issuance(h) = floor(Σ reward(1…h)). All 64 halvings are real; late blocks mint
1 rao now and then.
"""

from chain_service.domain.parameters import ChainParameters


def calculate_issuance(height: int, parameters: ChainParameters) -> int:
    """Return all rao minted by the blocks 1…height."""
    # Σ over whole eras of R·L/2^k, and a part of the running one, all times 2^halvings.
    era, blocks = divmod(height, parameters.blocks_per_era)
    eras = parameters.halvings + 1
    if era >= eras:
        era, blocks = eras, 0
    unit = 1 << eras
    whole_eras = parameters.blocks_per_era * 2 * (unit - (unit >> era))
    running_era = blocks * (unit >> era)
    return parameters.block_reward_rao * (whole_eras + running_era) // unit


def calculate_mint(height: int, parameters: ChainParameters) -> int:
    """Return the rao that this block mints into the pot: issuance(h) − issuance(h − 1)."""
    return calculate_issuance(height, parameters) - calculate_issuance(height - 1, parameters)
