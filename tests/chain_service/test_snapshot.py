"""Snapshots: who reads one holds up nobody else, and a hostile one is refused in a sentence."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import httpx
import psycopg
import pytest
from starlette.types import Message
from tests.chain_service.conftest import RunningChain, key

from chain_service import snapshot_places
from chain_service.author import Author
from chain_service.client import ChainRefusal
from chain_service.domain.parameters import choose_parameters
from chain_service.domain.values import Neuron
from chain_service.ledger_repository import try_to_lead
from chain_service.replay import STOPS
from chain_service.snapshot import read_snapshot, tell_snapshot
from chain_service.snapshot_places import SNAPSHOTS_MAX, TimelyResponse
from chain_service.sources import read_chain_snapshot
from taonet.kit.db import POOL_SIZE_MAX

KEY, BOB = key("author"), key("Bob")
MANY_ACCOUNTS = 300_000
"""Their lines are more than the sockets of a reader who reads nothing take up."""
COUNTERS: tuple[tuple[str, Any], ...] = (
    *(("recent_hashes", []), ("recent_hashes", [7]), ("free_rao", None)),
    *(("neuron_count", 1), ("neuron_count", 10**15), ("neuron_count", "1")),
)
LINES: tuple[Any, ...] = (
    "text",
    7,
    None,
    [],
    ["x", "1", 0],
    {"uid": 0},
    {"weights": 1, "bonds": []},
)
NO_ROWS: dict[str, Any] = {"weights": [], "bonds": []}


def test_readers_who_stop_reading_hold_up_nobody(chain: RunningChain) -> None:
    with psycopg.connect(chain.database_url) as conn:
        conn.execute(
            "INSERT INTO account (address, free_rao, nonce, slot) "
            "SELECT 'nobody' || n, 0, 0, 1000 + n FROM generate_series(1, %s) AS n",
            (MANY_ACCOUNTS,),
        )
    with contextlib.ExitStack() as readers:
        answers = [
            readers.enter_context(httpx.stream("GET", f"{chain.url}/snapshot", timeout=20))
            for _ in range(POOL_SIZE_MAX)
        ]
        assert chain.height() > 0
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200] * SNAPSHOTS_MAX + [429] * (POOL_SIZE_MAX - SNAPSHOTS_MAX)
        with pytest.raises(ChainRefusal, match="come again in a minute"):
            next(read_chain_snapshot(chain.url))


def test_who_left_or_read_all_gives_the_place_to_the_next(chain: RunningChain) -> None:
    for _ in range(3 * SNAPSHOTS_MAX):
        with httpx.stream("GET", f"{chain.url}/snapshot", timeout=20) as answer:
            assert answer.status_code == 200
            answer.read()


def test_a_stalled_reader_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_places, "STALL_SECONDS", 0.05)

    async def stall(message: Message) -> None:
        await asyncio.Event().wait()

    async def wait_for_end() -> None:
        async with asyncio.timeout(5):
            await TimelyResponse(iter([b"line\n"])).stream_response(stall)

    asyncio.run(wait_for_end())


@pytest.fixture
def lines(database: Callable[[str], str]) -> Iterator[list[Any]]:
    """A snapshot of a chain of one block."""
    with psycopg.connect(database("chain_service"), autocommit=True) as conn:
        assert try_to_lead(conn, 60)
        parameters = choose_parameters("box", {"author": KEY.ss58_address})
        Author(conn, parameters, KEY).seal_block()
        with conn.transaction():
            yield [json.loads(line) for line in tell_snapshot(conn)]


def test_hostile_snapshots_are_refused_in_a_sentence(lines: list[Any]) -> None:
    def read(told: list[Any]) -> None:
        read_snapshot(json.dumps(line).encode() for line in told)

    read(lines)
    first = lines[0]
    counters = first["counters"]
    hostile: list[list[Any]] = [
        *([{**first, "counters": {**counters, name: value}}] for name, value in COUNTERS),
        *([*lines, line] for line in LINES),
        *([], [7], [[]], [{**first, "header": {**first["header"], "height": "1"}}]),
    ]
    for told in hostile:
        with pytest.raises(STOPS):
            read(told)


def test_a_neuron_that_no_root_stands_for_is_refused(lines: list[Any]) -> None:
    extra = asdict(Neuron(1, BOB.ss58_address, BOB.ss58_address, 0, 0))
    with pytest.raises(STOPS, match="number of neurons"):
        read_snapshot(json.dumps(line).encode() for line in [*lines, NO_ROWS | extra])
