"""
What comes, as it comes: blocks, events and the metagraph, as server-sent events and by WebSocket.

Both give what there is from a height on, then each new one, without gap or repeat. Who was cut off
asks again from what it saw last; a browser's EventSource does so by itself (`Last-Event-ID`).
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from psycopg import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from chain_service import feed_repository, operations
from chain_service.feed import MEDIA_TYPE, read_feed
from chain_service.operations import EventFilter, Page
from chain_service.schemas import Address
from chain_service.stream import BlockWatch, follow, send_events, send_messages
from taonet.kit.db import begin
from taonet.kit.errors import Malformed, Refusal

SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
NAME = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,9}))?")
"""How an entry is named: a height, or a height and an event's index."""

live_router = APIRouter(tags=["chain, live"])

HEIGHT_MAX = 2**53 - 1

FromHeight = Annotated[int, Query(alias="from", ge=0, le=HEIGHT_MAX)]
FromIndex = Annotated[int, Query(ge=0, le=2**31 - 1)]
LastSeen = Annotated[str | None, Header(alias="last-event-id")]


def choose_events(
    kind: Annotated[list[str] | None, Query(max_length=20)] = None,
    account: Annotated[Address | None, Query()] = None,
) -> EventFilter:
    """Read which events are asked for: `?kind=Transferred&kind=Paid&account=5…`."""
    return EventFilter(kind or [], account)


Wanted = Annotated[EventFilter, Depends(choose_events)]


@live_router.get("/blocks/stream", response_class=StreamingResponse)
def get_block_stream(
    asked: HTTPConnection, from_height: FromHeight = 0, last_seen: LastSeen = None
) -> StreamingResponse:
    """Every block from a height on, then each new one as it is sealed."""
    start, _ = resume(last_seen, from_height, 0)
    return stream(follow_blocks(asked, start), "block")


@live_router.get("/blocks/sealed", response_class=StreamingResponse)
def get_sealed_blocks(
    asked: HTTPConnection, from_height: FromHeight = 0, follow: bool = False
) -> StreamingResponse:
    """Signed headers and extrinsics, a line of JSON each: all it takes to execute the chain again.

    It ends at the head; with `follow` it goes on with each new block.
    """
    watch: BlockWatch = asked.app.state.watch
    watch.check_room()
    pool = asked.app.state.pool

    def load(height: int) -> list[str]:
        with begin(pool) as conn:
            return feed_repository.load_sealed(conn, height)

    with begin(pool) as conn:
        operations.check_kept(conn, from_height)
    return StreamingResponse(read_feed(watch, load, from_height, follow), media_type=MEDIA_TYPE)


@live_router.websocket("/blocks/ws")
async def send_blocks(socket: WebSocket, from_height: FromHeight = 0) -> None:
    """As `/blocks/stream`, a message for each block."""
    await send_pages(socket, lambda: follow_blocks(socket, from_height))


@live_router.get("/events/stream", response_class=StreamingResponse)
def get_event_stream(
    asked: HTTPConnection,
    wanted: Wanted,
    from_height: FromHeight = 0,
    index: FromIndex = 0,
    last_seen: LastSeen = None,
) -> StreamingResponse:
    """Every event of the wanted kinds and account, from a block and an index in it on."""
    return stream(follow_events(asked, wanted, *resume(last_seen, from_height, index)), "event")


@live_router.websocket("/events/ws")
async def send_events_by_socket(
    socket: WebSocket, wanted: Wanted, from_height: FromHeight = 0, index: FromIndex = 0
) -> None:
    """As `/events/stream`, a message for each event."""
    await send_pages(socket, lambda: follow_events(socket, wanted, from_height, index))


@live_router.get("/metagraph/stream", response_class=StreamingResponse)
def get_metagraph_stream(
    asked: HTTPConnection, from_height: FromHeight = 0, last_seen: LastSeen = None
) -> StreamingResponse:
    """The metagraph, if a neuron changed since a block; then after each block that changes one."""
    start, _ = resume(last_seen, from_height, 0)
    return stream(follow_metagraph(asked, start), "metagraph")


@live_router.websocket("/metagraph/ws")
async def send_metagraphs(socket: WebSocket, from_height: FromHeight = 0) -> None:
    """As `/metagraph/stream`, a message for each."""
    await send_pages(socket, lambda: follow_metagraph(socket, from_height))


def follow_blocks(asked: HTTPConnection, start: int) -> AsyncIterator[Page]:
    return follow_pages(
        asked,
        start,
        lambda conn, height: operations.read_blocks(conn, height, operations.BLOCKS_PER_PAGE),
    )


def follow_events(
    asked: HTTPConnection, wanted: EventFilter, start: int, index: int
) -> AsyncIterator[Page]:
    def read(conn: Connection, height: int) -> Page:
        return operations.read_events(conn, wanted, height, index if height == start else 0)

    return follow_pages(asked, start, read)


def follow_metagraph(asked: HTTPConnection, start: int) -> AsyncIterator[Page]:
    return follow_pages(asked, start, operations.read_changed_metagraph, before_start=None)


def follow_pages(
    asked: HTTPConnection,
    start: int,
    read: Callable[[Connection, int], Page],
    before_start: Callable[[Connection, int], None] | None = operations.check_kept,
) -> AsyncIterator[Page]:
    """Return pages for ever; refuses at once what can never be told."""
    watch: BlockWatch = asked.app.state.watch
    watch.check_room()
    pool = asked.app.state.pool

    def load(height: int) -> Page:
        with begin(pool) as conn:
            return read(conn, height)

    if before_start is not None:
        with begin(pool) as conn:
            before_start(conn, start)
    return follow(watch, load, start)


async def send_pages(socket: WebSocket, open_pages: Callable[[], AsyncIterator[Page]]) -> None:
    """Serve a WebSocket, or refuse it before it is one, in the words of every other refusal."""
    try:
        pages = await run_in_threadpool(open_pages)
    except Refusal as refusal:
        answer = JSONResponse(refusal.as_json(), status_code=refusal.status)
        await socket.send_denial_response(answer)
        return
    await send_messages(socket, pages)


def stream(pages: AsyncIterator[Page], kind: str) -> StreamingResponse:
    return StreamingResponse(
        send_events(pages, kind), media_type="text/event-stream", headers=SSE_HEADERS
    )


def resume(last_seen: str | None, from_height: int, index: int) -> tuple[int, int]:
    """Return the block and the index to go on from, after what was seen last."""
    if last_seen is None:
        return from_height, index
    name = NAME.fullmatch(last_seen)
    if name is None:
        raise Malformed("Last-Event-ID is not one that this stream gave")
    if name[2] is None:
        return int(name[1]) + 1, 0
    return int(name[1]), int(name[2]) + 1
