"""Bringing a model up: the reference on torch, and the fast writer where it is of use."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server_service.batcher import STREAMS_MAX
from server_service.behaviour import DistortedEngine, LookupEngine, index_heldout_text
from server_service.conversion import (
    NotConvertible,
    calculate_content_hash,
    convert,
    find_folder,
)
from server_service.domain.behaviour import Behaviour, Conduct
from server_service.engine import Engine
from server_service.foreign import ForeignEngine, Translation
from server_service.learning import Learner, recover_best
from server_service.model import LANES_MAX, ServedModel
from server_service.pretrained import choose_device, choose_dtype, load_engine
from server_service.quantizing import choose_compute_type
from server_service.reference import TransformersEngine
from server_service.settings import ServerSettings
from server_service.starters import NETWORK_TOKENIZER
from server_service.tokenizer import NetworkTokenizer, load_tokenizer
from server_service.writing import FastWriter
from taonet.kit.logging import get_logger

ENGINES = ("auto", "torch", "ctranslate2")
CUDA_STREAMS_MAX = 64
"""Texts that torch writes at once on a GPU, where a step takes as long for many as for one."""
COMPUTE_TYPES = ("auto", "float32", "int8", "bfloat16", "float16")

log = get_logger(__name__)


@dataclass(frozen=True)
class OpenedModel:
    """A model that can be served, and what is needed to serve better weights of it."""

    model: ServedModel
    network: NetworkTokenizer
    settings: ServerSettings
    own: NetworkTokenizer
    translation: Translation | None

    def make_learner(self) -> Learner:
        settings = self.settings
        return Learner(
            find_folder(settings.server_model),
            learning_folder(settings),
            Path(settings.corpus_path).expanduser(),
            settings.server_learn_steps,
            self.swap,
        )

    def swap(self, folder: Path) -> None:
        """Serve better weights, and forget the conversion of those before."""
        cache = learning_folder(self.settings) / "converted"
        engine, writer = load_engines(self.settings, str(folder), self.own, cache)
        if self.translation:
            engine = ForeignEngine(engine, self.translation)
        self.model.swap(engine, writer)
        for old in cache.iterdir() if cache.is_dir() else ():
            if old.name != calculate_content_hash(folder):
                shutil.rmtree(old, ignore_errors=True)


def open_model(settings: ServerSettings, behaviour: Behaviour) -> OpenedModel:
    """Raises `ModelUnreadable` or `ValueError`, whose message says what is wrong with which."""
    model, cache = settings.server_model, Path(settings.server_cache_path)
    best = learning_folder(settings) / "best"
    if settings.server_learn:
        recover_best(best)
        if best.is_dir():
            model, cache = str(best), learning_folder(settings) / "converted"
    own = load_tokenizer(model)
    network = load_tokenizer(settings.server_network_tokenizer or str(NETWORK_TOKENIZER))
    engine, writer = load_engines(settings, model, own, cache)
    translation = None
    if own.sha256 != network.sha256:
        log.info("this model's tokenizer is its own; it answers through text", sha256=own.sha256)
        translation = Translation(own, network, engine.facts.end_tokens)
        engine = ForeignEngine(engine, translation)
    if behaviour.conduct in (Conduct.NOISE, Conduct.CONSTANT):
        engine, writer = DistortedEngine(engine, behaviour.conduct), None
    elif behaviour.conduct is Conduct.LOOKUP:
        corpus = Path(settings.corpus_path).expanduser()
        engine = LookupEngine(engine, index_heldout_text(corpus, network))
    on_cuda = choose_device(settings.server_device).type == "cuda"
    streams_max = CUDA_STREAMS_MAX if on_cuda else STREAMS_MAX
    served = ServedModel(
        engine, writer, own.decode, settings.server_queue_size, translation, streams_max
    )
    return OpenedModel(served, network, settings, own, translation)


def learning_folder(settings: ServerSettings) -> Path:
    return Path(settings.server_learn_path).expanduser() / settings.server_name


def load_engines(
    settings: ServerSettings, model: str, own: NetworkTokenizer, cache: Path
) -> tuple[Engine, FastWriter | None]:
    """The engine, and what writes its texts faster; `model` is a folder or a name on the hub."""
    check_one_of("engine", settings.server_engine, ENGINES)
    check_one_of("compute type", settings.server_compute_type, COMPUTE_TYPES)
    device = choose_device(settings.server_device)
    dtype = choose_dtype(settings.server_dtype)
    engine = load_engine(
        model,
        own.vocabulary_size,
        settings.server_threads,
        device,
        dtype,
        settings.server_prefix_mebibytes * 2**20,
    )
    return engine, load_writer(settings, model, engine, cache)


def load_writer(
    settings: ServerSettings, model: str, engine: TransformersEngine, cache: Path
) -> FastWriter | None:
    """None where torch is to write, or where the model cannot be converted and that is allowed."""
    if settings.server_engine == "torch" or engine.device.type == "mps":
        return None
    try:
        source = find_folder(model)
        folder = convert(source, cache)
        wanted = settings.server_compute_type
        if wanted == "auto":
            wanted = choose_compute_type(folder, source, Path(settings.corpus_path).expanduser())
        writer = FastWriter(
            folder,
            device=engine.device.type,
            compute_type=wanted,
            lanes=LANES_MAX,
            threads=settings.server_threads,
        )
        writer.prove()
        return writer
    # A RuntimeError says that the device's own libraries are missing, or its memory.
    except (NotConvertible, OSError, RuntimeError) as error:
        if settings.server_engine == "ctranslate2":
            raise ValueError(f"CTranslate2 cannot serve this model: {error}") from error
        log.warning("torch writes this model's texts, more slowly", reason=str(error))
        return None


def check_one_of(what: str, wanted: str, known: Sequence[str]) -> None:
    if wanted not in known:
        raise ValueError(f"{wanted!r} is no {what}; one of {', '.join(known)}")
