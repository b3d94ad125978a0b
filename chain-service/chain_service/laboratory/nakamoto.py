"""The families of vectors that pin the Nakamoto network: its step, its slots and its weights."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chain_service.domain.blocks import begin_block
from chain_service.domain.consensus import RULES
from chain_service.domain.execution import Execution
from chain_service.domain.network import Graph, Step
from chain_service.domain.parameters import MAINNET_2022, NETWORK, UINT32_MAX, ChainParameters
from chain_service.domain.prices import adjust
from chain_service.domain.registration import fill_slot
from chain_service.domain.state import State
from chain_service.domain.weights import check_row, normalise_weights, set_weights
from chain_service.laboratory.comparing import (
    Family,
    NotComparable,
    Vector,
    compare,
    to_dense,
    to_sparse,
)
from chain_service.laboratory.pruning import check_pruning
from taonet.kit.errors import Malformed, Refusal

SCORES = ("rank", "trust", "consensus", "incentive", "dividends")
EXACT = {f"{name}_u64" for name in SCORES} | {"active", "emission_rao"}
"""Compared to the last bit, whatever the vector would allow."""


class Original:
    """The original's chain around the step: constant reward, and the floor of each payout."""

    def __init__(self, vector: Vector, family: Family) -> None:
        inputs = vector["inputs"]
        count = inputs["n"]
        values = family["default_params"] | inputs.get("params_override", {})
        self.reward_rao = values["block_emission_rao"]
        self.parameters = read_parameters(values)
        self.graph = Graph(
            block=inputs["start_block"],
            emission_rao=0,
            stakes_rao=inputs.get("stake_rao", []),
            weights=to_sparse(inputs.get("weights_u32", [])),
            bonds_rao=to_sparse(inputs.get("bonds_rao", [])),
            last_update_blocks=inputs.get("last_update_block", [0] * count),
        )
        self.issued_rao = 0
        self.waited = 0
        self.step: Step | None = None
        self.step_block = 0

    def run_block(self, blocks_per_step: int = 1) -> None:
        self.graph = replace(self.graph, block=self.graph.block + 1)
        self.waited += 1
        if self.waited < blocks_per_step:
            return
        graph = replace(self.graph, emission_rao=self.waited * self.reward_rao)
        self.step = RULES["nakamoto"].run_step(graph, self.parameters)
        self.step_block = graph.block
        pairs = zip(self.graph.stakes_rao, self.step.emission_rao, strict=True)
        stakes = [stake + emission for stake, emission in pairs]
        self.graph = replace(self.graph, stakes_rao=stakes, bonds_rao=self.step.bonds_rao)
        self.issued_rao += sum(self.step.emission_rao)
        self.waited = 0


def check_step(vector: Vector, family: Family) -> None:
    """Run the chain to each checkpoint, or through a schedule of cadences."""
    chain = Original(vector, family)
    if "schedule" in vector:
        check_schedule(vector, chain)
        return
    for number, expected in enumerate(vector["checkpoints"]):
        while chain.graph.block < expected["after_blocks"]:
            chain.run_block()
        if chain.step is None:
            raise Malformed(
                f"checkpoints[{number}].after_blocks must be above {chain.graph.block}, where the "
                "vector starts: before the first step there is nothing to compare"
            )
        count = vector["inputs"]["n"]
        found: dict[str, Any] = {f"{name}_u64": getattr(chain.step, name) for name in SCORES}
        found["emission_rao"] = chain.step.emission_rao
        found["bonds_rao"] = to_dense(chain.step.bonds_rao, count)
        found["stake_rao"] = chain.graph.stakes_rao
        found["total_stake_rao"] = sum(chain.graph.stakes_rao)
        found["active"] = [int(flag) for flag in chain.step.active]
        found["issuance_delta_rao"] = chain.issued_rao
        found["last_mechanism_step_block"] = chain.step_block
        found["n"] = len(chain.graph.stakes_rao)
        tolerance = expected.get("tolerance", {})
        for name in found:
            if name in expected:
                allowed = 0 if name in EXACT else tolerance.get(name, 0)
                compare(f"checkpoints[{number}].{name}", expected[name], found[name], allowed)


def check_schedule(vector: Vector, chain: Original) -> None:
    blocks_per_step = 1
    for number, entry in enumerate(vector["schedule"]):
        blocks_per_step = entry.get("set_blocks_per_step", blocks_per_step)
        for _ in range(entry.get("blocks", 0)):
            chain.run_block(blocks_per_step)
        if "issuance_delta_rao" in entry:
            name = f"schedule[{number}].issuance_delta_rao"
            compare(name, entry["issuance_delta_rao"], chain.issued_rao, entry["tol"])


