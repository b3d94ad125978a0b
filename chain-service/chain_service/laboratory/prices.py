"""The family of vectors that pins the later chain's prices of registration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chain_service.domain.parameters import (
    MAXIMUM_DIFFICULTY,
    NETWORK,
    PARTS_PER_MILLION,
    ChainParameters,
)
from chain_service.domain.prices import blend, decay_burn, raise_burn
from chain_service.laboratory.comparing import Family, Vector, compare
from taonet.kit.errors import Malformed

AFTER = "after_"


def check_later_prices(vector: Vector, family: Family) -> None:
    """Run a vector by the rule that it is about: `ratio`, or `half-life`."""
    checks = {"fin-01-difficulty": check_ratio, "fin-02-burn-decay": check_half_life}
    if vector["id"] not in checks:
        raise Malformed(f"this chain has no such rule: {vector['id']}")
    checks[vector["id"]](vector)


def check_ratio(vector: Vector) -> None:
    for number, case in enumerate(vector["cases"]):
        found = blend(
            case["cur"],
            case["regs"],
            case["target"],
            NETWORK.price_alpha_u64,
            case.get("min", 1),
            case.get("max", MAXIMUM_DIFFICULTY),
        )
        compare(f"cases[{number}].next", case["next"], found)


def check_half_life(vector: Vector) -> None:
    """Follow each case as it is written: blocks are counted anew after each registration."""
    for number, case in enumerate(vector["cases"]):
        parameters, burn_rao, passed = read_limits(case), case["start"], 0
        for name in case:
            if name == "register":
                for _ in range(case[name]):
                    burn_rao = raise_burn(burn_rao, parameters)
                passed = 0
            elif name.startswith(AFTER):
                blocks = 0 if name == "after_register" else int(name.split("_")[1])
                for _ in range(blocks - passed):
                    burn_rao = decay_burn(burn_rao, parameters)
                passed = max(passed, blocks)
                compare(f"cases[{number}].{name}", case[name], burn_rao)


def read_limits(case: Mapping[str, Any]) -> ChainParameters:
    return replace(
        NETWORK,
        price_rule="half-life",
        burn_half_life_blocks=case["half_life"],
        burn_multiplier_ppm=case["mult"] * PARTS_PER_MILLION,
        minimum_burn_rao=case.get("min", 0),
        maximum_burn_rao=case.get("max", NETWORK.maximum_burn_rao),
    )
