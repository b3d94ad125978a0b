"""The Nakamoto step against the original's own numbers, to the last bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain_service.domain.consensus import RULES, run_consensus
from chain_service.domain.network import Graph
from chain_service.domain.parameters import CONSENSUS_RULES, NETWORK, ChainParameters

VECTORS = Path(__file__).parents[2] / "vectors" / "nakamoto_step.json"
FAMILY = json.loads(VECTORS.read_text())
VECTOR_BY_ID = {vector["id"]: vector for vector in FAMILY["vectors"]}
SCORES = ("rank", "trust", "consensus", "incentive", "dividends")


def vector_parameters(vector: dict[str, Any]) -> ChainParameters:
    values = FAMILY["default_params"] | vector["inputs"].get("params_override", {})
    return replace(
        NETWORK,
        rho=values["rho"],
        kappa_denominator=values["kappa_denominator"],
        self_ownership_denominator=values["self_ownership_denominator"],
        bonds_moving_average_ppm=values["bonds_moving_average_ppm"],
        activity_cutoff_blocks=values["activity_cutoff"],
    )


def sparse(rows: list[list[int]]) -> list[tuple[tuple[int, int], ...]]:
    return [tuple((uid, value) for uid, value in enumerate(row) if value) for row in rows]


def dense(rows: Any, count: int) -> list[list[int]]:
    return [[dict(row).get(uid, 0) for uid in range(count)] for row in rows]


class Original:
    """The original's chain around the step: constant reward, and the floor of each payout."""

    def __init__(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        count = inputs["n"]
        self.parameters = vector_parameters(vector)
        self.graph = Graph(
            block=inputs["start_block"],
            emission_rao=0,
            stakes_rao=inputs.get("stake_rao", []),
            weights=sparse(inputs.get("weights_u32", [])),
            bonds_rao=sparse(inputs.get("bonds_rao", [])),
            last_update_blocks=inputs.get("last_update_block", [0] * count),
        )
        self.issued_rao = 0
        self.waited = 0

    def step_block(self, blocks_per_step: int = 1) -> Any:
        self.graph = replace(self.graph, block=self.graph.block + 1)
        self.waited += 1
        if self.waited < blocks_per_step:
            return None
        emission = self.waited * FAMILY["default_params"]["block_emission_rao"]
        step = RULES["nakamoto"](replace(self.graph, emission_rao=emission), self.parameters)
        stakes = [a + b for a, b in zip(self.graph.stakes_rao, step.emission_rao, strict=True)]
        self.graph = replace(self.graph, stakes_rao=stakes, bonds_rao=step.bonds_rao)
        self.issued_rao += sum(step.emission_rao)
        self.waited = 0
        return step


@pytest.mark.parametrize(
    "vector", [v for v in FAMILY["vectors"] if "checkpoints" in v], ids=lambda v: v["id"]
)
def test_step_equals_the_vector_to_the_last_bit(vector: dict[str, Any]) -> None:
    chain, count = Original(vector), vector["inputs"]["n"]
    step, compared = None, 0
    for checkpoint in vector["checkpoints"]:
        while chain.graph.block < checkpoint["after_blocks"]:
            step = chain.step_block()
        assert step is not None
        tolerance = checkpoint.get("tolerance", {})
        found = {f"{name}_u64": list(getattr(step, name)) for name in SCORES}
        found["emission_rao"] = list(step.emission_rao)
        found["bonds_rao"] = dense(step.bonds_rao, count)
        found["stake_rao"] = list(chain.graph.stakes_rao)
        found["active"] = [int(flag) for flag in step.active]
        for name in set(found) & set(checkpoint):
            compared += 1
            if name in SCORES or name.endswith("_u64") or name in ("active", "emission_rao"):
                assert checkpoint[name] == found[name], name
            else:
                assert_near(checkpoint[name], found[name], tolerance.get(name, 0))
        assert_near(
            [checkpoint["issuance_delta_rao"]],
            [chain.issued_rao],
            tolerance.get("issuance_delta_rao", 0),
        )
    assert compared or count == 0


def assert_near(expected: Any, found: Any, tolerance: int) -> None:
    if expected and isinstance(expected[0], list):
        for expected_row, found_row in zip(expected, found, strict=True):
            assert_near(expected_row, found_row, tolerance)
        return
    assert len(expected) == len(found)
    assert all(abs(a - b) <= tolerance for a, b in zip(expected, found, strict=True)), (
        expected,
        found,
    )


def test_issuance_follows_the_cadence_of_steps() -> None:
    vector = VECTOR_BY_ID["nak-06-issuance-cadence"]
    chain, blocks_per_step = Original(vector), 1
    for entry in vector["schedule"]:
        if "set_blocks_per_step" in entry:
            blocks_per_step = entry["set_blocks_per_step"]
            continue
        for _ in range(entry["blocks"]):
            chain.step_block(blocks_per_step)
        if "issuance_delta_rao" in entry:
            assert abs(entry["issuance_delta_rao"] - chain.issued_rao) <= entry["tol"]


def test_half_goes_to_the_ranked_and_half_to_the_rankers() -> None:
    graph = Graph(
        block=1,
        emission_rao=1_000_000_000,
        stakes_rao=[500, 500, 0, 0],
        weights=[((2, 2**31), (3, 2**31)), ((2, 2**31), (3, 2**31)), (), ()],
        bonds_rao=[()] * 4,
        last_update_blocks=[0] * 4,
    )
    payout = run_consensus(graph, NETWORK)
    assert payout.amounts_rao == [250_000_000] * 4


def test_first_payout_is_one_neuron_one_vote() -> None:
    graph = Graph(
        block=1,
        emission_rao=999_999_999,
        stakes_rao=[0, 0, 0],
        weights=[((2, 2**32 - 1),), ((2, 2**32 - 1),), ()],
        bonds_rao=[()] * 3,
        last_update_blocks=[0] * 3,
    )
    payout = run_consensus(graph, NETWORK)
    assert sum(payout.amounts_rao) == 999_999_999
    assert payout.amounts_rao[0] == payout.amounts_rao[1] > 0
    assert payout.amounts_rao[2] > payout.amounts_rao[0]


def test_a_slot_given_away_voids_the_bonds_in_it() -> None:
    graph = Graph(
        block=1,
        emission_rao=0,
        stakes_rao=[10, 0],
        weights=[(), ()],
        bonds_rao=[((1, 1000),), ()],
        last_update_blocks=[0, 0],
        reassigned_uids=frozenset({1}),
    )
    assert RULES["nakamoto"](graph, NETWORK).bonds_rao == [(), ()]


def test_the_pot_waits_where_nobody_ranks_another() -> None:
    graph = Graph(1, 5, [7], [((0, 2**32 - 1),)], [()], [0])
    assert run_consensus(graph, NETWORK).amounts_rao == [0]


def test_every_rule_has_a_name_in_the_parameters() -> None:
    assert set(RULES) == set(CONSENSUS_RULES)
