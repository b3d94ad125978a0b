"""The families of vectors that pin Yuma: small epochs, and Yuma3."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chain_service.domain.fixed32 import (
    ONE,
    UINT16_MAX,
    to_uint16,
    upscale,
    upscale_to_uint16,
)
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import MAINNET_2022, ChainParameters
from chain_service.domain.yuma import Epoch, choose_top, normalise_stakes, run_epoch, run_yuma_step
from chain_service.laboratory.comparing import Family, Vector, compare, to_dense

NAMES = {
    "kappa_u16": "yuma_kappa_u16",
    "bonds_penalty_u16": "yuma_bonds_penalty_u16",
    "bonds_moving_average_ppm": "bonds_moving_average_ppm",
    "activity_cutoff": "activity_cutoff_blocks",
    "max_allowed_validators": "yuma_max_validators",
    "alpha_sigmoid_steepness": "yuma_alpha_steepness",
}
"""Our names of the vectors' parameters."""
FRACTION_TOLERANCE = 1e-9
BOND_TOLERANCE, DIVIDEND_TOLERANCE = 1e-4, 6e-5
"""
How far Yuma3's numbers may be off, by the vectors' README. The vectors' own `tolerance`, 1e-3, is
what the source's test allows.
"""
PRINTED_DIGITS = 4
"""To so many decimals Yuma3's numbers are printed: most of them rounded, some cut."""
FRACTIONS = {
    "consensus": "consensus",
    "validator_trust": "validator_trust",
    "server_trust": "trust",
    "incentive": "incentive",
    "dividends": "dividends",
    "stake_norm": "stake",
    "active_stake": "active_stake",
    "normalized_combined_emission": "emission",
}
SHARES = {
    "rank_u16": "incentive",
    "consensus_u16": "consensus",
    "trust_u16": "trust",
    "incentive_u16": "incentive",
    "dividends_u16": "dividends",
}


def check_epochs(vector: Vector, family: Family) -> None:
    """Run a vector's epochs one after another."""
    if "cases" in vector:
        check_permits(vector)
        return
    values = family["default_params"] | vector.get("params", {})
    values |= {key: vector[key] for key in NAMES if key in vector}
    parameters = read_parameters(values)
    rows: dict[int, list[Row]] = {}
    bonds: Sequence[Row] = [()] * vector["n"]
    permits: Sequence[bool] | None = None
    for number, expected in enumerate(vector["epochs"]):
        graph = _read_graph(vector, expected, rows, bonds, permits)
        epoch, step = run_epoch(graph, parameters), run_yuma_step(graph, parameters)
        check_epoch(f"epochs[{number}].", expected, epoch, step)
        bonds, permits = step.bonds_rao, step.permits


def check_epoch(prefix: str, expected: Mapping[str, Any], epoch: Epoch, step: Step) -> None:
    for name, ours in FRACTIONS.items():
        if name in expected:
            found = (getattr(epoch, ours) / float(ONE)).tolist()
            compare(prefix + name, expected[name], found, FRACTION_TOLERANCE)
    for name, ours in SHARES.items():
        if name in expected:
            compare(prefix + name, expected[name], to_uint16(getattr(epoch, ours)).tolist())
    if "pruning_u16" in expected:
        found_scores = to_uint16(upscale(epoch.emission)).tolist()
        compare(prefix + "pruning_u16", expected["pruning_u16"], found_scores)
    if "dividends_u16_uid0" in expected:
        found_u16 = int(to_uint16(epoch.dividends)[0])
        compare(prefix + "dividends_u16_uid0", expected["dividends_u16_uid0"], found_u16)
    if "emission" in expected:
        compare(prefix + "emission", expected["emission"], step.emission_rao)
    for pair, bond in expected.get("stored_bonds_u16", {}).items():
        holder, other = map(int, pair.split(","))
        found_bond = dict(step.bonds_rao[holder]).get(other, 0)
        compare(f"{prefix}stored_bonds_u16[{pair}]", bond, found_bond)
    if "weights_after_mask_norm" in expected:
        found_rows = dict(zip(epoch.rows.tolist(), (epoch.weights / ONE).tolist(), strict=True))
        for uid, row in enumerate(expected["weights_after_mask_norm"]):
            found_row = found_rows.get(uid, [0] * len(row))
            name = f"{prefix}weights_after_mask_norm[{uid}]"
            compare(name, row, found_row, FRACTION_TOLERANCE)
    for uid, row in enumerate(expected.get("weights_as_stored_u16", [])):
        sent = np.array([weight for _, weight in expected["weights_as_sent_u16"][uid]])
        uids = [other for other, _ in expected["weights_as_sent_u16"][uid]]
        stored = list(map(list, zip(uids, upscale_to_uint16(sent).tolist(), strict=True)))
        compare(f"{prefix}weights_as_stored_u16[{uid}]", row, stored)
    if "new_validator_permit" in expected:
        compare(prefix + "new_validator_permit", expected["new_validator_permit"], step.permits)
    if "stake_norm_0_prefix" in expected:
        found_share = int(epoch.stake[0]) * 1000 // ONE / 1000
        compare(prefix + "stake_norm_0_prefix", expected["stake_norm_0_prefix"], found_share)


