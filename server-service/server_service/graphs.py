"""Decoding by CUDA graphs: one call starts all of a step's small kernels.

transformers starts each kernel from Python, which takes many times longer than a card needs to
compute it. A graph records a step once and replays it, in a frame: the rows stand in the smallest
one that holds them, and move to another when it is full.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from server_service.engine import Floats
from server_service.frames import Frame, Size
from server_service.prefixes import states_of
from server_service.reference import (
    Past,
    TransformersBatch,
    TransformersEngine,
    keep_rows,
    lay_together,
)
from taonet.kit.logging import get_logger

COLUMNS_MIN = 128
IDLE_BYTES_MAX = 2**30
"""Of frames that wait to be needed again; making one costs as much as a few steps."""
DIFFERENCES_MAX = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.02}
"""Of a step's logits computed in the two ways, as a part of the largest of them."""

Result = TypeVar("Result")

log = get_logger(__name__)


class GraphedBatch:
    """Rows of different lengths, padded on the left, in the smallest frame that holds them."""

    def __init__(self, engine: TransformersEngine) -> None:
        self._engine = engine
        self._frames: dict[Size, Frame] = {}
        self._frame: Frame | None = None
        self._lengths: list[int] = []

    @property
    def prompts_at_once(self) -> int:
        return self._engine.prompts_at_once

    def join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        return self._insist(lambda: self._join(prompts))

    def step(self, tokens: Sequence[int]) -> Floats:
        logits = self._insist(lambda: self._step(tokens))
        self._lengths = [length + 1 for length in self._lengths]
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        if rows:
            lengths = [self._lengths[row] for row in rows]
            self._insist(lambda: self._lay(keep_rows(self._lift(), rows), lengths))
        else:
            self._lengths = []

    def _insist(self, compute: Callable[[], Result]) -> Result:
        """Where memory is short, give up the frames that wait, and try once more.

        Whatever fails, all is as it was before.
        """
        try:
            return compute()
        # Not all who lack memory say so by torch's own error.
        except RuntimeError:
            self._frame = self._frame if self._lengths else None
            self._frames = {self._frame.size: self._frame} if self._frame else {}
        return compute()

    def _join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        logits, pasts = self._engine.read_together(prompts)
        present = [self._lift()] if self._lengths else []
        self._lay(lay_together([*present, *pasts]), self._lengths + [len(row) for row in prompts])
        return logits

    def _step(self, tokens: Sequence[int]) -> Floats:
        if max(self._lengths) == self._present.columns:
            self._lay(self._lift(), self._lengths)
        return self._present.step(tokens, self._lengths, max(self._lengths))

    @property
    def _present(self) -> Frame:
        assert self._frame is not None, "no rows have joined"
        return self._frame

    def _lift(self) -> Past:
        return self._present.lift(len(self._lengths), max(self._lengths))

    def _lay(self, past: Past, lengths: list[int]) -> None:
        columns = max(round_up(max(lengths) + 1), COLUMNS_MIN)
        frame = self._find_frame((round_up(len(lengths)), columns), past)
        frame.lay(past)
        self._frame, self._lengths = frame, lengths

    def _find_frame(self, size: Size, past: Past) -> Frame:
        frame = self._frames.pop(size, None) or Frame(self._engine, size, states_of(past.cache))
        self._frames[size] = frame  # the last is the latest used
        while len(self._frames) > 1 and self._count_idle_bytes() > IDLE_BYTES_MAX:
            del self._frames[next(iter(self._frames))]
        return frame

    def _count_idle_bytes(self) -> int:
        return sum(frame.nbytes for frame in list(self._frames.values())[:-1])


def round_up(number: int) -> int:
    """To a power of two, so that there are few frames."""
    return 1 << math.ceil(math.log2(number))


def quicken(engine: TransformersEngine) -> None:
    """Have this engine decode by graphs, unless its model cannot, or says something else then."""
    try:
        prove(engine)
    # What a model does that cannot be recorded differs by architecture.
    except Exception as error:
        log.warning("steps of this model are not recorded, and slower", reason=str(error))
    else:
        engine.make_batch = GraphedBatch


def prove(engine: TransformersEngine) -> None:
    """Raises what hinders steps on a frame, or ValueError where they compute something else."""
    config = engine.model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None):
        raise ValueError("its attention does not reach over all of a text")
    prompts = [[1, 2, 3, 4, 5, 6, 7], [8, 9, 10]]
    plain, graphed = TransformersBatch(engine), GraphedBatch(engine)
    for batch in (plain, graphed):
        batch.join(prompts)
    for tokens in ([11, 12], [13, 14]):
        expected, found = plain.step(tokens), graphed.step(tokens)
        apart = float(np.abs(found - expected).max() / np.abs(expected).max())
        if not apart <= DIFFERENCES_MAX[next(engine.model.parameters()).dtype]:
            raise ValueError(f"its logits differ by {apart:.1%}")
