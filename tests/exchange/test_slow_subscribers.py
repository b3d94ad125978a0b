"""Failure mode 13: who reads too slowly is cut off, and never silently given less."""

import asyncio
from typing import Any

from exchange_service.streams.connection import POLICY, MessageRate, serve
from exchange_service.streams.hub import QUEUE_MAX, Hub, Subscriber


def test_a_subscriber_that_does_not_read_is_cut_off() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()  # Its buffer is full, and stays so.

    def handle(text: str) -> None:
        raise AssertionError(text)

    async def flood() -> None:
        hub, slow, quick = Hub(), Subscriber(), Subscriber()
        for subscriber in (slow, quick):
            hub.join(subscriber)
            hub.subscribe(subscriber, "taobtc@trade")
        serving = asyncio.create_task(serve(receive, send, slow, handle, MessageRate(5, 5)))
        for number in range(QUEUE_MAX + 10):
            hub.publish("taobtc@trade", {"t": number})
            assert quick.queue.get_nowait().text == b'{"t":%d}' % number
            await asyncio.sleep(0)
        await asyncio.wait_for(serving, 10)

    asyncio.run(flood())
    assert [message["type"] for message in sent] == ["websocket.send", "websocket.close"]
    assert sent[-1]["code"] == POLICY


def test_topics_are_forgotten_with_their_last_subscriber() -> None:
    heard: list[bytes] = []
    watcher = heard.append

    async def come_and_go() -> Hub:
        hub, subscriber = Hub(), Subscriber()
        hub.join(subscriber)
        hub.subscribe(subscriber, "taobtc@depth")
        hub.watch(7, watcher)
        hub.leave(subscriber)
        hub.unwatch(7, watcher)
        return hub

    hub = asyncio.run(come_and_go())
    assert (hub.topics, hub.everybody, hub.watchers) == ({}, set(), {})
