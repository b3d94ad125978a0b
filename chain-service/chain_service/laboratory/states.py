"""`taonet lab step`: one step of a rule on a state that is given as JSON, in the vectors' units."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chain_service.domain.consensus import RULES
from chain_service.domain.network import Graph, Row
from chain_service.domain.parameters import (
    JSON_BITS,
    UINT16_MAX,
    UINT32_MAX,
    UINT64_MAX,
    ChainParameters,
    choose_parameters,
)
from chain_service.laboratory.comparing import to_dense, to_sparse
from taonet.kit.errors import Malformed

PRESET = "mainnet-2022"
NEURONS_MAX = 16_384
PLACE_LENGTH_MAX = 40
NAMES = {
    "activity_cutoff": "activity_cutoff_blocks",
    "kappa_u16": "yuma_kappa_u16",
    "bonds_penalty_u16": "yuma_bonds_penalty_u16",
    "max_allowed_validators": "yuma_max_validators",
    "alpha_sigmoid_steepness": "yuma_alpha_steepness",
}
"""Our names of parameters that the vectors call otherwise."""
IGNORED = {"kappa", "block_emission_rao", "initial_total_issuance_rao"}
"""What the vectors' parameters hold beside the rule's."""
BOND_MAX = {"nakamoto": 2**63 - 1, "yuma": UINT16_MAX}
"""By rule: rao, as the chain's rows hold them, or shares of 65,535."""
SCORES = ("rank", "trust", "consensus", "incentive", "dividends", "emission_rao")

Uid = Annotated[int, Field(strict=True, ge=0, lt=NEURONS_MAX)]
Rao = Annotated[int, Field(ge=0, le=UINT64_MAX)]
Weight = Annotated[int, Field(strict=True, ge=0, le=UINT32_MAX)]
Block = Annotated[int, Field(strict=True, ge=0, lt=1 << JSON_BITS)]


class LaboratoryState(BaseModel):
    """What a step reads. Rows are sparse, [[uid, value], …], or dense, with a value per neuron."""

    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(strict=True, ge=0, le=NEURONS_MAX)]
    stake_rao: list[Rao]
    weights_u32: list[list[tuple[Uid, Weight]] | list[Weight]] = []
    bonds_rao: list[list[tuple[Uid, Rao]] | list[Rao]] = []
    last_update_block: list[Block] = []
    block: Block = 1
    params: dict[str, Any] = {}
    emission_rao: Rao | None = None
    permits: list[bool] | None = None
    """Yuma: who may validate; without it, the highest stakes."""

    @model_validator(mode="after")
    def _check_sizes(self) -> "LaboratoryState":
        for name in ("stake_rao", "weights_u32", "bonds_rao", "last_update_block", "permits"):
            values = getattr(self, name)
            if values and len(values) != self.n:
                raise ValueError(f"{name} has {len(values)} entries for {self.n} neurons")
        if len(self.stake_rao) != self.n:
            raise ValueError(f"stake_rao is needed for each of {self.n} neurons")
        for name in ("weights_u32", "bonds_rao"):
            for uid, row in enumerate(getattr(self, name)):
                self._check_row(f"{name}[{uid}]", row)
        return self

    def _check_row(self, name: str, row: Sequence[Any]) -> None:
        if row and not is_sparse(row):
            if len(row) != self.n:
                raise ValueError(f"{name} is dense, and has {len(row)} values for {self.n} neurons")
            return
        uids = [uid for uid, _ in row]
        if len(set(uids)) != len(uids) or max(uids, default=-1) >= self.n:
            raise ValueError(f"{name} names a uid twice, or one of {self.n} or more")


def run_state(text: bytes, rule: str) -> dict[str, Any]:
    """Return scores, emission and bonds after one step; bonds in the form the rows came in."""
    if rule not in RULES:
        raise Malformed(f"there is no rule {rule!r}; choose from {', '.join(RULES)}")
    state = read_state(text)
    parameters = read_parameters(state.params)
    graph = make_graph(state, parameters)
    check_bonds(graph.bonds_rao, rule)
    step = RULES[rule].run_step(graph, parameters)
    answer: dict[str, Any] = {name: list(getattr(step, name)) for name in SCORES}
    given = state.bonds_rao or state.weights_u32
    if any(row and not is_sparse(row) for row in given):
        answer["bonds_rao"] = to_dense(step.bonds_rao, state.n)
    else:
        answer["bonds_rao"] = [list(row) for row in step.bonds_rao]
    answer["active"] = [int(flag) for flag in step.active]
    if step.permits:
        answer["permits"] = list(step.permits)
    return answer


def read_state(text: bytes) -> LaboratoryState:
    try:
        return LaboratoryState.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        # A field's name is the caller's: it may be long, or hold what no terminal shows.
        place = ".".join(ascii(part).strip("'")[:PLACE_LENGTH_MAX] for part in first["loc"])
        raise Malformed(f"the state is wrong at {place or 'its top'}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the state is not JSON: {error}") from None


def make_graph(state: LaboratoryState, parameters: ChainParameters) -> Graph:
    """Return what the rule reads; without an emission, that of the preset's blocks."""
    emission_rao = state.emission_rao
    if emission_rao is None:
        emission_rao = parameters.blocks_per_step * parameters.block_reward_rao
    if emission_rao > UINT64_MAX:
        raise Malformed(
            f"blocks_per_step times block_reward_rao is {emission_rao} rao, above 2^64 - 1: lower "
            "one of them, or give emission_rao"
        )
    return Graph(
        block=state.block,
        emission_rao=emission_rao,
        stakes_rao=state.stake_rao,
        weights=read_rows(state.weights_u32, state.n),
        bonds_rao=read_rows(state.bonds_rao, state.n),
        last_update_blocks=state.last_update_block or [0] * state.n,
        permits=state.permits,
    )


def check_bonds(rows: Sequence[Row], rule: str) -> None:
    """Refuse a bond that the rule's arithmetic doesn't hold."""
    for uid, row in enumerate(rows):
        highest = max((bond for _, bond in row), default=0)
        if highest > BOND_MAX[rule]:
            unit = "rao" if rule == "nakamoto" else "of 65,535, which stands for all"
            raise Malformed(
                f"bonds_rao[{uid}] holds {highest}: under {rule} a bond is at most "
                f"{BOND_MAX[rule]} {unit}"
            )


def read_parameters(given: dict[str, Any]) -> ChainParameters:
    """Return the preset's parameters with some replaced, by our names or the vectors'."""
    overrides = {NAMES.get(key, key): given[key] for key in given if key not in IGNORED}
    return choose_parameters(PRESET, overrides)


def read_rows(rows: Sequence[Sequence[Any]], count: int) -> list[Row]:
    """Return rows of (uid, value) pairs by rising uid, zeros left out."""
    if not rows:
        return [()] * count
    return [
        tuple(sorted((uid, value) for uid, value in row if value))
        if is_sparse(row)
        else to_sparse([row])[0]
        for row in rows
    ]


def is_sparse(row: Sequence[Any]) -> bool:
    return bool(row) and not isinstance(row[0], int)
