"""The values that every consensus rule reads and returns."""

from collections.abc import Sequence
from dataclasses import dataclass

Row = Sequence[tuple[int, int]]
"""A sparse row: (uid, value), each uid at most once."""


@dataclass(frozen=True)
class Graph:
    """The network at the moment of a step; every sequence is indexed by uid."""

    block: int
    """The block that runs the step."""
    emission_rao: int
    """E, the pot: what the step may pay."""
    stakes_rao: Sequence[int]
    """S_i."""
    weights: Sequence[Row]
    """W_i: (uid, weight), where 2^32 − 1 stands for 1."""
    bonds_rao: Sequence[Row]
    """B_i: (uid, rao); of 65,535 under Yuma."""
    last_update_blocks: Sequence[int]
    """When a neuron last set weights or served."""
    reassigned_uids: frozenset[int] = frozenset()
    """Slots given to a new neuron since the last step: bonds in them are void."""
    permits: Sequence[bool] | None = None
    """Yuma: who may validate, as its last epoch found; none where there was no epoch yet."""
    weights_blocks: Sequence[int] = ()
    """Yuma: when each row of weights was set; empty where all weights count."""
    registered_blocks: Sequence[int] = ()
    """Yuma: when each neuron took its slot; ranks set before that are not for it."""


@dataclass(frozen=True)
class Step:
    """What a step found, by uid; scores are floor(x · (2^64 − 1))."""

    active: Sequence[bool]
    rank: Sequence[int]
    trust: Sequence[int]
    consensus: Sequence[int]
    incentive: Sequence[int]
    dividends: Sequence[int]
    emission_rao: Sequence[int]
    """e_i = floor(E · D_i), without the dust."""
    bonds_rao: Sequence[Row]
    """Bonds after the step, zeros left out, by rising uid."""
    shares: Sequence[int]
    """D_i in the rule's own arithmetic: what the dust is handed out by."""
    shares_one: int
    """What stands for a share of 1 in that arithmetic."""
    permits: Sequence[bool] = ()
    """Yuma: who may validate in the next step; empty under a rule without permits."""
