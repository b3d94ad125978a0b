"""Who hears what: topics, their subscribers, and messages that are written down once.

Everything here runs in the event loop. A subscriber has a bounded queue; one that reads too slowly
is cut off, and never silently given less than the others.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson

from exchange_service.metrics import STREAM_CUT, STREAM_MESSAGES, STREAM_SUBSCRIBERS
from exchange_service.web import now_ms

QUEUE_MAX: Final = 1_000
"""Messages that may wait for one subscriber."""


class Subscriber:
    """One connection: its queue, its topics, and in which form it wants to be told."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        self.topics: dict[str, None] = {}
        """In the order of their subscription."""
        self.combined = False
        """Whether messages come wrapped, as `{"stream": …, "data": …}`."""
        self.too_slow = asyncio.Event()
        self.since_ms = now_ms()

    def put(self, message: str) -> None:
        """Give it a message, or note that it is too slow."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            if not self.too_slow.is_set():
                STREAM_CUT.inc()
                self.too_slow.set()


Watcher = Callable[[bytes], None]
"""What takes an account's events, each a JSON object."""


class Hub:
    """Topics by name, and accounts by number."""

    def __init__(self) -> None:
        self.topics: dict[str, set[Subscriber]] = {}
        self.watchers: dict[int, set[Watcher]] = {}
        self.everybody: set[Subscriber] = set()

    def join(self, subscriber: Subscriber) -> None:
        self.everybody.add(subscriber)
        STREAM_SUBSCRIBERS.set(len(self.everybody))

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber and all it has subscribed to."""
        for topic in list(subscriber.topics):
            self.unsubscribe(subscriber, topic)
        self.everybody.discard(subscriber)
        STREAM_SUBSCRIBERS.set(len(self.everybody))

    def subscribe(self, subscriber: Subscriber, topic: str) -> None:
        subscriber.topics[topic] = None
        self.topics.setdefault(topic, set()).add(subscriber)

    def unsubscribe(self, subscriber: Subscriber, topic: str) -> None:
        subscriber.topics.pop(topic, None)
        subscribers = self.topics.get(topic, set())
        subscribers.discard(subscriber)
        if not subscribers:
            self.topics.pop(topic, None)

    def publish(self, topic: str, event: Any) -> None:
        """Tell all subscribers of a topic; the event is written down once for all of them."""
        subscribers = self.topics.get(topic)
        if not subscribers:
            return
        plain = orjson.dumps(event).decode()
        wrapped = f'{{"stream":"{topic}","data":{plain}}}'
        for subscriber in subscribers:
            subscriber.put(wrapped if subscriber.combined else plain)
        STREAM_MESSAGES.inc(len(subscribers))

    def broadcast(self, event: Any) -> None:
        """Tell everybody, whatever they have subscribed to."""
        message = orjson.dumps(event).decode()
        for subscriber in self.everybody:
            subscriber.put(message)

    def watch(self, account_id: int, watcher: Watcher) -> None:
        self.watchers.setdefault(account_id, set()).add(watcher)

    def unwatch(self, account_id: int, watcher: Watcher) -> None:
        watchers = self.watchers.get(account_id, set())
        watchers.discard(watcher)
        if not watchers:
            self.watchers.pop(account_id, None)

    def tell(self, account_id: int, event: Any) -> None:
        """Give an account's watchers one of its events."""
        message = orjson.dumps(event)
        for watcher in list(self.watchers.get(account_id, ())):
            watcher(message)
