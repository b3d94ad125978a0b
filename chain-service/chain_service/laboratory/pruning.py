"""The vector that pins who is pruned: newcomers, stakes and weights, in the order of a script."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chain_service.domain.consensus import RULES
from chain_service.domain.execution import Execution
from chain_service.domain.network import Graph
from chain_service.domain.parameters import NETWORK
from chain_service.domain.registration import fill_slot
from chain_service.domain.state import State
from chain_service.domain.values import Neuron, Scores
from chain_service.laboratory.comparing import Vector, compare, to_sparse

Line = Mapping[str, Any]


def check_pruning(vector: Vector) -> None:
    """Obey the script line by line, and compare what each line expects."""
    parameters = replace(
        NETWORK,
        max_allowed_uids=vector["params"]["max_allowed_uids"],
        immunity_period_blocks=vector["params"]["immunity_period"],
        stake_pruning_min_rao=vector["params"]["stake_pruning_min_rao"],
    )
    run = Execution(State(), parameters, signer="")
    for number, line in enumerate(vector["script"]):
        field = f"script[{number}]."
        if "register" in line:
            register(run, line, field)
        run.count(height=run.height + line.get("step_blocks", 0))
        for uid, stake_rao in enumerate(line.get("set_stake_rao", [])):
            neuron = run.state.neuron(uid)
            run.state.put_neuron(replace(neuron, stakes_rao={neuron.coldkey: stake_rao}))
        for uid, row in enumerate(to_sparse(line.get("set_weights_u32", []))):
            run.state.weights[uid] = row
        if "expect_incentive_u64" in line:
            run_step(run)
            found = [neuron.scores.incentive for neuron in list_neurons(run)]
            compare(field + "expect_incentive_u64", line["expect_incentive_u64"], found)


def register(run: Execution, line: Line, field: str) -> None:
    """Give a newcomer a slot, and compare which, the stakes then, and what was refunded."""
    free_rao = {owner: account.free_rao for owner, account in run.state.accounts.items()}
    uid = fill_slot(run, f"hot{line['register']}", f"cold{line['register']}")
    compare(field + "expect_uid", line["expect_uid"], uid)
    stakes_rao = [neuron.stake_rao for neuron in list_neurons(run)]
    if "expect_stake_rao" in line:
        compare(field + "expect_stake_rao", line["expect_stake_rao"], stakes_rao)
    if "expect_total_stake_rao" in line:
        compare(field + "expect_total_stake_rao", line["expect_total_stake_rao"], sum(stakes_rao))
    if "expect_coldkey_refund" in line:
        refund = line["expect_coldkey_refund"]
        owner = f"cold{refund['coldkey']}"
        gained_rao = run.state.accounts[owner].free_rao - free_rao.get(owner, 0)
        compare(field + "expect_coldkey_refund.rao", refund["rao"], gained_rao)


def list_neurons(run: Execution) -> list[Neuron]:
    return [run.state.neuron(uid) for uid in range(run.state.counters.neuron_count)]


def run_step(run: Execution) -> None:
    """Score all neurons, and pay nothing."""
    neurons = list_neurons(run)
    graph = Graph(
        block=run.height,
        emission_rao=0,
        stakes_rao=[neuron.stake_rao for neuron in neurons],
        weights=[run.state.weights[neuron.uid] for neuron in neurons],
        bonds_rao=[run.state.bonds[neuron.uid] for neuron in neurons],
        last_update_blocks=[neuron.last_update_block for neuron in neurons],
    )
    step = RULES["nakamoto"].run_step(graph, run.parameters)
    for neuron, incentive in zip(neurons, step.incentive, strict=True):
        run.state.put_neuron(replace(neuron, scores=Scores(incentive=incentive)))
