"""
The interface of consensus rules: a graph of neurons goes in, scores and payouts come out.

A rule is two pure functions: who is active, and the step. The chain's genesis parameters name one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chain_service.domain import nakamoto, yuma
from chain_service.domain.nakamoto_dense import run_nakamoto_step_densely
from chain_service.domain.network import Graph, Step
from chain_service.domain.parameters import ChainParameters


@dataclass(frozen=True)
class Rule:
    """What sets one consensus rule apart from the other."""

    find_active: Callable[[Graph, int], Iterable[bool]]
    """Say, by uid, who is active for a cutoff in blocks: the step's own notion."""
    run_step: Callable[[Graph, ChainParameters], Step]


RULES: Mapping[str, Rule] = {
    "nakamoto": Rule(nakamoto.find_active, run_nakamoto_step_densely),
    "yuma": Rule(yuma.find_active, yuma.run_yuma_step),
}
"""Consensus rules by the name that a genesis gives."""


@dataclass(frozen=True)
class Payout:
    """A step, and what it pays in whole rao."""

    step: Step
    amounts_rao: Sequence[int]
    """Per uid; they add up to the pot, or are all 0 where nobody was ranked."""


def run_consensus(graph: Graph, parameters: ChainParameters) -> Payout:
    """Run the chain's own rule, and hand out the pot to the last rao."""
    rule = RULES[parameters.consensus_rule]
    active = rule.find_active(graph, parameters.activity_cutoff_blocks)
    step = rule.run_step(_with_first_votes(graph, active), parameters)
    return Payout(step, split_pot(graph.emission_rao, step))


def gain_priority(stake_rao: int) -> int:
    """Return floor(log2(S + 1)): by how much a step raises a neuron's priority."""
    return (stake_rao + 1).bit_length() - 1


def split_pot(pot_rao: int, step: Step) -> list[int]:
    """
    Return e_i plus the dust that flooring left: one rao each by largest remainder, lower uid first.

    Decision (docs/mechanism.md §1): nothing of a pot is lost; where nobody was ranked it all waits.
    """
    amounts = list(step.emission_rao)
    paid = [uid for uid, share in enumerate(step.shares) if share > 0]
    if not paid:
        return [0] * len(amounts)
    dust = pot_rao - sum(amounts)
    assert dust >= 0, "a step paid more than the pot holds"
    paid.sort(key=lambda uid: (-(pot_rao * step.shares[uid] % step.shares_one), uid))
    for position in range(min(dust, len(paid))):
        amounts[paid[position]] += 1 + (dust - 1 - position) // len(paid)
    return amounts


def _with_first_votes(graph: Graph, active: Iterable[bool]) -> Graph:
    """
    Give 1 rao of stake to each active neuron with weights while the active ones hold none.

    Decision (docs/mechanism.md §1): so a fair launch's first payout is one neuron, one vote. Where
    nobody has a vote, the stake stays: Yuma then pays by it, be it of inactive neurons.
    """
    neurons = list(zip(active, graph.stakes_rao, graph.weights, strict=True))
    votes = [1 if is_active and len(row) else 0 for is_active, _, row in neurons]
    if not any(votes) or any(stake for is_active, stake, _ in neurons if is_active):
        return graph
    # Stake of inactive neurons is left out too: beside votes of 1 rao its share has no meaning.
    # Yuma's permits of before went by stake, so they can't say who may vote without any.
    return replace(graph, stakes_rao=votes, permits=None)
