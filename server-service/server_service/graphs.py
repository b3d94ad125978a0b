"""Decoding by CUDA graphs: one call starts all of a step's small kernels.

transformers starts each kernel from Python, which takes many times longer than a card needs to
compute it. A graph records a step once and replays it, but on the very memory it was recorded on:
so the rows stand in a frame with room for so many rows and so many columns, and move to another
when it is full. What a step costs grows with the frame, by little.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from transformers.cache_utils import CacheLayerMixin

from server_service.engine import Floats
from server_service.prefixes import States, states_of
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
WARM_UPS = 2
"""Passes before the one recorded, in which libraries choose their kernels and take workspace."""
DIFFERENCES_MAX = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.02}
"""Of a step's logits computed in the two ways, as a part of the largest of them."""

Result = TypeVar("Result")
Size = tuple[int, int]
"""Rows and columns."""

log = get_logger(__name__)


class FixedLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's states in memory that stays where it is; a step writes one column of them."""

    is_compileable = True
    is_sliding = False
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, column: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values, self._column = keys, values, column
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """There is nothing left to make."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys.index_copy_(2, self._column, key_states)
        self.values.index_copy_(2, self._column, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_max_length(), 0

    def get_seq_length(self) -> int:
        """Nobody may count by it: positions and the mask are given."""
        return 0

    def get_max_length(self) -> int:
        columns: int = self.keys.shape[2]
        return columns


class Frame:
    """Memory for `rows` texts of up to `columns` tokens, and a step over all of it."""

    def __init__(self, engine: TransformersEngine, size: Size, like: States) -> None:
        self._engine, self.size = engine, size
        rows, self.columns = size
        kind: Any = {"dtype": like[0][0].dtype, "device": engine.device}
        self._fed = torch.zeros((3, rows), dtype=torch.long, device=engine.device)
        self._unseen = torch.zeros((rows, 1, 1, self.columns), **kind)
        parts = [
            [torch.zeros((rows, part.shape[1], self.columns, part.shape[3]), **kind) for part in of]
            for of in like
        ]
        self.nbytes = sum(part.nbytes for of in parts for part in of)
        self._layers = [FixedLayer(keys, values, self._fed[2, :1]) for keys, values in parts]
        self._cache = transformers.Cache(layers=list(self._layers))
        self._replay = self._record() if engine.device.type == "cuda" else self._compute

    def lay(self, past: Past) -> None:
        """Put rows into the first places."""
        rows, width = past.mask.shape
        self._unseen.fill_(torch.finfo(self._unseen.dtype).min)
        self._unseen[:rows, 0, 0, :width].masked_fill_(past.mask == 1, 0)
        for layer, states in zip(self._layers, states_of(past.cache), strict=True):
            for room, part in zip((layer.keys, layer.values), states, strict=True):
                room[:rows, :, :width] = part

    def lift(self, rows: int, width: int) -> Past:
        """A copy of the first rows."""
        cache = transformers.DynamicCache()
        for index, layer in enumerate(self._layers):
            cache.update(layer.keys[:rows, :, :width], layer.values[:rows, :, :width], index)
        return Past(cache, (self._unseen[:rows, 0, 0, :width] == 0).long())

    def step(self, tokens: Sequence[int], lengths: Sequence[int], column: int) -> Floats:
        """Add a token to each row, in this column; what may follow, [rows, V]."""
        fed = np.zeros(self._fed.shape, dtype=np.int64)
        fed[0, : len(tokens)], fed[1, : len(tokens)], fed[2] = tokens, lengths, column
        self._fed.copy_(torch.from_numpy(fed))
        return self._engine.to_numpy(self._replay()[: len(tokens)])

    def _compute(self) -> torch.Tensor:
        tokens, positions, columns = self._fed
        self._unseen.index_fill_(3, columns[:1], 0)
        output = self._engine.forward(
            tokens[:, None],
            attention_mask=self._unseen,
            position_ids=positions[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _record(self) -> Callable[[], torch.Tensor]:
        """What computes as `_compute` does, all of it at one call."""
        aside = stream_aside()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self._compute()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            # By thread: a model that is trained beside may take memory meanwhile.
            with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
                logits = self._compute()
        except RuntimeError as error:
            # A recording that broke off says only that; what it broke off at says why.
            raise error.__context__ or error from None

        def replay() -> torch.Tensor:
            graph.replay()
            return logits

        return replay


@cache
def stream_aside() -> Any:
    """The one to record on: libraries keep workspace, tens of megabytes, for each stream used."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


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
