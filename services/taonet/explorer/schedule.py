"""The schedule of issuance, as the genesis parameters of the followed chain have it."""

from dataclasses import dataclass

from chain_service.domain.parameters import ChainParameters, read_parameters
from chain_service.domain.supply import calculate_issuance
from chain_service.schemas import Parameters

LIVE = {"difficulty", "burn_rao", "last_step_block"}
"""What `/parameters` tells besides the genesis parameters."""
SECONDS_PER_DAY = 86_400
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Halving:
    """The next time the block reward halves."""

    number: int
    height: int
    blocks_left: int
    days_left: float

    @property
    def distance(self) -> str:
        """Say how far away it is, in the unit that reads best."""
        if self.days_left >= DAYS_PER_YEAR:
            return f"{self.days_left / DAYS_PER_YEAR:.2f} years"
        return f"{self.days_left:.1f} days"


@dataclass(frozen=True)
class Era:
    """The blocks between two halvings."""

    number: int
    """How many halvings lie before it."""
    first_height: int
    reward_rao: float
    """What a block mints on average: by default below one rao from era 30 on."""
    issued_before_rao: int
    """All that is minted when it begins."""
    issued_percent: str
    seconds_after_genesis: float


@dataclass(frozen=True)
class Schedule:
    """What a chain mints, and when."""

    genesis: ChainParameters

    @property
    def supply_max_rao(self) -> int:
        """What the issuance nears and never reaches: era after era adds half of the one before."""
        return 2 * self.genesis.block_reward_rao * self.genesis.blocks_per_era

    def era_at(self, height: int) -> int:
        """Return the number of a block's era; after the last halving, that of the last."""
        era = max(height - 1, 0) // self.genesis.blocks_per_era
        return min(era, self.genesis.halvings)

    def find_halving(self, height: int, block_seconds: float) -> Halving | None:
        """Return the first halving above a height; none after the last one."""
        number = self.era_at(height) + 1
        if number > self.genesis.halvings:
            return None
        first_of_era = number * self.genesis.blocks_per_era + 1
        left = first_of_era - height
        return Halving(number, first_of_era, left, left * block_seconds / SECONDS_PER_DAY)

    def list_eras(self) -> list[Era]:
        """Return every era, the last one after the last halving."""
        return [self._era(number) for number in range(self.genesis.halvings + 1)]

    def issued(self, height: int) -> int:
        """Return all rao minted up to a height."""
        return calculate_issuance(height, self.genesis)

    def _era(self, number: int) -> Era:
        blocks_before = number * self.genesis.blocks_per_era
        issued_rao = self.issued(blocks_before)
        # Rounded down: 100 % is never reached.
        millionths = issued_rao * 100 * 10**6 // self.supply_max_rao
        return Era(
            number=number,
            first_height=blocks_before + 1,
            reward_rao=self.genesis.block_reward_rao / 2**number,
            issued_before_rao=issued_rao,
            issued_percent=f"{millionths // 10**6}.{millionths % 10**6:06d}",
            seconds_after_genesis=blocks_before * self.genesis.block_milliseconds / 1000,
        )


def read_schedule(parameters: Parameters) -> Schedule:
    """Return the schedule of the chain that told these parameters: it mints by them, too."""
    told = parameters.model_dump(mode="json")
    return Schedule(read_parameters({name: told[name] for name in told if name not in LIVE}))