def check_permits(vector: Vector) -> None:
    """Permits go to the highest stakes, and move when others add to theirs."""
    for number, case in enumerate(vector["cases"]):
        stakes, limit = case["stake"], case["max_allowed_validators"]
        validators = len(stakes)
        stakes = stakes + [0] * (case["n"] - validators)
        added = case["then_add_to_servers"]
        for name, adding in (("expect_permit", 0), ("expect_permit_after", added)):
            given = [
                stake + (adding if uid >= len(case["stake"]) // 2 else 0)
                for uid, stake in enumerate(stakes)
            ]
            found = choose_top(normalise_stakes(given), limit).tolist()
            compare(f"cases[{number}].{name}", case[name], found)


def check_yuma3(vector: Vector, family: Family) -> None:
    """Run Yuma3's epochs on a few validators and servers."""
    parameters = read_parameters(vector["params"])
    limits = {key: vector["params"][key] for key in ("alpha_low", "alpha_high")}
    parameters = replace(
        parameters,
        yuma3_bonds=1,
        yuma_liquid_alpha=int(vector["params"]["liquid_alpha"]),
        yuma_alpha_low_u16=round(limits["alpha_low"] * UINT16_MAX),
        yuma_alpha_high_u16=round(limits["alpha_high"] * UINT16_MAX),
    )
    expected_by_epoch, weights_by_epoch = _read_schedule(vector)
    bonds: Sequence[Row] = [()] * vector["n"]
    reset = vector.get("reset_bonds_to_uid", {})
    for number, weights in enumerate(weights_by_epoch):
        graph = Graph(
            block=number + 1,
            emission_rao=0,
            stakes_rao=vector["stake"],
            weights=_to_servers(vector, weights),
            bonds_rao=bonds,
            last_update_blocks=[number + 1] * vector["n"],
            reassigned_uids=frozenset(
                [reset["uid"]] if number == reset.get("before_epoch") else []
            ),
        )
        epoch, step = run_epoch(graph, parameters), run_yuma_step(graph, parameters)
        bonds = step.bonds_rao
        expected = expected_by_epoch.get(number)
        if expected:
            found = to_dense(bonds, vector["n"])
            pairs = [
                [found[i][j] / UINT16_MAX for j in vector["servers"]] for i in vector["validators"]
            ]
            name = f"epochs[{number}].bonds_validator_to_server"
            expected_pairs = expected["bonds_validator_to_server"]
            compare(name, expected_pairs, pairs, BOND_TOLERANCE, PRINTED_DIGITS)
            dividends = (epoch.dividends / float(ONE)).tolist()
            name = f"epochs[{number}].dividends"
            compare(name, expected["dividends"], dividends, DIVIDEND_TOLERANCE, PRINTED_DIGITS)


def read_parameters(values: Mapping[str, Any]) -> ChainParameters:
    """Return Yuma's parameters from a vector's, the rest as in the preset `mainnet-2022`."""
    chosen = {ours: values[name] for name, ours in NAMES.items() if name in values}
    return replace(MAINNET_2022, consensus_rule="yuma", **chosen)


def _read_graph(
    vector: Vector,
    epoch: Mapping[str, Any],
    rows: dict[int, list[Row]],
    bonds: Sequence[Row],
    permits: Sequence[bool] | None,
) -> Graph:
    """Return the graph of one epoch; `rows` keeps weights that later epochs refer to."""
    count = vector["n"]
    block = epoch.get("block", vector.get("current_block", 1))
    given = epoch.get("weights_as_sent_u16") or epoch.get("weights_sparse_u16")
    if "same_weights_as_block" in epoch:
        weights = rows[epoch["same_weights_as_block"]]
    elif given is None and "weights_sparse_u16" not in vector and rows:
        weights = rows[max(rows)]
    else:
        given = given or vector.get("weights_sparse_u16") or [[]] * count
        weights = [tuple((uid, value) for uid, value in row if value) for row in given]
    rows[block] = weights
    updates = epoch.get("last_update") or vector.get("last_update") or [block] * count
    dense_bonds = epoch.get("bonds_in_u16")
    if dense_bonds:
        bonds = [tuple((uid, b) for uid, b in enumerate(row) if b) for row in dense_bonds]
    return Graph(
        block=block,
        emission_rao=vector.get("emission_in", 0),
        stakes_rao=epoch.get("stake") or vector["stake"],
        weights=weights,
        bonds_rao=bonds,
        last_update_blocks=updates,
        permits=epoch.get("validator_permit_in", permits),
        weights_blocks=updates,
        registered_blocks=epoch.get("registered_block", ()),
    )


def _read_schedule(vector: Vector) -> tuple[dict[int, Any], list[Any]]:
    """Return what is expected, by epoch, and the weights of every epoch."""
    if "epochs" in vector:
        weights = [epoch["validator_to_server_weights_u16"] for epoch in vector["epochs"]]
        return dict(enumerate(vector["epochs"])), weights
    weights = []
    for entry in vector["weights_schedule"]:
        first, last = entry["epochs"]
        weights += [entry["w"]] * (last - first + 1)
    return {entry["epoch"]: entry for entry in vector["checkpoints"]}, weights


def _to_servers(vector: Vector, weights: list[list[int]]) -> list[Row]:
    rows: list[Row] = [()] * vector["n"]
    for uid, row in zip(vector["validators"], weights, strict=True):
        pairs = zip(vector["servers"], row, strict=True)
        rows[uid] = tuple((other, weight) for other, weight in pairs if weight)
    return rows
