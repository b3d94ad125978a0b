"""Files of vectors: which family each is of, and whether this chain finds the same numbers."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chain_service.laboratory.comparing import (
    TALLY,
    Differs,
    Family,
    NotComparable,
    Vector,
    find_unasked,
    watch,
)
from chain_service.laboratory.nakamoto import check_rules, check_step
from chain_service.laboratory.payouts import check_delegation, check_reward, check_schedule
from chain_service.laboratory.prices import check_later_prices
from chain_service.laboratory.primitives import check_primitives
from chain_service.laboratory.yuma import check_epochs, check_yuma3
from chain_service.laboratory.yuma_large import check_large
from taonet.kit.errors import Malformed, NotFound, Refusal

CHECKS: Mapping[str, Callable[[Vector, Family], None]] = {
    "nakamoto_step": check_step,
    "nakamoto_registration_weights": check_rules,
    "finney_registration": check_later_prices,
    "block_emission_by_issuance": check_reward,
    "derived_emission": check_schedule,
    "delegation_emission": check_delegation,
    "yuma_epoch": check_epochs,
    "yuma3_liquid_alpha": check_yuma3,
    "yuma_large_graph": check_large,
    "math_primitives": check_primitives,
}
"""What runs a vector, by its family's name."""


@dataclass(frozen=True)
class Verdict:
    """What came of one vector."""

    name: str
    told: str
    differs: bool = False


def check_path(path: Path) -> Iterator[Verdict]:
    """Check a file of vectors, or every one in a folder."""
    if not path.exists():
        raise NotFound(f"there is no {path}; name a file of vectors, or a folder of such files")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise NotFound(f"no file in {path} ends in .json")
    for file in files:
        yield from check_file(file)


def check_file(path: Path) -> Iterator[Verdict]:
    """Check a file's vectors one by one; a family that no check knows counts as a difference."""
    family = read_family(path)
    check = CHECKS.get(family["family"])
    if check is None:
        told = f"unknown family {family['family']!r}: choose from {', '.join(CHECKS)}"
        yield Verdict(path.name, told, differs=True)
        return
    for name, vector in list_vectors(family, path):
        yield check_vector(name, vector, family, check)


def read_family(path: Path) -> Family:
    try:
        family = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise Malformed(f"{path} is not a JSON file: {error}") from None
    if not isinstance(family, dict) or not isinstance(family.get("family"), str):
        raise Malformed(f'{path} has no "family"; the vectors\' README tells the format')
    return family


def list_vectors(family: Family, path: Path) -> list[tuple[str, Vector]]:
    """Return a family's vectors by name; the derived schedule is one without a list."""
    if family["family"] == "derived_emission":
        if not isinstance(family.get("by_issuance"), dict):
            raise Malformed(f'{path} needs an object "by_issuance"')
        return [("derived_emission by_issuance", family["by_issuance"])]
    vectors = family.get("vectors")
    if not isinstance(vectors, list) or not all(isinstance(v, dict) and "id" in v for v in vectors):
        raise Malformed(f'{path} needs a list "vectors" of objects that have an "id"')
    if not vectors:
        raise Malformed(f'{path} has an empty list "vectors": there is nothing to check')
    return [(vector["id"], vector) for vector in vectors]


def check_vector(
    name: str, vector: Vector, family: Family, check: Callable[[Vector, Family], None]
) -> Verdict:
    """Return "ok" only where something was compared, and no field was left unread."""
    watched, before = watch(vector), TALLY.compared
    try:
        check(watched, family)
    except (Differs, Refusal) as difference:
        return Verdict(name, str(difference), differs=True)
    except NotComparable as reason:
        return Verdict(name, f"not compared: {reason}")
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # A file from elsewhere: what it lacks is told, and counts as a difference.
        return Verdict(name, f"can't be read: {type(error).__name__} {error}", differs=True)
    unasked = next(find_unasked(watched), None)
    if unasked is not None:
        return Verdict(name, f"{unasked}: no such field is known here", differs=True)
    if TALLY.compared == before:
        return Verdict(name, "nothing in it could be compared", differs=True)
    return Verdict(name, "ok")
