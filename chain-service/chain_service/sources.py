"""Where sealed blocks come from: a chain that answers, or a file that one was exported to."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from chain_service.client import ChainUnavailable
from chain_service.client_answers import check_answer
from chain_service.sealed import cut_chunks
from taonet.kit.errors import Malformed

TIMEOUT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
READ_BYTES = 1 << 18
COMPRESSION = 3


def read_chain(url: str, from_height: int, follow: bool = False) -> Iterator[bytes]:
    """Yield the feed of a chain in pieces as they arrive; it ends at the head, or never."""
    options = {"from": from_height, "follow": follow}
    return _read(url, "/blocks/sealed", options, None if follow else READ_BYTES)


def read_chain_snapshot(url: str) -> Iterator[bytes]:
    """Yield a chain's whole state in pieces."""
    return _read(url, "/snapshot", {}, READ_BYTES)


def read_file(path: Path) -> Iterator[bytes]:
    """Yield an exported file in pieces; one that was cut off is refused at its end."""
    try:
        with gzip.open(path) as file:
            while piece := file.read(READ_BYTES):
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed(f"{path} can't be read as an export of a chain: {error}") from None


def write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write pieces to a compressed file, which appears under its name once it is whole."""
    part = path.with_name(f"{path.name}.part")
    with gzip.open(part, "wb", COMPRESSION) as file:
        for piece in pieces:
            file.write(piece)
    part.replace(path)


def split_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in cut_chunks(pieces):
        yield from chunk.splitlines()


def _read(url: str, path: str, options: dict[str, Any], piece_bytes: int | None) -> Iterator[bytes]:
    timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
    try:
        with (
            httpx.Client(base_url=url, timeout=timeout) as client,
            client.stream("GET", path, params=options) as response,
        ):
            if response.is_error:
                response.read()
                check_answer(response)
            yield from response.iter_raw(piece_bytes)
    except httpx.TransportError as error:
        raise ChainUnavailable(f"the chain at {url} does not answer ({error})") from None
