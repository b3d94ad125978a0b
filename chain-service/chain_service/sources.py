"""Where sealed blocks come from: a chain that answers, or a file that one was exported to."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx

from chain_service.client import ChainUnavailable, check_answer

TIMEOUT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
READ_BYTES = 1 << 18


def read_chain(url: str, from_height: int, follow: bool = False) -> Iterator[bytes]:
    """Yield the feed of a chain in pieces as they arrive; it ends at the head, or never."""
    timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
    options = {"from": from_height, "follow": follow}
    try:
        with (
            httpx.Client(base_url=url, timeout=timeout) as client,
            client.stream("GET", "/blocks/sealed", params=options) as response,
        ):
            if response.is_error:
                response.read()
                check_answer(response)
            yield from response.iter_raw(None if follow else READ_BYTES)
    except httpx.TransportError as error:
        raise ChainUnavailable(f"the chain at {url} does not answer ({error})") from None


def read_file(path: Path) -> Iterator[bytes]:
    """Yield the lines of an exported chain in pieces."""
    with gzip.open(path) as file:
        while piece := file.read(READ_BYTES):
            yield piece
