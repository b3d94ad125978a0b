"""Text in tables: JSON lines, Parquet, and Hugging Face data sets, read row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from taonet.corpus.domain.cutting import Document
from taonet.corpus.errors import CorpusError, NothingToRead

PARQUET_ROWS = 1024
"""Rows held at once."""
RECORDS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Records:
    """A file of rows, `.jsonl` or `.parquet`, with the text in one column."""

    name: str
    """The first part of every document's name, so it takes part in the split: keep it stable."""
    version: str
    licence: str
    path: Path
    column: str = "text"

    @property
    def place(self) -> str:
        return str(self.path)

    def documents(self) -> Iterator[Document]:
        rows = read_parquet(self.path) if self.path.suffix == ".parquet" else read_lines(self.path)
        yield from name_rows(self.name, rows, self.column, self.place)


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set of the Hugging Face hub, streamed: only what is taken is downloaded."""

    name: str
    version: str
    """A revision: a branch, a tag or a commit."""
    licence: str
    repository: str
    """`owner/name`, or a folder with data files."""
    limit: int
    """Rows to take."""
    configuration: str | None = None
    split: str = "train"
    column: str = "text"

    @property
    def place(self) -> str:
        return self.repository

    def documents(self) -> Iterator[Document]:
        yield from name_rows(self.name, islice(self.rows(), self.limit), self.column, self.place)

    def rows(self) -> Iterator[dict[str, Any]]:
        try:
            from datasets import load_dataset
        except ImportError:
            raise CorpusError("data sets need the package: pip install 'taonet[corpus]'") from None
        try:
            yield from load_dataset(
                self.repository,
                self.configuration,
                split=self.split,
                streaming=True,
                revision=self.version or None,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CorpusError(f"the data set {self.repository} cannot be read: {error}") from error


def read_lines(path: Path) -> Iterator[Any]:
    """The JSON value of each line; a blank line is passed over."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield parse_line(path, number, line)
    except OSError as error:
        raise NothingToRead(f"{path} cannot be read: {error}") from error


def parse_line(path: Path, number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CorpusError(f"{path}, line {number}: not JSON ({error})") from error


def read_parquet(path: Path) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise CorpusError("Parquet needs the package: pip install 'taonet[corpus]'") from None
    try:
        for batch in parquet.ParquetFile(path).iter_batches(PARQUET_ROWS):
            yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise CorpusError(f"{path} is no Parquet file that can be read: {error}") from error


def name_rows(name: str, rows: Iterator[Any], column: str, place: str) -> Iterator[Document]:
    """A document for each row, named by its number."""
    for number, row in enumerate(islice(rows, RECORDS_MAX)):
        text = row.get(column) if isinstance(row, dict) else None
        if not isinstance(text, str):
            raise CorpusError(f"{place}: row {number} has no text in the column {column!r}")
        yield Document(f"{name}/{number:07}", text)
