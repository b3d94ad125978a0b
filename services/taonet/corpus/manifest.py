"""What a finished corpus says about itself, and how it is read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from taonet.corpus.domain.cutting import Chunk
from taonet.corpus.domain.splitting import SPLITS, Split, normalised_digest
from taonet.corpus.errors import CorpusDamaged, CorpusMissing

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class SourceEntry:
    name: str
    version: str
    licence: str
    documents: int
    characters: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    documents: int
    chunks: int
    text_bytes: int
    """Of the texts alone, in UTF-8."""
    sha256: str
    """Of the file as it lies on the disk."""


@dataclass(frozen=True, slots=True)
class Manifest:
    format: int
    fingerprint: str
    """sha256 over the rules, the names and the texts: equal for equal input."""
    chunk_characters: int
    heldout_share: float
    sources: list[SourceEntry]
    train: FileEntry
    heldout: FileEntry


def load_manifest(folder: Path) -> Manifest:
    try:
        raw = orjson.loads((folder / MANIFEST).read_bytes())
        return parse_manifest(raw)
    except FileNotFoundError:
        raise CorpusMissing(
            f"{folder} holds no corpus: build one with `taonet corpus build`"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise CorpusDamaged(
            f"{folder / MANIFEST} cannot be read ({error}): build it again"
        ) from error


def parse_manifest(raw: dict[str, Any]) -> Manifest:
    if raw["format"] != FORMAT:
        raise ValueError(f"format {raw['format']}, this program reads {FORMAT}")
    parsed: dict[str, Any] = {split: FileEntry(**raw[split]) for split in SPLITS}
    parsed["sources"] = [SourceEntry(**source) for source in raw["sources"]]
    return Manifest(**{**raw, **parsed})


def read_chunks(folder: Path, split: Split) -> Iterator[Chunk]:
    """The chunks of one side, as they were written. Refuses a folder without a manifest."""
    load_manifest(folder)
    return parse_chunks(folder / f"{split}.jsonl")


def parse_chunks(path: Path) -> Iterator[Chunk]:
    try:
        with path.open("rb") as file:
            for line in file:
                yield Chunk(**orjson.loads(line))
    except (OSError, ValueError, TypeError) as error:
        raise CorpusDamaged(f"{path} cannot be read ({error}): build the corpus again") from error


def verify_corpus(folder: Path) -> Manifest:
    """Refuses unless both files are byte for byte those that the manifest describes."""
    manifest = load_manifest(folder)
    for split in SPLITS:
        path = folder / f"{split}.jsonl"
        entry: FileEntry = getattr(manifest, split)
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise CorpusDamaged(f"{path} cannot be read ({error}): build it again") from error
        if digest != entry.sha256:
            raise CorpusDamaged(f"{path} is not the file that was written: build the corpus again")
    return manifest


def find_shared_texts(folder: Path) -> list[str]:
    """The ids of training chunks whose normalised text is held out too: there must be none."""
    heldout = {normalised_digest(chunk.text) for chunk in read_chunks(folder, "heldout")}
    chunks = read_chunks(folder, "train")
    return [chunk.id for chunk in chunks if normalised_digest(chunk.text) in heldout]
