"""Cutting documents into chunks that are named by what they hold."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    """The source's name and the path in it, `python/json/decoder.py`. It decides the split."""
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    id: str
    """sha256 of the text in UTF-8, lower-case hex."""
    source: str
    """The name of the document that the text was cut from."""
    text: str


def cut_document(document: Document, limit: int = CHUNK_CHARACTERS) -> Iterator[Chunk]:
    """The chunks of a document in reading order; those without a visible character are left out."""
    for text in cut_text(document.text, limit):
        if text.strip():
            yield Chunk(calculate_chunk_id(text), document.name, text)


def cut_text(text: str, limit: int = CHUNK_CHARACTERS) -> Iterator[str]:
    """Pieces of at most `limit` characters, cut at line ends; only a longer line is cut within.

    The pieces joined are the text again.
    """
    piece = ""
    for line in text.splitlines(keepends=True):
        if piece and len(piece) + len(line) > limit:
            yield piece
            piece = ""
        while len(line) > limit:
            yield line[:limit]
            line = line[limit:]
        piece += line
    if piece:
        yield piece


def calculate_chunk_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
