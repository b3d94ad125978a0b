"""`/ws-api/v3`: requests and answers over one connection, and an account's own events.

Requests are handled as they come, several at a time; answers carry the request's id. What is asked
without a signature is asked by whoever has logged on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from exchange_service.answers import Outcome
from exchange_service.authentication import (
    Key,
    Permission,
    SignedRequest,
    check_time,
    find_key,
    verify_payload,
)
from exchange_service.domain.commands import CancelOrder, PlaceOrder
from exchange_service.domain.refusals import Reason
from exchange_service.domain.weights import find_weight
from exchange_service.errors import BinanceRefusal, Overloaded
from exchange_service.floor import Floor
from exchange_service.parameters import Parameters, missing
from exchange_service.streams.api_calls import Call
from exchange_service.streams.api_methods import METHODS, Method
from exchange_service.streams.api_requests import read_request, write_payload
from exchange_service.streams.connection import MessageRate, serve
from exchange_service.streams.hub import Subscriber
from exchange_service.streams.wire import find_wire
from exchange_service.turnstile import find_address
from exchange_service.web import now_ms

HANDSHAKE_WEIGHT: Final = 2
LOGON_WEIGHT: Final = 2
IN_FLIGHT_MAX: Final = 512
"""Requests of one connection that may be under way."""
MESSAGES_PER_SECOND: Final = 50_000
"""Weights and order counts are the limits here; this only stops floods of nonsense."""
ED25519_ONLY: Final = Reason(-4056, "HMAC SHA256 API key is not supported.")
MALFORMED: Final = Reason(-1135, "Invalid JSON Request")
UNKNOWN_METHOD: Final = Reason(-1020, "This operation is not supported.")
NOT_SUBSCRIBED: Final = Reason(-2037, "There is no subscription with this id.")


class ApiSocket:
    """The ASGI application behind `/ws-api/v3`."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        address = find_address(scope)
        try:
            self.state.limits.spend(address, HANDSHAKE_WEIGHT)
        except BinanceRefusal:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        session = Session(self.state, address, Subscriber(find_wire(scope)))
        self.state.hub.join(session.subscriber)
        try:
            rate = MessageRate(MESSAGES_PER_SECOND, MESSAGES_PER_SECOND)
            await serve(receive, send, session.subscriber, session.handle, rate)
        finally:
            session.end()


