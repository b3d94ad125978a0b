"""A frame: memory that stays where it is, and one step over all of its rows, recorded once.

A CUDA graph replays a step on the very memory it was recorded on, so a frame has room for so many
rows and so many columns, and what a step costs grows with the frame, by little.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import transformers
from transformers.cache_utils import CacheLayerMixin

from server_service.engine import Floats
from server_service.prefixes import States, states_of
from server_service.reference import Past, TransformersEngine

WARM_UPS = 2
"""Passes before the one recorded, in which libraries choose their kernels and take workspace."""

Size = tuple[int, int]
"""Rows and columns."""


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
