"""The engine on torch and transformers: the reference that every other way is held against."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import pad

from server_service.engine import DecodeBatch, Floats, ModelFacts, Tokens
from server_service.prefixes import Prefixes, states_of


@dataclass(frozen=True, eq=False)
class Past:
    """What some rows have read, padded on the left."""

    cache: transformers.DynamicCache
    mask: torch.Tensor
    """[rows, sequence]: 0 where it is padding."""


class TransformersEngine:
    """Any causal language model that transformers can load.

    float32 is the default, because a row's answer must not depend on its neighbours in the batch:
    measured on a processor, it does not in float32, and does in bfloat16.
    """

    def __init__(
        self, model: Any, facts: ModelFacts, prefix_bytes: int = 0, prompts_at_once: int = 1
    ) -> None:
        self.model = model
        self.prompts_at_once = prompts_at_once
        self.device = next(model.parameters()).device
        self._facts = facts
        self._accepted = set(inspect.signature(model.forward).parameters)
        self._prefixes = Prefixes(prefix_bytes)
        self.make_batch: Callable[[TransformersEngine], DecodeBatch] = TransformersBatch

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
        return self.make_batch(self)

    def read(self, row: Sequence[int]) -> tuple[Floats, transformers.DynamicCache]:
        """What may follow one row, [1, V], and the states of all its tokens.

        What it begins with like a row before it is not computed again.
        """
        known, cache = self._prefixes.begin(row)
        rest = self.to_tensor([row[known:]])
        output = self.forward(rest, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._prefixes.keep(row, cache)
        return self.to_numpy(output.logits[:, -1]), cache

    def read_together(self, rows: Sequence[Sequence[int]]) -> tuple[Floats, list[Past]]:
        """The same of several rows: in one pass, unless one of them begins like a row before it."""
        if len(rows) > 1 and not any(self._prefixes.knows(row) for row in rows):
            logits, past = self._read_padded(rows)
            return logits, [past]
        alone = [self.read(row) for row in rows]
        masks = [self.to_tensor([[1] * len(row)]) for row in rows]
        pasts = [Past(cache, mask) for (_, cache), mask in zip(alone, masks, strict=True)]
        return np.concatenate([logits for logits, _ in alone]), pasts

    def _read_padded(self, rows: Sequence[Sequence[int]]) -> tuple[Floats, Past]:
        width = max(map(len, rows))
        ids = self.to_tensor([[0] * (width - len(row)) + list(row) for row in rows])
        mask = self.to_tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        cache = transformers.DynamicCache()
        output = self.forward(
            ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        for place, row in enumerate(rows):
            self._prefixes.keep(row, cache, place)
        return self.to_numpy(output.logits[:, -1]), Past(cache, mask)

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
        nothing = torch.zeros((0, 0), dtype=torch.long, device=engine.device)
        self._past = Past(transformers.DynamicCache(), nothing)

    @property
    def prompts_at_once(self) -> int:
        return self._engine.prompts_at_once

    def join(self, prompts: Sequence[Sequence[int]]) -> Floats:
        logits, pasts = self._engine.read_together(prompts)
        self._past = lay_together([past for past in (self._past, *pasts) if len(past.mask)])
        return logits

    def step(self, tokens: Sequence[int]) -> Floats:
        ids = self._engine.to_tensor([[token] for token in tokens])
        mask = torch.cat([self._past.mask, torch.ones_like(ids)], dim=1)
        self._past = Past(self._past.cache, mask)
        output = self._engine.forward(
            ids,
            attention_mask=mask,
            position_ids=mask.sum(dim=1, keepdim=True) - 1,
            past_key_values=self._past.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return self._engine.to_numpy(output.logits[:, -1])

    def keep(self, rows: Sequence[int]) -> None:
        self._past = keep_rows(self._past, rows)


def keep_rows(past: Past, rows: Sequence[int]) -> Past:
    """A copy of these, padded no more than the longest needs."""
    mask = past.mask[list(rows)]
    width = int(mask.sum(dim=1).max()) if rows else 0
    cache = transformers.DynamicCache()
    if rows:
        for index, (keys, values) in enumerate(states_of(past.cache)):
            start = keys.shape[2] - width
            keys, values = keys[list(rows)], values[list(rows)]
            cache.update(keys[:, :, start:], values[:, :, start:], index)
    return Past(cache, mask[:, mask.shape[1] - width :])


def lay_together(pasts: Sequence[Past]) -> Past:
    """All rows of these in one, each padded to the longest."""
    if len(pasts) == 1:
        return pasts[0]
    width = max(past.mask.shape[1] for past in pasts)
    cache = transformers.DynamicCache()
    layers = zip(*[states_of(past.cache) for past in pasts], strict=True)
    for index, parts in enumerate(layers):
        keys = torch.cat([widen(keys, width) for keys, _ in parts])
        values = torch.cat([widen(values, width) for _, values in parts])
        cache.update(keys, values, index)
    masks = [pad(past.mask, (width - past.mask.shape[1], 0)) for past in pasts]
    return Past(cache, torch.cat(masks))


def widen(states: torch.Tensor, width: int) -> torch.Tensor:
    """[rows, heads, sequence, size], padded on the left to a sequence of `width`."""
    return pad(states, (0, 0, width - states.shape[2], 0))