class Session:
    """One connection: who has logged on, whose events it hears, what is under way."""

    def __init__(self, state: State, address: str, subscriber: Subscriber) -> None:
        self.state = state
        self.address = address
        self.subscriber = subscriber
        self._floor: Floor = state.floor
        self._limits = self._floor.limits
        self._weight_limit = self._limits.budget.weight.describe()
        self._order_limits = [rule.describe() for rule in self._limits.budget.orders]
        self._spent = self._limits.used(self._limits.budget.weight, address)
        """What the address has used, as of this connection's last request."""
        self._key: Key | None = None
        self._logged_on_ms = 0
        self._subscriptions: dict[int, tuple[int, Any]] = {}
        self._next_subscription = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.commands = 0
        """How many the engine has yet to answer."""
        self._own = {
            "session.logon": self._log_on,
            "session.status": self._show_status,
            "session.logout": self._log_out,
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_by_signature,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def handle(self, text: str) -> None:
        """Begin a request; its answer is queued when it is there."""
        try:
            name, identity, values = read_request(text)
            method = METHODS.get(name)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.reply(None, Parameters({}), error=BinanceRefusal(MALFORMED))
            return
        parameters = Parameters(values)
        if method is None and name in self._own:
            self._handle_own(name, identity, parameters)
        elif method is None or len(self._tasks) + self.commands >= IN_FLIGHT_MAX:
            refusal = BinanceRefusal(UNKNOWN_METHOD) if method is None else Overloaded()
            self.reply(identity, parameters, error=refusal)
        elif method.prepare is not None:
            Call(self, method, identity, parameters).begin(method.prepare)
        else:
            self._start(Call(self, method, identity, parameters))

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for number in list(self._subscriptions):
            self.state.hub.unwatch(*self._subscriptions.pop(number))
        self.state.hub.leave(self.subscriber)

    # Requests that are answered as over HTTP

    def _start(self, call: Call) -> None:
        task = asyncio.create_task(call.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def submit(
        self,
        command: PlaceOrder | CancelOrder,
        take: Callable[[Outcome], None],
        valid_until_ms: int,
    ) -> None:
        """Hand a command to the engine, which has `take` called with what became of it."""
        self._floor.engine.submit_with(command, take, valid_until_ms)
        self.commands += 1

    def admit(
        self, method: Method, parameters: Parameters
    ) -> tuple[SignedRequest | None, list[int]]:
        """Count a request; return who signed it, if it must be signed, and his unfilled orders."""
        weight = find_weight(method.verb, method.path, parameters.values())
        self._spent = self._limits.spend(self.address, weight)
        if method.permission is None:
            return None, []
        signed = self._authenticate(parameters, method.permission)
        if not method.orders:
            return signed, []
        self._floor.switch.check_open()
        return signed, self._limits.add_orders(signed.account_id, method.orders)

    def give_back(self, method: Method, parameters: Parameters) -> None:
        """Take back what a request weighed."""
        weight = find_weight(method.verb, method.path, parameters.values())
        self._spent = self._limits.give_back(self.address, weight)

    def _authenticate(self, parameters: Parameters, permission: Permission) -> SignedRequest:
        keyring, now = self._floor.keyring, now_ms()
        if "signature" in parameters or self._key is None:
            api_key, payload = parameters.text("apiKey"), write_payload(parameters.values())
            address = self.address
            return verify_payload(keyring, api_key, parameters, payload, now, address, permission)
        key = find_key(keyring, self._key.api_key, self.address, permission)
        time = check_time(parameters, now)
        return SignedRequest(key.account_id, parameters, key, time.valid_until_ms)

    # Requests about the connection itself

    def _handle_own(self, name: str, identity: Any, parameters: Parameters) -> None:
        try:
            self._spent = self._limits.spend(self.address, LOGON_WEIGHT)
            result, follow_up = self._own[name](parameters)
        except BinanceRefusal as refusal:
            self.reply(identity, parameters, error=refusal)
            return
        self.reply(identity, parameters, result=result)
        # Only now: the answer comes before the first event.
        for step in follow_up:
            step()

    def _log_on(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        key = self._floor.keyring.find(parameters.text("apiKey"))
        if key is not None and key.public_key is None:
            raise BinanceRefusal(ED25519_ONLY)
        signed = self._authenticate(parameters, Permission.READ)
        self._key, self._logged_on_ms = signed.key, now_ms()
        return self._describe(), []

    def _log_out(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        self._key, self._logged_on_ms = None, 0
        return self._describe(), self._terminations(list(self._subscriptions))

    def _show_status(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        return self._describe(), []

    def _describe(self) -> dict[str, Any]:
        return {
            "apiKey": self._key.api_key if self._key else None,
            "authorizedSince": self._logged_on_ms or None,
            "connectedSince": self.subscriber.since_ms,
            "returnRateLimits": True,
            "serverTime": now_ms(),
            "userDataStream": bool(self._subscriptions),
        }

    def _list_subscriptions(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        return [{"subscriptionId": number} for number in self._subscriptions], []

    def _subscribe(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        if self._key is None:
            raise missing("apiKey")
        key = find_key(self._floor.keyring, self._key.api_key, self.address, Permission.READ)
        return self._begin_subscription(key)

    def _subscribe_by_signature(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        signed = self._authenticate(parameters, Permission.READ)
        return self._begin_subscription(signed.key)

    def _begin_subscription(self, key: Key) -> tuple[Any, list[Any]]:
        number, self._next_subscription = self._next_subscription, self._next_subscription + 1

        def tell(event: bytes) -> None:
            if self._floor.keyring.find(key.api_key) is None:  # Revoked meanwhile.
                for step in self._terminations([number]):
                    step()
                return
            self.subscriber.say(b'{"subscriptionId":%d,"event":%b}' % (number, event))

        def begin() -> None:
            self._subscriptions[number] = key.account_id, tell
            self.state.hub.watch(key.account_id, tell)

        return {"subscriptionId": number}, [begin]

    def _unsubscribe(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        if "subscriptionId" not in parameters:
            return {}, self._terminations(list(self._subscriptions))
        number = parameters.integer("subscriptionId")
        if number not in self._subscriptions:
            raise BinanceRefusal(NOT_SUBSCRIBED)
        return {}, self._terminations([number])

    def _terminations(self, numbers: list[int]) -> list[Any]:
        def terminate(number: int) -> None:
            self.state.hub.unwatch(*self._subscriptions.pop(number))
            event = {"e": "eventStreamTerminated", "E": now_ms()}
            self.subscriber.say(orjson.dumps({"subscriptionId": number, "event": event}))

        return [lambda number=number: terminate(number) for number in numbers]

    # Answers

    def reply(
        self,
        identity: Any,
        parameters: Parameters,
        result: Any = None,
        error: BinanceRefusal | None = None,
        unfilled: Sequence[int] = (),
    ) -> None:
        answer: dict[str, Any] = {"id": identity, "status": error.status if error else 200}
        if error is not None:
            answer["error"] = error.as_json()
        else:
            answer["result"] = result
        # Not checked: an answer that is due can't be refused any more.
        if parameters.values().get("returnRateLimits") != "false":
            answer["rateLimits"] = [
                *[
                    {**rule, "count": count}
                    for rule, count in zip(self._order_limits, unfilled, strict=False)
                ],
                {**self._weight_limit, "count": self._spent},
            ]
        self.subscriber.say(orjson.dumps(answer))
