import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.explorer.conftest import Running

from taonet.explorer.stream import EVENTS_WAITING_MAX, Broadcast, Event


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            yield name, json.loads(line[5:])


def test_pages_hear_of_each_block_and_step(explorer: Running) -> None:
    with explorer.browser.stream("GET", "/stream") as response:
        heard = events(response.iter_lines())
        first = next(heard)
        explorer.network.height = 100
        news = []
        while ("block", {"height": 100}) not in news:
            news.append(next(heard))

    assert response.headers["content-type"].startswith("text/event-stream")
    assert first == ("hello", {"height": 95})
    blocks = [data["height"] for name, data in news if name == "block"]
    assert blocks == [96, 97, 98, 99, 100]
    assert ("step", {"height": 100}) in news
    assert explorer.browser.get("/data/emission").json()["steps"][-1] == {
        "height": 100,
        "time_ms": explorer.network.time_ms(100),
        "paid_rao": "10000000000",
        "issuance_rao": "100000000000",
    }


def test_a_page_too_many_is_told_so(explorer: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taonet.explorer.stream.LISTENERS_MAX", 0)

    answer = explorer.browser.get("/stream", headers={"accept": "text/event-stream"})

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "TooMany"


def test_price_data_are_numbers_with_their_unit(explorer: Running) -> None:
    closes = explorer.browser.get("/data/price").json()["closes"]

    assert len(closes) == 120
    assert set(closes[0]) == {"time_ms", "price_btc"}


async def listen_to(broadcast: Broadcast, into: list[Event]) -> None:
    async for event in broadcast.listen():
        into.append(event)


def test_a_listener_that_falls_behind_is_let_go_and_the_others_hear_on() -> None:
    async def scenario() -> tuple[list[Event], int]:
        broadcast, heard = Broadcast(), list[Event]()
        slow = broadcast.listen()
        waiting = asyncio.ensure_future(anext(slow))
        quick = asyncio.create_task(listen_to(broadcast, heard))
        await asyncio.sleep(0)
        for height in range(EVENTS_WAITING_MAX + 2):
            broadcast.send("block", height=height)
            await asyncio.sleep(0)
        await waiting
        left = broadcast.listener_count
        quick.cancel()
        return heard, left

    heard, left = asyncio.run(scenario())

    assert len(heard) == EVENTS_WAITING_MAX + 2
    assert left == 1
