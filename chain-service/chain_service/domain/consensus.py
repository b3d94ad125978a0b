"""
The interface of consensus rules: a graph of neurons goes in, scores and payouts come out.

A rule is a pure function `run(graph, parameters) -> Step`. The chain's genesis parameters name one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chain_service.domain.nakamoto_dense import run_nakamoto_step_densely
from chain_service.domain.network import Graph, Step
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.yuma import run_yuma_step

Rule = Callable[[Graph, ChainParameters], Step]

RULES: Mapping[str, Rule] = {"nakamoto": run_nakamoto_step_densely, "yuma": run_yuma_step}
"""Consensus rules by the name that a genesis gives."""


@dataclass(frozen=True)
class Payout:
    """A step, and what it pays in whole rao."""

    step: Step
    amounts_rao: Sequence[int]
    """Per uid; they add up to the pot, or are all 0 where nobody was ranked."""


def run_consensus(graph: Graph, parameters: ChainParameters) -> Payout:
    """Run the chain's own rule, and hand out the pot to the last rao."""
    step = RULES[parameters.consensus_rule](_with_first_votes(graph, parameters), parameters)
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


def _with_first_votes(graph: Graph, parameters: ChainParameters) -> Graph:
    """
    Give 1 rao of stake to each active neuron with weights while the active ones hold none.

    Decision (docs/mechanism.md §1): so a fair launch's first payout is one neuron, one vote.
    """
    active = [
        graph.block - last_update < parameters.activity_cutoff_blocks
        for last_update in graph.last_update_blocks
    ]
    if any(stake for stake, is_active in zip(graph.stakes_rao, active, strict=True) if is_active):
        return graph
    votes = [
        1 if is_active and row else 0 for is_active, row in zip(active, graph.weights, strict=True)
    ]
    # Stake of inactive neurons is left out too: beside votes of 1 rao its share has no meaning.
    return replace(graph, stakes_rao=votes)
