"""The engine on torch and transformers: the reference that every other way is held against."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import pad

from server_service.engine import DecodeBatch, Floats, ModelFacts, Tokens
from server_service.prefixes import Prefixes


class TransformersEngine:
    """Any causal language model that transformers can load.

    float32 is the default, because a row's answer must not depend on its neighbours in the batch:
    measured on a processor, it does not in float32, and does in bfloat16.
    """

    def __init__(self, model: Any, facts: ModelFacts, prefix_bytes: int = 0) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._facts = facts
        self._accepted = set(inspect.signature(model.forward).parameters)
        self._prefixes = Prefixes(prefix_bytes)

    @property
    def facts(self) -> ModelFacts:
        return self._facts

    def next_logits(self, tokens: Tokens) -> Floats:
        if len(tokens) == 1:
            return self.read(tokens[0].tolist())[0]
        output = self.forward(self.to_tensor(tokens), use_cache=False, logits_to_keep=1)
        return self.to_numpy(output.logits[:, -1])

    def every_logits(self, tokens: Tokens) -> Floats:
        return self.to_numpy(self.forward(self.to_tensor(tokens), use_cache=False).logits)

    def hidden_states(self, tokens: Tokens) -> Floats:
        with torch.inference_mode():
            output = self.model.base_model(input_ids=self.to_tensor(tokens), use_cache=False)
        hidden: Floats = output.last_hidden_state.float().cpu().numpy()
        return hidden

    def start_batch(self) -> DecodeBatch:
        return TransformersBatch(self)

    def read(self, row: Sequence[int]) -> tuple[Floats, transformers.DynamicCache]:
        """What may follow one row, [1, V], and the states of all its tokens.

        What it begins with like a row before it is not computed again.
        """
        known, cache = self._prefixes.begin(row)
        rest = self.to_tensor([row[known:]])
        output = self.forward(rest, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._prefixes.keep(row, cache)
        return self.to_numpy(output.logits[:, -1]), cache

    def forward(self, ids: torch.Tensor, **options: Any) -> Any:
        """One pass, with those of the options that this model's architecture knows."""
        known = {name: value for name, value in options.items() if name in self._accepted}
        with torch.inference_mode():
            return self.model(input_ids=ids, **known)

    def to_numpy(self, logits: torch.Tensor) -> Floats:
        """Without the rows that some models pad their vocabulary with."""
        array: Floats = logits[..., : self._facts.vocabulary_size].float().cpu().numpy()
        return array

    def to_tensor(self, tokens: Tokens | Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.as_tensor(np.asarray(tokens, dtype=np.int64), device=self.device)


class TransformersBatch:
    """A key-value cache of rows of different lengths, padded on the left and masked there."""

    def __init__(self, engine: TransformersEngine) -> None:
        self._engine = engine
        self._cache = transformers.DynamicCache()
        self._mask = torch.zeros((0, 0), dtype=torch.long, device=engine.device)

    def join(self, prompt: Sequence[int]) -> Floats:
        logits, cache = self._engine.read(prompt)
        mask = torch.ones((1, len(prompt)), dtype=torch.long, device=self._engine.device)
        self._append(cache, mask)
        return logits

    def step(self, tokens: Sequence[int]) -> Floats:
        ids = self._engine.to_tensor([[token] for token in tokens])
        self._mask = torch.cat([self._mask, torch.ones_like(ids)], dim=1)
        output = self._engine.forward(
            ids,
            attention_mask=self._mask,
            position_ids=self._mask.sum(dim=1, keepdim=True) - 1,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return self._engine.to_numpy(output.logits[:, -1])

    def keep(self, rows: Sequence[int]) -> None:
        mask = self._mask[list(rows)]
        width = int(mask.sum(dim=1).max()) if rows else 0
        self._mask = mask[:, mask.shape[1] - width :]
        layers: list[Any] = self._cache.layers
        self._cache = transformers.DynamicCache()
        if rows:
            for index, layer in enumerate(layers):
                start = layer.keys.shape[2] - width
                keys, values = layer.keys[list(rows)], layer.values[list(rows)]
                self._cache.update(keys[:, :, start:], values[:, :, start:], index)

    def _append(self, cache: transformers.DynamicCache, mask: torch.Tensor) -> None:
        if len(self._mask) == 0:
            self._cache, self._mask = cache, mask
            return
        width = max(self._mask.shape[1], mask.shape[1])
        merged = transformers.DynamicCache()
        layers: list[tuple[Any, Any]] = list(zip(self._cache.layers, cache.layers, strict=True))
        for index, (old, new) in enumerate(layers):
            keys = torch.cat([widen(old.keys, width), widen(new.keys, width)])
            values = torch.cat([widen(old.values, width), widen(new.values, width)])
            merged.update(keys, values, index)
        self._cache = merged
        self._mask = torch.cat(
            [pad(rows, (width - rows.shape[1], 0)) for rows in (self._mask, mask)]
        )


def widen(states: torch.Tensor, width: int) -> torch.Tensor:
    """[rows, heads, sequence, size], padded on the left to a sequence of `width`."""
    return pad(states, (0, 0, width - states.shape[2], 0))
