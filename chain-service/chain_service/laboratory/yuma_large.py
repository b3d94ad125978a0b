"""The family of vectors that pins Yuma on large graphs, told in words and made here."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from chain_service.domain.fixed32 import UINT16_MAX, to_uint16
from chain_service.domain.network import Graph, Row
from chain_service.domain.parameters import MAINNET_2022
from chain_service.domain.yuma import run_epoch, run_yuma_step
from chain_service.domain.yuma_plainly import run_yuma_step_plainly
from chain_service.laboratory.comparing import Family, Vector, compare
from chain_service.laboratory.yuma import SHARES


def check_large(vector: Vector, family: Family) -> None:
    """Run a generated graph, where all validators and all servers must find the same."""
    generator = vector["generator"]
    if "expected_each" not in vector:
        check_implementations(generator)
        return
    count, validators = generator["n"], generator["validators"]
    weight = generator.get("validator_weight_per_server_u16", 1)
    servers = tuple((uid, weight) for uid in range(validators, count))
    parameters = replace(
        MAINNET_2022, consensus_rule="yuma", yuma_max_validators=count, activity_cutoff_blocks=5_000
    )
    graph = Graph(
        block=1,
        emission_rao=generator["emission_in"],
        stakes_rao=[generator["stake_per_validator"]] * validators + [0] * (count - validators),
        weights=[servers] * validators + [()] * (count - validators),
        bonds_rao=[()] * count,
        last_update_blocks=[0] * count,
    )
    for _ in range(generator["epochs"]):
        epoch, step = run_epoch(graph, parameters), run_yuma_step(graph, parameters)
        graph = replace(graph, bonds_rao=step.bonds_rao, permits=step.permits)
    for kind, uids in (("validator", range(validators)), ("server", range(validators, count))):
        expected = {
            key: [value] * len(uids) for key, value in vector["expected_each"][kind].items()
        }
        found: dict[str, Any] = {
            name: to_uint16(getattr(epoch, ours))[uids.start : uids.stop].tolist()
            for name, ours in SHARES.items()
        }
        found["emission"] = list(step.emission_rao[uids.start : uids.stop])
        found["bond_to_server_u16"] = [
            min((bond for _, bond in step.bonds_rao[uid]), default=0) for uid in uids
        ]
        for name in expected:
            compare(f"{kind}.{name}", expected[name], found[name])


def check_implementations(generator: Mapping[str, Any]) -> None:
    """Hold the matrices' epoch equal to the one entry by entry, on random weights, twice."""
    count, validators = generator["n"], generator["validators"]
    layouts = [
        range(validators),
        range(count - validators, count),
        range(0, count, count // validators),
    ]
    for layout, penalty, self_weights in product(layouts, (0, 32_767, UINT16_MAX), (False, True)):
        parameters = replace(
            MAINNET_2022,
            consensus_rule="yuma",
            yuma_max_validators=validators,
            yuma_bonds_penalty_u16=penalty,
        )
        graph = make_random_graph(count, layout, generator["stake_per_validator"], self_weights)
        for number in range(2):
            step, plain = run_yuma_step(graph, parameters), run_yuma_step_plainly(graph, parameters)
            field = f"penalty {penalty}, epoch {number}, "
            for name in ("incentive", "dividends", "emission_rao"):
                compare(field + name, getattr(plain, name), getattr(step, name))
            for uid, row in enumerate(plain.bonds_rao):
                compare(f"{field}bonds[{uid}]", to_lists(row), to_lists(step.bonds_rao[uid]))
            graph = replace(graph, bonds_rao=step.bonds_rao)


def to_lists(row: Row) -> list[list[int]]:
    """Return a row's pairs as `compare` reads them."""
    return [list(pair) for pair in row]


def make_random_graph(count: int, validators: range, stake: int, self_weights: bool) -> Graph:
    """Every validator ranks all who are none; with self-weights the ranked rank themselves too."""
    rng = np.random.default_rng(count)
    servers = [uid for uid in range(count) if uid not in validators]
    rows: list[Row] = [((uid, UINT16_MAX),) if self_weights else () for uid in range(count)]
    for uid in validators:
        values = rng.integers(0, UINT16_MAX, len(servers))
        values = values * UINT16_MAX // values.sum()
        rows[uid] = tuple((j, w) for j, w in zip(servers, values.tolist(), strict=True) if w)
    return Graph(
        block=1,
        emission_rao=10**9,
        stakes_rao=[stake if uid in validators else 0 for uid in range(count)],
        weights=rows,
        bonds_rao=[()] * count,
        last_update_blocks=[0] * count,
    )
