"""From a model in safetensors to the form that CTranslate2 computes with: once, then kept.

The folder is named by a hash of the weights, the configuration and the library's version, and
appears whole or not at all: several Servers of one machine may convert at the same time.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ctranslate2
from ctranslate2.converters import TransformersConverter
from huggingface_hub import snapshot_download

from server_service.tokenizer import FILE as TOKENIZER
from taonet.kit.logging import get_logger

WEIGHTS = "*.safetensors"
CONFIGURATION = ("config.json", "generation_config.json", TOKENIZER)
PIECE_BYTES = 2**20

log = get_logger(__name__)


class NotConvertible(Exception):
    """CTranslate2 has no place for this model's architecture; torch serves it."""


def find_folder(model: str) -> Path:
    """Where a model's files lie: a folder, or what the hub's name was fetched to."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    return Path(snapshot_download(model, allow_patterns=[WEIGHTS, "*.json"]))


def convert(folder: Path, cache: Path) -> Path:
    """The converted model's folder, in float32; made where the cache does not hold it yet."""
    target = cache.expanduser() / calculate_content_hash(folder)
    if is_made(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        TransformersConverter(str(folder)).convert(str(partial / "model"))
        name_special_tokens(partial / "model")
        put_in_place(partial / "model", target)
    # The converter's own errors are ValueErrors and KeyErrors, of what its loaders meet.
    except (ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise NotConvertible(f"{folder.name}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.info("converted for CTranslate2", model=folder.name, folder=str(target))
    return target


def is_made(target: Path) -> bool:
    return target.is_dir()


def name_special_tokens(folder: Path) -> None:
    """The library wants a name for each, though nothing here uses them."""
    path = folder / "config.json"
    settings = json.loads(path.read_bytes())
    any_token = json.loads((folder / "vocabulary.json").read_bytes())[0]
    named = {key: any_token if value is None else value for key, value in settings.items()}
    path.write_text(json.dumps(named))


def put_in_place(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, with the same bytes
            raise


def calculate_content_hash(folder: Path) -> str:
    """sha256 over name, size and bytes of what a conversion follows from."""
    digest = hashlib.sha256(f"ctranslate2 {ctranslate2.__version__}".encode())
    for path in find_sources(folder):
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    return digest.hexdigest()


def find_sources(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob(WEIGHTS))
    yield from (path for name in CONFIGURATION if os.path.isfile(path := folder / name))
