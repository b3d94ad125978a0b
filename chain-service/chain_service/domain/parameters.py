"""
The parameters that a genesis fixes, and the three presets that ship.

NAK is opentensor/subtensor_deprecated @ 576f2bd; "live" are its values of January 2023, from
opentensor's validator_hyperparameters.md and the chain itself.
"""

import re
import reprlib
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from chain_service.domain.errors import InvalidParameters

UINT16_MAX = 2**16 - 1
UINT32_MAX = 2**32 - 1
UINT64_MAX = 2**64 - 1
JSON_BITS = 53
"""Readers of JSON round what has more: that travels as text."""
AS_TEXT = ("_rao", "_difficulty", "_u64")
"""How the names end of what may have more, up to 64."""
RHO_MAX = 44
"""exp(-ρ(T - κ)) is e^ρ at most, and e^45 is more than I65F63 holds, which is 2^64."""
PARTS_PER_MILLION = 1_000_000
RAO_PER_TAO = 1_000_000_000
MAXIMUM_DIFFICULTY = UINT64_MAX // 4
BLOCK_MILLISECONDS_MIN = 50
DIGITS = re.compile("[0-9]{1,40}")
TOKENIZER = re.compile("([0-9a-f]{64})?")


@dataclass(frozen=True)
class ChainParameters:
    """Everything a chain's rules depend on; the defaults are the preset `network`'s."""

    preset: str = "network"
    """The preset these come from."""
    author: str = ""
    """The address that signs every block: the author's hotkey at genesis."""
    consensus_rule: str = "nakamoto"
    """Which rule scores and pays (domain/consensus.py)."""
    block_milliseconds: int = 12_000
    """Time between two blocks, ms. NAK: 12 s."""
    block_reward_rao: int = RAO_PER_TAO
    """Reward of a block of the first era, rao. NAK: 1 TAO."""
    blocks_per_era: int = 10_500_000
    """Blocks between two halvings: 126,000,000 s of 12 s blocks, 3.99 years."""
    halvings: int = 64
    """How often the reward halves before it ends."""
    existential_deposit_rao: int = 500
    """The least a transfer may leave on an account that stays alive, rao. NAK: 500."""
    transfer_fee_rao: int = 100_000
    """Fee of a transfer, rao; it returns to the pot. About today's chain's."""
    fee_rao_per_byte: int = 1
    """Fee per canonical byte of a transfer, rao. NAK: 1."""
    blocks_per_step: int = 10
    """Blocks between two payouts. NAK: 100."""
    rho: int = 10
    """ρ, steepness of the trust sigmoid, at most 44: I65F63 holds no e^45. NAK: 10."""
    kappa_denominator: int = 2
    """κ = 1/this, the trust at which consensus is one half. NAK: 2."""
    self_ownership_denominator: int = 2
    """1/this of an incentive stays with who earned it, the rest is its bond holders'. NAK: 2."""
    bonds_moving_average_ppm: int = 900_000
    """m, the share of a bond that a step keeps, parts per million. NAK: 900,000."""
    activity_cutoff_blocks: int = 500
    """A neuron that did nothing for so many blocks is inactive. NAK: 5000."""
    max_allowed_uids: int = 4096
    """Slots. NAK live: 4096."""
    immunity_period_blocks: int = 410
    """How long a newcomer keeps its slot. NAK live: 4096."""
    stake_pruning_min_rao: int = 1024
    """From this stake on a slot is judged by stake, below by incentive, rao. NAK live: 1024."""
    min_allowed_weights: int = 1
    """The fewest weights a neuron may set, but for one on itself. NAK live: 1024."""
    max_weight_limit_u32: int = UINT32_MAX // 2
    """The largest weight on another, of 2^32 − 1. NAK live: 17,179,868, which is 0.4 %."""
    weights_rate_limit_blocks: int = 10
    """Blocks between two settings of weights; today's chain: 100, NAK: none."""
    weights_version_key: int = 0
    """The oldest version of a Validator's code whose weights count; 0 for any."""
    starting_difficulty: int = 10_000_000
    """Hashes a registration takes on average. NAK: 10,000,000."""
    minimum_difficulty: int = 10_000_000
    """Difficulty never falls below. NAK: 10,000,000."""
    maximum_difficulty: int = MAXIMUM_DIFFICULTY
    """Difficulty never rises above. NAK: u64::MAX / 4."""
    adjustment_interval_blocks: int = 150
    """Blocks between two looks at the difficulty. NAK live: 150."""
    target_registrations_per_interval: int = 2
    """More than so many by work double the difficulty, else it halves. NAK: 2."""
    max_registrations_per_block: int = 2
    """NAK: 2."""
    starting_burn_rao: int = RAO_PER_TAO
    """What a registration by burning costs at first, rao; it returns to the pot. Today: 1 TAO."""
    minimum_burn_rao: int = RAO_PER_TAO // 10
    """The burn never falls below, rao."""
    maximum_burn_rao: int = 100 * RAO_PER_TAO
    """The burn never rises above, rao. Today: 100 TAO."""
    max_delegate_take_u16: int = 11_796
    """The largest share a delegate keeps, of 65,535: 18 %, as today."""
    max_extrinsics_per_block: int = 60_000
    """Extrinsics in one block: 5,000 a second in blocks of 12 s."""
    yuma_kappa_u16: int = 32_767
    """Yuma's κ, of 65,535: the stake that must support a weight. Today: 32,767."""
    yuma_max_validators: int = 128
    """Yuma: how many may validate, by stake. Today: 128."""
    yuma_bonds_penalty_u16: int = UINT16_MAX
    """Yuma: how far bonds follow clipped weights (65,535) or their own (0). Today: 65,535."""
    yuma3_bonds: int = 0
    """Yuma: 1 for Yuma3, where a bond follows its pair's weight. Today: off."""
    yuma_liquid_alpha: int = 0
    """Yuma3: 1 for bonds that move faster where they lead. Today: off."""
    yuma_alpha_low_u16: int = 45_875
    """Liquid alpha's lower end, of 65,535. Today: 0.7."""
    yuma_alpha_high_u16: int = 58_982
    """Liquid alpha's upper end, of 65,535. Today: 0.9."""
    yuma_alpha_steepness: int = 1_000
    """Liquid alpha's steepness, in hundredths. Today: 1,000."""
    price_rule: str = "doubling"
    """How the prices of registration move: doubling, ratio or half-life (domain/prices.py)."""
    price_alpha_u64: int = 58_000
    """Rule `ratio`: the share of the old price that stays, of 2^64 − 1. Finney: 58,000."""
    burn_half_life_blocks: int = 360
    """Rule `half-life`: blocks in which the burn falls to one half. Today: 360."""
    burn_multiplier_ppm: int = 1_260_000
    """Rule `half-life`: what a registration makes of the burn, parts per million. Today: 1.26."""
    tokenizer_sha256: str = ""
    """The network's tokenizer, fixed at genesis; empty where the network fixes none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            bits = 64 if field.name.endswith(AS_TEXT) else JSON_BITS
            if isinstance(value, int) and not 0 <= value < 1 << bits:
                raise InvalidParameters(
                    f"{field.name} must be from 0 to 2^{bits} - 1, is {reprlib.repr(value)}"
                )
        for name, limit in AT_MOST.items():
            if getattr(self, name) > limit:
                raise InvalidParameters(f"{name} must be at most {limit}, is {getattr(self, name)}")
        if not TOKENIZER.fullmatch(self.tokenizer_sha256):
            raise InvalidParameters("tokenizer_sha256 must be 64 hex digits, or empty")
        if self.yuma_alpha_low_u16 > self.yuma_alpha_high_u16:
            raise InvalidParameters("yuma_alpha_low_u16 must not be above yuma_alpha_high_u16")
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise InvalidParameters(f"{name} must be at least 1")
        if self.block_milliseconds < BLOCK_MILLISECONDS_MIN:
            raise InvalidParameters(f"block_milliseconds must be at least {BLOCK_MILLISECONDS_MIN}")
        if self.consensus_rule not in CONSENSUS_RULES:
            raise InvalidParameters(f"consensus_rule must be one of {', '.join(CONSENSUS_RULES)}")
        if self.price_rule not in PRICE_RULES:
            raise InvalidParameters(f"price_rule must be one of {', '.join(PRICE_RULES)}")
        if self.price_rule == "ratio" and self.target_registrations_per_interval < 1:
            raise InvalidParameters("price_rule ratio needs a target_registrations_per_interval")

    def as_json(self) -> dict[str, Any]:
        """
        Return the parameters by name; as strings those that may pass 2^53: rao, difficulties.

        What came later is told only where it is chosen, so that older chains keep their genesis.
        """
        return {
            name: str(value) if name.endswith(AS_TEXT) else value
            for name, value in asdict(self).items()
            if name not in LATER or value != getattr(NETWORK, name)
        }


CONSENSUS_RULES = ("nakamoto", "yuma")
PRICE_RULES = ("doubling", "ratio", "half-life")
LATER = ("price_rule", "price_alpha_u64", "burn_half_life_blocks", "burn_multiplier_ppm")
AT_MOST = {
    "rho": RHO_MAX,
    "bonds_moving_average_ppm": PARTS_PER_MILLION,
    "yuma_kappa_u16": UINT16_MAX,
    "yuma_max_validators": UINT16_MAX,
    "yuma_bonds_penalty_u16": UINT16_MAX,
    "yuma_alpha_low_u16": UINT16_MAX,
    "yuma_alpha_high_u16": UINT16_MAX,
    "yuma_alpha_steepness": UINT16_MAX,
}
POSITIVE = (
    "blocks_per_era",
    "kappa_denominator",
    "self_ownership_denominator",
    "blocks_per_step",
    "max_allowed_uids",
    "starting_difficulty",
    "minimum_difficulty",
    "adjustment_interval_blocks",
    "max_registrations_per_block",
    "max_extrinsics_per_block",
    "burn_half_life_blocks",
)

NETWORK = ChainParameters()
"""The original's clock and money, with limits that fit a small network."""

