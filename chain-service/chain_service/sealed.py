"""
Sealed blocks: how a block travels to those who execute it again, and the checks of its signatures.

A sealed block is a line of JSON: header and signed extrinsics, and in block 0 the parameters. What
became of an extrinsic is not told: who replays finds out. Checking signatures takes most of a
replay's time and needs no state, so worker processes do it ahead of the execution. Up to a block
whose hash we trust it is left out (decisions/0064): that hash stands for all that led to it.
"""

import multiprocessing
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import FailFast, TypeAdapter, ValidationError

from chain_service.domain.blocks import Order
from chain_service.domain.headers import SEALED_FIELDS, Header
from chain_service.orders import SignedOrder, read_order, read_transfer, verify
from chain_service.schemas import Extrinsic
from chain_service.schemas import Header as ToldHeader
from taonet.kit.errors import Malformed, Refusal
from taonet.kit.keys import check_signature

CHUNK_BYTES = 200_000
"""What a worker takes at once: some hundreds of extrinsics, or blocks."""
WORKERS = 2
"""Processes that check signatures ahead of a long replay."""
AHEAD_BYTES = 16_000_000
"""What is checked ahead of the execution: so that workers have enough while a batch is written."""
LINE_BYTES_MAX = 256_000_000
HASH = re.compile(r"[0-9a-f]{64}")
HEADER_FIELDS = (*SEALED_FIELDS, "signature")
EXTRINSICS = TypeAdapter(Annotated[list[Extrinsic], FailFast()])
"""Validates all of a block together: one by one takes a third more."""


class BadBlock(Refusal):
    """A sealed block that can't be read, or that holds a wrong signature."""


class TrustedBlock(NamedTuple):
    """A block somebody we trust vouches for: the signatures up to it need no check of ours."""

    height: int
    block_hash: str


NONE_TRUSTED = TrustedBlock(-1, "")


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block whose signatures are right; whether its roots are, execution tells."""

    header: Header
    orders: list[Order]
    bodies: list[str]
    """The extrinsics as they travelled: JSON, for those who hand them on."""
    genesis_hashes: set[str]
    """The chains that its extrinsics were signed for: must be one, and this one."""
    parameters: dict[str, Any] | None
    """Of block 0 only."""


Plain = tuple[tuple[Any, ...], list[tuple[Any, ...]], *tuple[Any, ...]]
"""A sealed block as it crosses processes: tuples are pickled in a tenth of the time."""


def read_trusted(text: str) -> TrustedBlock:
    """Return the trusted block written as `HEIGHT:HASH`; of an empty text, none."""
    if not text:
        return NONE_TRUSTED
    height, _, block_hash = text.partition(":")
    if not (height.isdecimal() and HASH.fullmatch(block_hash)):
        raise Malformed(f"{text[:80]!r} is no trusted block; write HEIGHT:HASH, as of a /head")
    return TrustedBlock(int(height), block_hash)


def check_chunks(
    chunks: Iterable[bytes], workers: int, trusted: TrustedBlock = NONE_TRUSTED
) -> Iterator[SealedBlock]:
    """
    Yield the blocks of chunks of whole lines, in order, as soon as their signatures are checked.

    A wrong one raises BadBlock once all before it are out. Without workers it is done right here.
    """
    check = partial(_check_chunk, trusted)
    if workers == 0:
        for chunk in chunks:
            yield from map(_revive, check(chunk))
        return
    # A fork has all that is imported, and begins in milliseconds. The caller may have threads (a
    # follower's metrics, its heart, a progress bar): a check logs, counts and prints nothing, so
    # that it waits for no lock which one of them held at the fork.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        ahead: deque[tuple[int, Future[list[Plain | BadBlock]]]] = deque()
        waiting = 0
        for chunk in chunks:
            ahead.append((len(chunk), pool.submit(check, chunk)))
            waiting += len(chunk)
            while waiting > AHEAD_BYTES and len(ahead) > workers:
                length, checked = ahead.popleft()
                waiting -= length
                yield from map(_revive, checked.result())
        for _, checked in ahead:
            yield from map(_revive, checked.result())


def cut_chunks(parts: Iterable[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Join pieces of a stream into chunks of whole lines, each of about so many bytes."""
    waiting: list[bytes] = []
    length = 0
    for part in parts:
        if length > LINE_BYTES_MAX:
            raise BadBlock(f"a block has more than {LINE_BYTES_MAX} bytes")
        head, newline, tail = part.rpartition(b"\n")
        waiting.append(head + newline if newline else tail)
        length += len(part)
        if newline and length >= size:
            yield b"".join(waiting)
            waiting, length = [], 0
        if newline and tail:
            waiting.append(tail)
    if length:
        yield b"".join(waiting)


def _check_chunk(trusted: TrustedBlock, chunk: bytes) -> list[Plain | BadBlock]:
    """Check each line; the first bad one ends the list."""
    checked: list[Plain | BadBlock] = []
    for line in chunk.splitlines():
        if not line:
            continue
        try:
            checked.append(_check_line(trusted, line))
        except BadBlock as refusal:
            checked.append(refusal)
            break
    return checked


def _check_line(trusted: TrustedBlock, line: bytes) -> Plain:
    height = None
    try:
        told = orjson.loads(line)
        told["header"]["block_hash"] = ""
        header = Header(**ToldHeader(**told["header"]).model_dump(exclude={"block_hash"}))
        height = header.height
        check_signature(header.author, bytes.fromhex(header.block_hash), header.signature)
        if height == trusted.height and header.block_hash != trusted.block_hash:
            raise BadBlock(f"its hash is {header.block_hash}, trusted was {trusted.block_hash}")
        signed = _read_extrinsics(told["extrinsics"], height > trusted.height)
    except (Refusal, ValidationError, ValueError, TypeError, LookupError, AttributeError) as error:
        named = "a line" if height is None else f"block {height}"
        raise BadBlock(f"{named} is not as it was signed: {error}") from None
    values = tuple(getattr(header, name) for name in HEADER_FIELDS)
    orders: list[tuple[Any, ...]] = [tuple(entry.order) for entry in signed]
    bodies = [entry.body for entry in signed]
    return values, orders, bodies, {entry.genesis_hash for entry in signed}, told.get("parameters")


def _read_extrinsics(items: Any, with_signatures: bool) -> list[SignedOrder]:
    """Read plain transfers by hand and all others as the schema has them; check who signed."""
    plain = [read_transfer(item) for item in items] if isinstance(items, list) else []
    rest = (
        [item for item, read in zip(items, plain, strict=True) if read is None] if plain else items
    )
    try:
        others = iter(EXTRINSICS.validate_python(rest))
    except ValidationError:
        # Once more, as a whole: so the error tells which of them it is.
        EXTRINSICS.validate_python(items)
        raise
    signed = []
    for item, found in zip(items, plain, strict=True):
        read = read_order(next(others)) if found is None else found
        if with_signatures:
            verify(read, item["signature"])
        signed.append(read)
    return signed


def _revive(found: Plain | BadBlock) -> SealedBlock:
    if isinstance(found, BadBlock):
        raise found
    header, orders, *rest = found
    return SealedBlock(Header(*header), [Order._make(order) for order in orders], *rest)
