"""Where text comes from: by default the standard library of the running Python."""

import platform
import sysconfig
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taonet.corpus.domain.cutting import Document
from taonet.corpus.errors import NothingToRead

DOCUMENT_BYTES = 4_000_000
"""A larger file is a data file, whatever its name says."""

NOT_THE_LIBRARY = frozenset({"site-packages", "dist-packages", "__pycache__", "__phello__"})
NOT_WORTH_READING = frozenset({"test", "tests", "idlelib", "lib2to3", "encodings", "pydoc_data"})
"""Tests, tables of characters, and programs whose text is mostly layout."""

BUILD_SETTINGS = ("_sysconfigdata", "config-")


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    """The first part of every document's name, so it takes part in the split: keep it stable."""
    version: str
    licence: str
    root: Path
    patterns: tuple[str, ...] = ("**/*.py", "**/*.md", "**/*.rst", "**/*.txt")
    left_out: frozenset[str] = frozenset()
    """Folders, at any depth, that are not entered."""

    @property
    def place(self) -> str:
        return str(self.root)

    def documents(self) -> Iterator[Document]:
        yield from read_documents(self)


def python_library() -> Source:
    """The source text of the running Python's standard library, documentation strings included."""
    return Source(
        name="python",
        version=platform.python_version(),
        licence="PSF-2.0",
        root=Path(sysconfig.get_path("stdlib")),
        patterns=("**/*.py",),
        left_out=NOT_THE_LIBRARY | NOT_WORTH_READING,
    )


def read_documents(source: Source) -> Iterator[Document]:
    """Every readable text of the source, by name; what is not UTF-8 text is passed over."""
    if not source.root.is_dir():
        raise NothingToRead(f"{source.root} is not a folder: name one that holds text files")
    paths = {path for pattern in source.patterns for path in source.root.glob(pattern)}
    for path in sorted(paths):
        relative = path.relative_to(source.root)
        if is_wanted(source, path, relative) and (text := read_text(path)) is not None:
            yield Document(f"{source.name}/{relative.as_posix()}", text)


def is_wanted(source: Source, path: Path, relative: Path) -> bool:
    """A plain file of sensible size outside the left-out folders.

    Folders and files of the interpreter's own build settings are about one machine: no text.
    """
    if source.left_out.intersection(relative.parts):
        return False
    if relative.as_posix().startswith(BUILD_SETTINGS):
        return False
    return path.is_file() and path.stat().st_size <= DOCUMENT_BYTES


def read_text(path: Path) -> str | None:
    """The text by the encoding that the file declares; None where it is not text."""
    try:
        if path.suffix == ".py":
            with tokenize.open(path) as file:
                return file.read()
        return path.read_text(encoding="utf-8")
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