BOX = replace(
    NETWORK,
    preset="box",
    block_milliseconds=2_000,
    weights_rate_limit_blocks=5,
    starting_difficulty=800_000,
    minimum_difficulty=800_000,
    target_registrations_per_interval=16,
    max_registrations_per_block=16,
)
"""
`network` at a pace to watch, for demonstrations: a fast clock, and work of a second of one core.

A box is filled at once, so 16 may register in a block, and in an interval before the work doubles:
with 2, those started last would wait, at a multiple of the work. And weights may be set twice a
step, so that those that come too late for one payout are there for the next, 20 s later.
"""

MAINNET_2022 = replace(
    NETWORK,
    preset="mainnet-2022",
    transfer_fee_rao=0,
    blocks_per_step=100,
    activity_cutoff_blocks=5_000,
    immunity_period_blocks=4_096,
    min_allowed_weights=1_024,
    max_weight_limit_u32=17_179_868,
    weights_rate_limit_blocks=0,
)
"""The original's, to the letter."""

PRESETS = {parameters.preset: parameters for parameters in (NETWORK, BOX, MAINNET_2022)}


def choose_parameters(preset: str, overrides: dict[str, Any]) -> ChainParameters:
    """Return a preset's parameters with some replaced; amounts may be strings."""
    if preset not in PRESETS:
        raise InvalidParameters(f"{preset!r} is no preset; choose from {', '.join(PRESETS)}")
    known = {field.name: field.type for field in fields(ChainParameters)}
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise InvalidParameters(f"there is no parameter {unknown[0]!r}")
    chosen: dict[str, Any] = {}
    for name, value in overrides.items():
        read = _read_text if isinstance(getattr(NETWORK, name), str) else _read_integer
        chosen[name] = read(name, value)
    return replace(PRESETS[preset], **chosen)


def read_parameters(stored: dict[str, Any]) -> ChainParameters:
    """Return the parameters that `as_json` wrote."""
    overrides = {name: value for name, value in stored.items() if name != "preset"}
    return choose_parameters(stored["preset"], overrides)


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidParameters(f"{name} must be a text, is {reprlib.repr(value)}")
    return value


def _read_integer(name: str, value: object) -> int:
    if isinstance(value, str) and DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidParameters(f"{name} must be a whole number, is {reprlib.repr(value)}")
    return value
