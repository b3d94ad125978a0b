"""The values of the chain's state: accounts, neurons, and what there is one of; never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

LISTS = ("reassigned_uids", "permitted_uids", "recent_hashes")
NO_SLOT = -1
"""The slot of an account that was in no block yet."""


@final
class Account:
    """What a key holds, be it a coldkey or a hotkey; made for each change, so by hand."""

    __slots__ = ("free_rao", "nonce", "slot")

    def __init__(self, free_rao: int = 0, nonce: int = 0, slot: int = NO_SLOT) -> None:
        self.free_rao = free_rao
        """Money it may spend."""
        self.nonce = nonce
        """The number of its next extrinsic."""
        self.slot = slot
        """Its leaf in the tree of accounts, given by its first block and kept for ever."""

    def holding(self, free_rao: int) -> "Account":
        """Return the account with so much free money."""
        return Account(free_rao, self.nonce, self.slot)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Account)
            and self.free_rao == other.free_rao
            and self.nonce == other.nonce
            and self.slot == other.slot
        )

    def __hash__(self) -> int:
        return hash((self.free_rao, self.nonce, self.slot))

    def __repr__(self) -> str:
        return f"Account({self.free_rao}, {self.nonce}, {self.slot})"


@dataclass(frozen=True, slots=True)
class Scores:
    """What the last step found for a neuron; shares are floor(x · (2^64 − 1))."""

    active: bool = True
    rank: int = 0
    trust: int = 0
    consensus: int = 0
    incentive: int = 0
    dividends: int = 0
    emission_rao: int = 0


@dataclass(frozen=True, slots=True)
class Neuron:
    """A slot of the network, and who is in it."""

    uid: int
    hotkey: str
    """Names the neuron and signs its traffic."""
    coldkey: str
    """Owns the hotkey, and is paid."""
    registered_block: int
    last_update_block: int
    """When it last set weights or served: what activity is judged by."""
    weights_block: int | None = None
    """When it last set weights: what the rate limit is judged by."""
    name: str = ""
    ip: str = ""
    port: int = 0
    take: int | None = None
    """Of 65,535: what its owner keeps of the delegators' pay; none while it is no delegate."""
    commit_hash: str | None = None
    commit_block: int | None = None
    priority: int = 0
    """Grows with the stake at each step, until it sets weights: what its weights are queued by."""
    stakes_rao: Mapping[str, int] = field(default_factory=dict)
    """By coldkey: the owner's, and the delegators'. Never changed in place."""
    scores: Scores = Scores()

    @property
    def stake_rao(self) -> int:
        """All that stands behind the neuron."""
        return sum(self.stakes_rao.values())


@dataclass(frozen=True, slots=True)
class Counters:
    """What there is one of."""

    height: int = 0
    pot_rao: int = 0
    """Minted and not yet paid out, with the fees."""
    free_rao: int = 0
    """Sum over all accounts."""
    stake_rao: int = 0
    """Sum over all neurons."""
    difficulty: int = 1
    burn_rao: int = 0
    works_this_interval: int = 0
    burns_this_interval: int = 0
    registrations_this_block: int = 0
    last_step_block: int = 0
    last_adjustment_block: int = 0
    neuron_count: int = 0
    account_count: int = 0
    """Slots given to accounts."""
    reassigned_uids: tuple[int, ...] = ()
    """Slots that changed hands since the last step."""
    permitted_uids: tuple[int, ...] = ()
    """Yuma: who may validate in the next step."""
    recent_hashes: tuple[str, ...] = ()
    """Hashes of the last blocks, the newest last: work may be done on these."""

    used_seals: tuple[tuple[int, str], ...] = ()
    """Work that has registered a neuron: the block it was done on, and the seal."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Counters":
        """Return what `asdict` told, through JSON: its lists as tuples again."""
        seals = tuple((number, seal) for number, seal in told.get("used_seals", ()))
        lists = {name: tuple(told[name]) for name in LISTS}
        return cls(**{**told, **lists, "used_seals": seals})

    def before_own_hash(self) -> "Counters":
        """Return the counters as the newest block's state root has them: without its own hash."""
        return replace(self, recent_hashes=self.recent_hashes[:-1])
