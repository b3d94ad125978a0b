"""Bringing a model up: the reference on torch, and the fast writer where it is of use."""

from collections.abc import Sequence
from pathlib import Path

from server_service.conversion import NotConvertible, convert, find_folder
from server_service.engine import (
    Engine,
    TransformersEngine,
    choose_device,
    choose_dtype,
    load_engine,
)
from server_service.model import LANES_MAX
from server_service.quantizing import choose_compute_type
from server_service.settings import ServerSettings
from server_service.writing import FastWriter
from taonet.kit.logging import get_logger

ENGINES = ("auto", "torch", "ctranslate2")
COMPUTE_TYPES = ("auto", "float32", "int8", "bfloat16", "float16")

log = get_logger(__name__)


def load_engines(
    settings: ServerSettings, vocabulary_size: int
) -> tuple[Engine, FastWriter | None]:
    check_one_of("engine", settings.server_engine, ENGINES)
    check_one_of("compute type", settings.server_compute_type, COMPUTE_TYPES)
    device = choose_device(settings.server_device)
    dtype = choose_dtype(settings.server_dtype)
    engine = load_engine(
        settings.server_model, vocabulary_size, settings.server_threads, device, dtype
    )
    return engine, load_writer(settings, engine)


def load_writer(settings: ServerSettings, engine: TransformersEngine) -> FastWriter | None:
    """None where torch is to write, or where the model cannot be converted and that is allowed."""
    if settings.server_engine == "torch" or engine.device.type == "mps":
        return None
    try:
        source = find_folder(settings.server_model)
        folder = convert(source, Path(settings.server_cache_path))
        wanted = settings.server_compute_type
        if wanted == "auto":
            wanted = choose_compute_type(folder, source, Path(settings.corpus_path).expanduser())
        return FastWriter(
            folder,
            device=engine.device.type,
            compute_type=wanted,
            lanes=LANES_MAX,
            threads=settings.server_threads,
        )
    except (NotConvertible, OSError) as error:
        if settings.server_engine == "ctranslate2":
            raise ValueError(f"CTranslate2 cannot serve this model: {error}") from error
        log.warning("torch writes this model's texts, more slowly", reason=str(error))
        return None


def check_one_of(what: str, wanted: str, known: Sequence[str]) -> None:
    if wanted not in known:
        raise ValueError(f"{wanted!r} is no {what}; one of {', '.join(known)}")
