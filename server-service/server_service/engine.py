"""Computing with a model: what every engine offers, and the one on torch and transformers.

An engine is used from one thread, the batcher's. It takes and gives NumPy arrays, so an engine
on another library can stand in its place.
"""

import gc
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch.nn.functional import pad

from server_service.prefixes import Prefixes
from server_service.tokenizer import ModelUnreadable

Tokens = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

CPU = torch.device("cpu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CONTEXT_LENGTH_UNSAID = 1024
"""For models whose configuration names no longest text."""


@dataclass(frozen=True)
class ModelFacts:
    name: str
    parameters: int
    vocabulary_size: int
    context_length: int
    width: int
    """Numbers of one hidden state."""
    end_tokens: frozenset[int]
    """After one of these the model's text is over."""


class DecodeBatch(Protocol):
    """Rows that go on token by token together, each with its own past."""

    def join(self, prompt: Sequence[int]) -> Floats:
        """Append a row; returns what may follow its prompt, [1, V]."""

    def step(self, tokens: Sequence[int]) -> Floats:
        """Add one token to each row; returns what may follow, [rows, V]."""

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""


class Engine(Protocol):
    @property
    def facts(self) -> ModelFacts: ...

    def next_logits(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → what may follow each row, [batch, V]."""

    def every_logits(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → what may follow every position, [batch, sequence, V]."""

    def hidden_states(self, tokens: Tokens) -> Floats:
        """[batch, sequence] → [batch, sequence, width]."""

    def start_batch(self) -> DecodeBatch: ...


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
            return self.read(tokens[0])[0]
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

    def read(self, row: Sequence[int] | Tokens) -> tuple[Floats, transformers.DynamicCache]:
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


def choose_device(wanted: str) -> torch.device:
    """`auto` is the first of cuda and cpu that is there; what is named must be there."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if wanted not in there:
        raise ValueError(f"{wanted!r} is no device: auto, {', '.join(there)}")
    if not there[wanted]:
        raise ValueError(f"this machine has no {wanted}; choose auto or cpu")
    return torch.device(wanted)


def choose_dtype(wanted: str) -> torch.dtype:
    if wanted not in DTYPES:
        raise ValueError(f"{wanted!r} is no number format of ours: {', '.join(DTYPES)}")
    return DTYPES[wanted]


def load_engine(
    model: str,
    vocabulary_size: int,
    threads: int,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
    prefix_bytes: int = 0,
) -> TransformersEngine:
    """Load a model folder, or a name on the hub: safetensors only, and no code that comes along."""
    torch.set_num_threads(threads)
    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    folder = Path(model).expanduser()
    source = str(folder) if folder.is_dir() else model
    try:
        loaded, report = library.AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    # What a damaged folder raises depends on which of its files is damaged.
    except Exception as error:
        raise ModelUnreadable(f"{model}: {error}") from error
    check_whole(model, loaded, report, vocabulary_size)
    loaded.to(device).eval().requires_grad_(False)
    gc.collect()
    facts = read_facts(folder.name, loaded, vocabulary_size)
    return TransformersEngine(loaded, facts, prefix_bytes)


def check_whole(model: str, loaded: Any, report: dict[str, Any], vocabulary_size: int) -> None:
    """Refuse what would answer nonsense: transformers fills missing weights with random ones."""
    if missing := sorted(report["missing_keys"]):
        raise ModelUnreadable(f"{model}: {len(missing)} weights are missing, such as {missing[0]}")
    if loaded._is_stateful:
        raise ModelUnreadable(f"{model}: it keeps a recurrent state, which cannot share batches")
    if loaded.config.get_text_config().vocab_size < vocabulary_size:
        raise ModelUnreadable(f"{model}: its tokenizer knows more tokens than the model")


def read_facts(name: str, loaded: Any, vocabulary_size: int) -> ModelFacts:
    config = loaded.config.get_text_config()
    context_length = getattr(config, "max_position_embeddings", None) or CONTEXT_LENGTH_UNSAID
    end = loaded.generation_config.eos_token_id
    ends = end if isinstance(end, list) else [] if end is None else [end]
    parameters = sum(tensor.numel() for tensor in loaded.parameters())
    return ModelFacts(
        name=name,
        parameters=parameters,
        vocabulary_size=vocabulary_size,
        context_length=context_length,
        width=config.hidden_size,
        end_tokens=frozenset(ends),
    )
