"""Who hears what: topics, their subscribers, and messages that are written down once.

Everything here runs in the event loop. A subscriber has a bounded queue; one that reads too slowly
is cut off, and never silently given less than the others.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson

from exchange_service.metrics import STREAM_CUT, STREAM_MESSAGES, STREAM_SUBSCRIBERS
from exchange_service.streams.frames import frame_text
from exchange_service.streams.wire import Wire
from exchange_service.web import now_ms

QUEUE_MAX: Final = 1_000
"""Messages that may wait for one subscriber."""


class Message:
    """A text, and the frame it travels in: made once for all who get it."""

    __slots__ = ("frame", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.frame = frame_text(text)


class Subscriber:
    """One connection: its queue, its topics, and in which form it wants to be told."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire
        """The short way to the client; without one, all messages take the queue."""
        self.queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MAX)
        self.unsent = 0
        """Messages in the queue, and the one that is being sent from there."""
        self.topics: dict[str, None] = {}
        """In the order of their subscription."""
        self.combined = False
        """Whether messages come wrapped, as `{"stream": …, "data": …}`."""
        self.cut = asyncio.Event()
        """Set once it reads too slowly, or asks too much."""
        self.since_ms = now_ms()

    def say(self, text: bytes) -> None:
        """Give it a text that nobody else gets, and that may wait for others of this turn."""
        message, wire = Message(text), self._find_free_wire()
        if wire is None:
            self._queue(message)
        else:
            wire.write_soon(message.frame)

    def put(self, message: Message) -> None:
        """Give it a message at once."""
        wire = self._find_free_wire()
        if wire is None:
            self._queue(message)
        else:
            wire.write(message.frame)

    def _find_free_wire(self) -> Wire | None:
        wire = self.wire
        return wire if wire is not None and not self.unsent and wire.is_free else None

    def _queue(self, message: Message) -> None:
        """Have a message wait, or note that the connection is too slow."""
        try:
            self.queue.put_nowait(message)
            self.unsent += 1
        except asyncio.QueueFull:
            if not self.cut.is_set():
                STREAM_CUT.inc()
                self.cut.set()


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
        text = orjson.dumps(event)
        plain = Message(text)
        wrapped = Message(b'{"stream":"%b","data":%b}' % (topic.encode(), text))
        for subscriber in subscribers:
            subscriber.put(wrapped if subscriber.combined else plain)
        STREAM_MESSAGES.inc(len(subscribers))

    def broadcast(self, event: Any) -> None:
        """Tell everybody, whatever they have subscribed to."""
        message = Message(orjson.dumps(event))
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
