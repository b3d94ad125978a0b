"""The family of vectors that pins the parts Yuma is made of, one function at a time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chain_service.domain.errors import MaxWeightExceeded
from chain_service.domain.fixed32 import (
    ONE,
    Fixed,
    calculate_sigmoid,
    normalise,
    upscale_to_uint16,
)
from chain_service.domain.parameters import NETWORK, UINT16_MAX, UINT32_MAX
from chain_service.domain.weights import check_row
from chain_service.domain.yuma import calculate_median, choose_top, move_average
from chain_service.laboratory.comparing import Family, Vector, compare
from taonet.kit.errors import Malformed

FIXED_TOLERANCE = 2**-31
"""Decimal numbers enter I32F32 rounded, which moves the last bit."""
SIGMOID_TOLERANCE = 5e-8
"""The vector's inputs are 32-bit literals, ours 64-bit."""
UPSCALE_BITS = 24

Case = Mapping[str, Any]


def check_primitives(vector: Vector, family: Family) -> None:
    """Run each case of a vector through the function that its number names."""
    number = "-".join(vector["id"].split("-")[:2])
    if number not in CHECKS:
        raise Malformed(f"this chain has no such function: {vector['id']}")
    for index, case in enumerate(vector["cases"]):
        CHECKS[number](f"cases[{index}].", case, vector)


def check_median(prefix: str, case: Case, vector: Vector) -> None:
    scores = to_fixed(case["score"]).reshape(-1, 1)
    found = calculate_median(to_fixed(case["stake"]), scores, round(vector["majority"] * ONE))
    compare(prefix + "median", case["median"], int(found[0]) / ONE, FIXED_TOLERANCE)


def check_medians(prefix: str, case: Case, vector: Vector) -> None:
    stake, scores = to_fixed(case["stake"]), to_fixed(case["rows"])
    found = calculate_median(stake, scores, round(case["majority"] * ONE))
    compare(prefix + "median", case["median"], (found / ONE).tolist(), FIXED_TOLERANCE)


def check_sigmoid(prefix: str, case: Case, vector: Vector) -> None:
    exponents = (to_fixed(case["x"]) - round(case["kappa"] * ONE)) * case["rho"]
    found = (calculate_sigmoid(exponents) / ONE).tolist()
    compare(prefix + "y", case["y"], found, SIGMOID_TOLERANCE)


def check_upscale(prefix: str, case: Case, vector: Vector) -> None:
    # Only ratios matter; up to 2^46 fits the function.
    values = np.rint(np.asarray(case["in"], dtype=np.float64) * 2**UPSCALE_BITS).astype(np.int64)
    found = upscale_to_uint16(values).tolist()
    compare(prefix + "out", case["out"], found, vector.get("tolerance", 0))


def check_limit(prefix: str, case: Case, vector: Vector) -> None:
    limit = case["limit"] * (UINT32_MAX // UINT16_MAX)
    parameters = replace(NETWORK, min_allowed_weights=0, max_weight_limit_u32=limit)
    uids, fits = list(range(1, len(case["v"]) + 1)), True
    try:
        check_row(0, uids, case["v"], len(uids) + 1, parameters)
    except MaxWeightExceeded:
        fits = False
    compare(prefix + "ok", case["ok"], fits)


def check_top(prefix: str, case: Case, vector: Vector) -> None:
    # The vector's function also lets a zero through; a permit needs stake, so all are one higher.
    found = choose_top(np.array(case["v"], dtype=np.int64) + 1, case["k"]).tolist()
    compare(prefix + "out", case["out"], found)


def check_clip(prefix: str, case: Case, vector: Vector) -> None:
    found = np.minimum(to_fixed(case["rows"]), to_fixed(case["threshold"])) / ONE
    compare(prefix + "out", case["out"], found.tolist(), FIXED_TOLERANCE)


def check_average(prefix: str, case: Case, vector: Vector) -> None:
    found = move_average(to_fixed(case["new"]), to_fixed(case["old"]), to_fixed(case["alpha"]))
    compare(prefix + "out", case["out"], (found / ONE).tolist(), vector["tolerance"])


def check_normalise(prefix: str, case: Case, vector: Vector) -> None:
    found = (normalise(to_fixed(case["in"])) / ONE).tolist()
    compare(prefix + "out", case["out"], found, vector["tolerance"])


def to_fixed(values: Any) -> Fixed:
    """Return decimal numbers in I32F32."""
    fixed: Fixed = np.rint(np.asarray(values, dtype=np.float64) * ONE).astype(np.int64)
    return fixed


CHECKS: Mapping[str, Callable[[str, Case, Vector], None]] = {
    "math-01": check_median,
    "math-02": check_medians,
    "math-03": check_sigmoid,
    "math-04": check_upscale,
    "math-05": check_upscale,
    "math-06": check_limit,
    "math-07": check_top,
    "math-08": check_clip,
    "math-09": check_average,
    "math-10": check_normalise,
}
