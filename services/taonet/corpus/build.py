"""Building a corpus: three files in a folder, complete or not there at all."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from taonet.corpus.domain.cutting import CHUNK_CHARACTERS, Chunk, Document
from taonet.corpus.domain.splitting import FRESH, HELDOUT_SHARE, SPLITS, Split, split_documents
from taonet.corpus.errors import CorpusError, CorpusMissing, NothingToRead
from taonet.corpus.manifest import (
    FORMAT,
    MANIFEST,
    FileEntry,
    Manifest,
    SourceEntry,
    load_manifest,
    verify_corpus,
)
from taonet.corpus.records import HubDataset, Records
from taonet.corpus.sources import Source, python_library

Progress = Callable[[str], None]
AnySource = Source | Records | HubDataset
HELDOUT_MODE = 0o600
"""Only whoever the Validators run as reads what is held out."""
DOCUMENTS_TOLD = 500
"""Documents between two reports of progress."""


def build_corpus(
    target: Path, sources: Sequence[AnySource] | None = None, progress: Progress | None = None
) -> Manifest:
    """Reads, cuts, splits and writes. Over the same text it only checks what is there.

    Whatever lies in the folder `fresh` of the corpus is held out besides.
    """
    tell = progress or (lambda sentence: None)
    wanted: list[AnySource] = [python_library()] if sources is None else list(sources)
    if (target / FRESH).is_dir():
        wanted.append(Source(FRESH, "", "unpublished", target / FRESH, patterns=("**/*",)))
    read = [(source, list(count_documents(source, tell))) for source in wanted]
    documents = [document for _, found in read for document in found]
    check_documents(documents, wanted)

    target.mkdir(parents=True, exist_ok=True)
    with alone_in(target):
        fingerprint = calculate_fingerprint(documents)
        if (standing := find_standing(target, fingerprint)) is not None:
            tell(f"{target}: already built from the same text")
            return standing
        tell(f"cutting {len(documents)} documents")
        chunks = split_documents(documents)
        entries = [describe_source(source, found) for source, found in read]
        manifest = write_corpus(target, chunks, entries, fingerprint)
    tell(f"{target}: {manifest.train.chunks} chunks to learn, {manifest.heldout.chunks} held out")
    return manifest


def count_documents(source: AnySource, tell: Progress) -> Iterator[Document]:
    for number, document in enumerate(source.documents()):
        if number and number % DOCUMENTS_TOLD == 0:
            tell(f"reading {source.name}: {number} documents")
        yield document


def find_or_build_corpus(target: Path, progress: Progress | None = None) -> Manifest:
    """The corpus that is there, whoever's it is; the default one where there is none."""
    try:
        return verify_corpus(target)
    except CorpusMissing:
        return build_corpus(target, progress=progress)


def check_documents(documents: Sequence[Document], sources: Sequence[AnySource]) -> None:
    if not documents:
        roots = ", ".join(source.place for source in sources) or "no source at all"
        raise NothingToRead(f"no text found in {roots}: check the path and the patterns")
    if len({document.name for document in documents}) != len(documents):
        raise CorpusError("two sources hold documents of one name: give each source its own name")


def calculate_fingerprint(documents: Iterable[Document]) -> str:
    """sha256 over the rules and over every document's name and text, in the order of names."""
    digest = hashlib.sha256(f"{FORMAT} {CHUNK_CHARACTERS} {HELDOUT_SHARE}\n".encode())
    for document in sorted(documents, key=lambda document: document.name):
        text_digest = hashlib.sha256(document.text.encode()).hexdigest()
        digest.update(f"{document.name}\0{text_digest}\n".encode())
    return digest.hexdigest()


def find_standing(target: Path, fingerprint: str) -> Manifest | None:
    """The manifest of a sound corpus made of the same text, if the folder holds one."""
    try:
        if load_manifest(target).fingerprint == fingerprint:
            return verify_corpus(target)
    except CorpusError:
        return None
    return None


def describe_source(source: AnySource, documents: Sequence[Document]) -> SourceEntry:
    characters = sum(len(document.text) for document in documents)
    return SourceEntry(source.name, source.version, source.licence, len(documents), characters)


def write_corpus(
    target: Path,
    chunks: dict[Split, list[Chunk]],
    sources: list[SourceEntry],
    fingerprint: str,
) -> Manifest:
    """The manifest goes first and comes back last: nobody reads files that it does not describe."""
    (target / MANIFEST).unlink(missing_ok=True)
    files = {split: write_chunks(target / f"{split}.jsonl", chunks[split]) for split in SPLITS}
    manifest = Manifest(
        format=FORMAT,
        fingerprint=fingerprint,
        chunk_characters=CHUNK_CHARACTERS,
        heldout_share=HELDOUT_SHARE,
        sources=sources,
        train=files["train"],
        heldout=files["heldout"],
    )
    write_whole(target / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    return manifest


def write_chunks(path: Path, chunks: Sequence[Chunk]) -> FileEntry:
    content = b"".join(orjson.dumps(chunk, option=orjson.OPT_APPEND_NEWLINE) for chunk in chunks)
    write_whole(path, content, HELDOUT_MODE if path.stem == "heldout" else None)
    documents = len({chunk.source for chunk in chunks})
    text_bytes = sum(len(chunk.text.encode()) for chunk in chunks)
    digest = hashlib.sha256(content).hexdigest()
    return FileEntry(documents, len(chunks), text_bytes, digest)


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """All of it or nothing: written beside, forced to the disk, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def alone_in(target: Path) -> Iterator[None]:
    """Several services may build at start; the later ones wait and find the work done."""
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
