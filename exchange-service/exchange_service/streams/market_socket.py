"""`/ws` and `/stream`: subscribe to streams, by the path or by messages."""

from typing import Any, Final

import orjson
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from exchange_service.domain.symbol import SYMBOL
from exchange_service.errors import BinanceRefusal
from exchange_service.parameters import Parameters
from exchange_service.streams.connection import POLICY, MessageRate, serve
from exchange_service.streams.hub import Hub, Subscriber
from exchange_service.streams.listen_keys import ListenKeys
from exchange_service.streams.publisher import list_topics
from exchange_service.streams.wire import find_wire

TOPICS: Final = frozenset(list_topics())
STREAMS_MAX: Final = 1_024
MESSAGES_PER_SECOND: Final = 5
BURST: Final = 20
METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
CONNECTIONS_MAX: Final = 10_000
TRY_LATER: Final = 1013


class BadRequest(Exception):
    """A message that cannot be followed; `code` as Binance numbers it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class MarketSocket:
    """The ASGI application behind `/ws`, `/ws/<streams>` and `/stream?streams=<streams>`."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        hub: Hub = self.state.hub
        if len(hub.everybody) >= CONNECTIONS_MAX:
            await send({"type": "websocket.close", "code": TRY_LATER})
            return
        await send({"type": "websocket.accept"})
        try:
            names = read_names(scope)
        except BinanceRefusal as refusal:
            await send({"type": "websocket.close", "code": POLICY, "reason": str(refusal)})
            return
        subscriber = Subscriber(find_wire(scope))
        subscriber.combined = scope["path"] == "/stream"
        session = Session(hub, self.state.listen_keys, subscriber)
        hub.join(session.subscriber)
        try:
            session.subscribe(name for name in names if session.is_known(name))
            rate = MessageRate(MESSAGES_PER_SECOND, BURST)
            await serve(receive, send, session.subscriber, session.handle, rate)
        finally:
            session.end()


def read_names(scope: Scope) -> list[str]:
    """Return the streams that the address names: those that are none are ignored."""
    if scope["path"] == "/stream":
        named = Parameters.read(scope["query_string"], b"").optional_text("streams")
    else:
        named = scope["path"].removeprefix("/ws").strip("/")
    return [name for name in named.split("/") if name][:STREAMS_MAX]


class Session:
    """One connection's subscriptions, and the answers to its messages."""

    def __init__(self, hub: Hub, listen_keys: ListenKeys, subscriber: Subscriber) -> None:
        self.hub = hub
        self.listen_keys = listen_keys
        self.subscriber = subscriber
        self._watching: dict[str, tuple[int, Any]] = {}
        """Listen keys that this connection follows: the account and its watcher."""

    def is_known(self, name: str) -> bool:
        return normalise(name) in TOPICS or self.listen_keys.find(name) is not None

    def subscribe(self, names: Any) -> None:
        for name in names:
            account_id = self.listen_keys.find(name)
            if account_id is None:
                self.hub.subscribe(self.subscriber, normalise(name))
            elif name not in self._watching:
                self._watch(name, account_id)

    def _watch(self, listen_key: str, account_id: int) -> None:
        def tell(event: bytes) -> None:
            if self.subscriber.combined:
                event = b'{"stream":"%b","data":%b}' % (listen_key.encode(), event)
            self.subscriber.say(event)

        self._watching[listen_key] = account_id, tell
        self.hub.watch(account_id, tell)

    def unsubscribe(self, names: Any) -> None:
        for name in names:
            if name in self._watching:
                self.hub.unwatch(*self._watching.pop(name))
            else:
                self.hub.unsubscribe(self.subscriber, normalise(name))

    def end(self) -> None:
        self.unsubscribe(list(self._watching))
        self.hub.leave(self.subscriber)

    def handle(self, text: str) -> None:
        identity: Any = None
        try:
            request = read_request(text)
            identity = read_identity(request)
            answer = {"result": self._answer(request), "id": identity}
        except BadRequest as refused:
            answer = {"error": {"code": refused.code, "msg": str(refused)}, "id": identity}
        self.subscriber.say(orjson.dumps(answer))

    def _answer(self, request: dict[str, Any]) -> Any:
        method = request.get("method")
        if method is None:
            raise BadRequest(2, "Invalid request: missing field `method` at line 1 column 1")
        if method not in METHODS:
            known = "one of " + ", ".join(f"`{name}`" for name in METHODS)
            raise BadRequest(2, f"Invalid request: unknown variant `{method}`, expected {known}")
        if method == "LIST_SUBSCRIPTIONS":
            return [*self.subscriber.topics, *self._watching]
        if method.endswith("PROPERTY"):
            return self._property(method, request.get("params"))
        names = self._read_names(request.get("params"))
        if method == "UNSUBSCRIBE":
            self.unsubscribe(names)
            return None
        for name in names:
            if not self.is_known(name):
                raise BadRequest(2, f"Invalid request: unknown stream `{name}`")
        if len(self.subscriber.topics) + len(names) > STREAMS_MAX:
            raise BadRequest(2, "Invalid request: too many streams")
        self.subscribe(names)
        return None

    def _read_names(self, names: Any) -> list[str]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRequest(2, "Invalid request: params must be a list of stream names")
        return names

    def _property(self, method: str, params: Any) -> Any:
        if not isinstance(params, list) or not params or params[0] != "combined":
            raise BadRequest(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self.subscriber.combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise BadRequest(1, "Invalid value type: expected Boolean")
        self.subscriber.combined = params[1]
        return None


def normalise(name: str) -> str:
    """Return a stream's name as topics are called; the slow speed is the one without a suffix.

    A `+` that was not percent-encoded arrives as a space.
    """
    return name.removesuffix("@1000ms").replace(SYMBOL, SYMBOL.lower()).replace("@ ", "@+")


def read_request(text: str) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise BadRequest(3, f"Invalid JSON: expected value at {where}") from None
    if not isinstance(request, dict):
        raise BadRequest(2, "Invalid request: a request is an object")
    return request


def read_identity(request: dict[str, Any]) -> Any:
    identity = request.get("id")
    if identity is not None and not isinstance(identity, int | str):
        raise BadRequest(2, "Invalid request: request ID must be an unsigned integer")
    return identity
