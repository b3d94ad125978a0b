"""Streams that break off or have no place left, and pages that are of one moment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict

import httpx
import orjson
import psycopg
import pytest
from psycopg import Connection
from starlette.types import Message
from starlette.websockets import WebSocket
from tests.chain_service.conftest import key

from chain_service import client, ledger_repository, operations, repository
from chain_service.async_client import AsyncChainClient
from chain_service.author import Author
from chain_service.client import ChainClient
from chain_service.domain.blocks import make_genesis
from chain_service.domain.parameters import choose_parameters
from chain_service.domain.values import Neuron
from chain_service.ledger_repository import try_to_lead
from chain_service.operations import Page
from chain_service.stream import BROKEN_OFF, send_messages

KEY, BOB = key("author"), key("Bob")
HEADER = make_genesis(choose_parameters("box", {"author": KEY.ss58_address}), 0).header


async def break_off() -> AsyncIterator[Page]:
    yield Page([("1", "{}")], 2)
    raise psycopg.OperationalError("the server closed the connection")


def test_a_socket_whose_pages_break_off_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        if not sent:
            return {"type": "websocket.connect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        async with asyncio.timeout(5):
            await send_messages(WebSocket({"type": "websocket"}, receive, send), break_off())

    asyncio.run(serve())
    assert [message["type"].partition(".")[2] for message in sent] == ["accept", "send", "close"]
    assert sent[-1]["code"] == BROKEN_OFF


def answer_third_time(asked: list[httpx.Request]) -> httpx.MockTransport:
    """Be full twice, then give one block."""
    full = {"error": {"code": "TooMany", "message": "500 programs read this stream already"}}
    header = {**asdict(HEADER), "block_hash": HEADER.block_hash}
    block = orjson.dumps({"header": header, "extrinsics": [], "events": []})

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) < 3:
            return httpx.Response(429, json=full)
        return httpx.Response(200, content=b"data: " + block + b"\n\n")

    return httpx.MockTransport(answer)


def test_a_stream_that_is_full_is_come_again_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_SECONDS_FIRST", 0.01)
    asked: list[httpx.Request] = []
    chain = ChainClient("http://chain")
    chain._http = httpx.Client(base_url="http://chain", transport=answer_third_time(asked))
    assert next(chain.blocks(0)).height == 0
    assert len(asked) == 3

    async def read() -> int:
        asked.clear()
        async with AsyncChainClient("http://chain") as chain:
            transport = answer_third_time(asked)
            chain._http = httpx.AsyncClient(base_url="http://chain", transport=transport)
            return (await anext(chain.blocks(0))).height

    assert asyncio.run(read()) == 0


@pytest.fixture
def connections(database: Callable[[str], str]) -> Iterator[tuple[Connection, Author]]:
    """One who reads, and an author's."""
    url = database("chain_service")
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as writer:
        assert try_to_lead(writer, 60)
        parameters = choose_parameters("box", {"author": KEY.ss58_address})
        yield reader, Author(writer, parameters, KEY)


def test_a_metagraph_is_told_under_its_own_height(
    connections: tuple[Connection, Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, author = connections

    def seal_meanwhile(conn: Connection, from_height: int) -> bool:
        author.seal_block()
        return True

    monkeypatch.setattr(repository, "has_network_changed", seal_meanwhile)
    page = operations.read_changed_metagraph(reader, 0)
    [(height, told)] = page.entries
    assert orjson.loads(told)["height"] == int(height) == page.next_height - 1


def test_a_neuron_and_its_weights_are_of_one_block(
    database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database("chain_service")
    neuron = Neuron(0, BOB.ss58_address, BOB.ss58_address, 0, 0)
    load = repository.load_row

    def set_meanwhile(conn: Connection, table: str, uid: int) -> list[tuple[int, int]]:
        with psycopg.connect(url) as writer:
            ledger_repository._save_rows(writer, "weights", {0: ((0, 1),)})
        return load(conn, table, uid)

    monkeypatch.setattr(repository, "load_row", set_meanwhile)
    with psycopg.connect(url) as conn:
        row = ledger_repository._write_neuron(neuron, bytes(32))
        conn.execute(ledger_repository.UPSERT_NEURONS, (orjson.dumps([row]).decode(),))
    with psycopg.connect(url) as conn:
        assert operations.read_neuron(conn, 0).weights == []
