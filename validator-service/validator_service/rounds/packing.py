"""An answer and its truth as bytes, from the process that asks to the one that scores."""

from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from validator_service.domain.prompts import Questions
from validator_service.rounds.asking import Reply


@dataclass(frozen=True, eq=False)
class PackedAnswer:
    """What is needed to score an answer."""

    ids: NDArray[np.generic]
    probabilities: NDArray[np.generic]
    floor: NDArray[np.generic]
    hidden: NDArray[np.int64]
    canary_rows: NDArray[np.int64]


def pack_answer(reply: Reply) -> bytes | None:
    if reply.phrases is None:
        return None
    questions: Questions = reply.questions
    arrays = {
        "ids": reply.phrases.ids,
        "probabilities": reply.phrases.probabilities,
        "floor": reply.phrases.floor,
        "hidden": questions.hidden.astype(np.int32),
        "canary_rows": questions.canary_rows.astype(np.int32),
    }
    packed: bytes = safetensors.numpy.save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    )
    return packed


def unpack_answer(body: bytes) -> PackedAnswer:
    arrays = safetensors.numpy.load(body)
    return PackedAnswer(
        ids=arrays["ids"],
        probabilities=arrays["probabilities"],
        floor=arrays["floor"],
        hidden=arrays["hidden"].astype(np.int64),
        canary_rows=arrays["canary_rows"].astype(np.int64),
    )