def read_parameters(values: Mapping[str, Any]) -> ChainParameters:
    """Return the step's parameters from a vector's."""
    return replace(
        MAINNET_2022,
        rho=values["rho"],
        kappa_denominator=values["kappa_denominator"],
        self_ownership_denominator=values["self_ownership_denominator"],
        bonds_moving_average_ppm=values["bonds_moving_average_ppm"],
        activity_cutoff_blocks=values["activity_cutoff"],
    )


def check_rules(vector: Vector, family: Family) -> None:
    """Run a vector of registration or of weights by the function that its number names."""
    number = "-".join(vector["id"].split("-")[:2])
    if number in REASONS:
        raise NotComparable(REASONS[number])
    if number not in RULES_BY_NUMBER:
        raise Malformed(f"this chain has no such rule: {vector.get('test', vector['id'])}")
    RULES_BY_NUMBER[number](vector)


def check_difficulty(vector: Vector) -> None:
    limits, difficulty = vector["params"], vector["initial_difficulty"]
    for number, step in enumerate(vector["steps"]):
        difficulty = adjust(
            difficulty,
            step["registrations"] > limits["target_registrations_per_interval"],
            limits["minimum_difficulty"],
            limits["maximum_difficulty"],
        )
        name = f"steps[{number}].difficulty_after_block"
        compare(name, step["difficulty_after_block"], difficulty)


def check_normalisation(vector: Vector) -> None:
    for number, case in enumerate(vector["cases"]):
        compare(f"cases[{number}].out", case["out"], normalise_weights(case["in"]))


def check_duplicates(vector: Vector) -> None:
    limits = replace(NETWORK, max_weight_limit_u32=UINT32_MAX)
    for number, case in enumerate(vector["cases"]):
        count = max(case["uids"]) + 1
        told = judge_row(0, case["uids"], [1] * len(case["uids"]), count, limits)
        compare(f"cases[{number}].duplicate", case["duplicate"], told == "DuplicateUids")


def check_fewest(vector: Vector) -> None:
    for number, case in enumerate(vector["cases"]):
        least = case["min_allowed_weights"]
        limits = replace(NETWORK, min_allowed_weights=least, max_weight_limit_u32=UINT32_MAX)
        uid, count = vector["caller_uid"], vector["n"]
        told = judge_row(uid, case["uids"], case["values"], count, limits)
        compare(f"cases[{number}].expect", case["expect"], told)


def check_priority(vector: Vector) -> None:
    """Run a chain of one neuron that ranks itself; a step each block, which pays nothing."""
    parameters = replace(
        NETWORK, blocks_per_step=1, block_reward_rao=0, weights_rate_limit_blocks=0
    )
    run = Execution(State(), parameters, signer="hot")
    uid = fill_slot(run, "hot", "cold")
    for number, line in enumerate(vector["script"]):
        neuron = run.state.neuron(uid)
        stake_rao = neuron.stake_rao + line.get("add_stake_rao", 0)
        run.state.put_neuron(replace(neuron, stakes_rao={"cold": stake_rao}))
        if line.get("set_weights"):
            set_weights(run, [uid], [1], version_key=0)
        for _ in range(line.get("step_blocks", 0)):
            begin_block(run.state, parameters)
        if "expect_priority" in line:
            found = run.state.neuron(uid).priority
            compare(f"script[{number}].expect_priority", line["expect_priority"], found)


def judge_row(
    uid: int, uids: list[int], values: list[int], count: int, parameters: ChainParameters
) -> str:
    """Return "ok", or the name of the refusal."""
    try:
        check_row(uid, uids, values, count, parameters)
    except Refusal as refusal:
        return refusal.code
    return "ok"


RULES_BY_NUMBER: Mapping[str, Callable[[Vector], None]] = {
    "nakreg-01": check_difficulty,
    "nakreg-02": check_pruning,
    "nakw-01": check_normalisation,
    "nakw-02": check_duplicates,
    "nakw-04": check_fewest,
    "nakw-05": check_priority,
}
REASONS: Mapping[str, str] = {
    "nakreg-04": "settings of the original's test runtime (mock.rs), no rule; "
    "the presets have the network's own, and nakreg-01 runs the rule with these",
}
"""Why a vector is no claim about a chain's rules, by its number."""
