"""Bringing a causal language model into memory: safetensors only, and whole."""

import gc
from pathlib import Path
from typing import Any

import torch
import transformers

from server_service.engine import ModelFacts
from server_service.graphs import quicken
from server_service.reference import TransformersEngine
from server_service.tokenizer import ModelUnreadable

CPU = torch.device("cpu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PROMPTS_AT_ONCE = 32
"""Read in one pass by a card, to which a row more costs little; by a processor each alone, so that
the first need not wait for the last."""
CONTEXT_LENGTH_UNSAID = 1024
"""For models whose configuration names no longest text."""


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
    try:
        loaded.to(device).eval().requires_grad_(False)
    except torch.OutOfMemoryError as error:
        raise ModelUnreadable(f"{model}: it does not fit the memory of {device}") from error
    gc.collect()
    facts = read_facts(folder.name, loaded, vocabulary_size)
    at_once = 1 if device.type == "cpu" else PROMPTS_AT_ONCE
    engine = TransformersEngine(loaded, facts, prefix_bytes, at_once)
    if device.type == "cuda":
        quicken(engine)
    return engine


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
