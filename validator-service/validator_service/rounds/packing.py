"""Questions, answers and standings as bytes: what a round is judged by, now or in an audit."""

import json
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from server_service.tensors import unpack_tensors
from validator_service.domain.averages import Averages
from validator_service.domain.prompts import Questions
from validator_service.domain.scores import Standings

AVERAGES = ("loss", "score", "seconds", "by_heart")
PARTS = ("ids", "probabilities", "floor")

Array = NDArray[np.generic]


class Incomplete(Exception):
    """An answer lacks an array that it must have."""


@dataclass(frozen=True, eq=False)
class Claim:
    """What an answer holds, not yet checked."""

    ids: Array
    probabilities: Array
    floor: Array


def unpack_claim(body: bytes) -> Claim:
    """Read a Server's bytes; raises MalformedTensors or Incomplete."""
    tensors = unpack_tensors(body).tensors
    if not set(PARTS) <= set(tensors):
        raise Incomplete(f"an answer holds {', '.join(PARTS)}")
    return Claim(*(tensors[part] for part in PARTS))


def pack_questions(questions: Questions) -> bytes:
    arrays = {
        "context": questions.context,
        "hidden": questions.hidden,
        "canary_rows": questions.canary_rows,
        "altered": questions.altered,
        "lent": questions.lent,
    }
    return pack({name: array.astype(np.int32) for name, array in arrays.items()})


def unpack_questions(body: bytes) -> Questions:
    arrays = safetensors.numpy.load(body)
    return Questions(
        context=arrays["context"].astype(np.int64),
        hidden=arrays["hidden"].astype(np.int64),
        canary_rows=arrays["canary_rows"].astype(np.int64),
        altered=arrays["altered"].astype(bool),
        # A worker of an older version has stored none.
        lent=arrays.get("lent", np.zeros_like(arrays["altered"])).astype(bool),
    )


def pack_standings(standings: Standings) -> bytes:
    columns: dict[str, Array] = {"uids": standings.uids, "rounds": standings.rounds}
    for name in AVERAGES:
        average: Averages = getattr(standings, name)
        columns |= {f"{name}.total": average.total, f"{name}.weight": average.weight}
    return pack(columns, {"hotkeys": json.dumps(standings.hotkeys)})


def unpack_standings(body: bytes) -> Standings:
    arrays = safetensors.numpy.load(body)
    averages = {
        name: Averages(arrays[f"{name}.total"], arrays[f"{name}.weight"]) for name in AVERAGES
    }
    return Standings(
        uids=arrays["uids"], hotkeys=read_hotkeys(body), rounds=arrays["rounds"], **averages
    )


def read_hotkeys(body: bytes) -> tuple[str, ...]:
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    return tuple(json.loads(header["__metadata__"]["hotkeys"]))


def pack(arrays: dict[str, Array], metadata: dict[str, str] | None = None) -> bytes:
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    packed: bytes = safetensors.numpy.save(contiguous, metadata)
    return packed
