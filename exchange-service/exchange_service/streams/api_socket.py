"""`/ws-api/v3`: requests and answers over one connection, and an account's own events.

Requests are handled as they come, several at a time; answers carry the request's id. What is asked
without a signature is asked by whoever has logged on.
"""

import asyncio
import json
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
from exchange_service.domain.refusals import Reason
from exchange_service.domain.weights import find_weight
from exchange_service.engine import read_outcome
from exchange_service.errors import BinanceRefusal, Overloaded
from exchange_service.floor import Floor
from exchange_service.orders.preparing import Prepare
from exchange_service.parameters import Parameters, missing
from exchange_service.streams.api_methods import METHODS, Method
from exchange_service.streams.connection import MessageRate, serve
from exchange_service.streams.hub import Subscriber
from exchange_service.streams.wire import find_wire
from exchange_service.turnstile import find_address
from exchange_service.web import now_ms
from taonet.kit.logging import get_logger

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
MISTAKE: Final = Reason(-1000, "An unknown error occurred while processing the request.")

DECODER: Final = json.JSONDecoder(parse_float=str)
"""Numbers with a point stay the text they were, which is what was signed."""
ONE_WAY: Final = frozenset({str, int, bool, type(None)})
"""What JSON holds that every reader reads the same."""

log = get_logger(__name__)


class ApiSocket:
    """The ASGI application behind `/ws-api/v3`."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        address = find_address(scope)
        try:
            self.state.limits.charge(address, HANDSHAKE_WEIGHT)
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
        self._weight_rule = self._limits.budget.weight
        self._weight_limit = self._weight_rule.describe()
        self._key: Key | None = None
        self._logged_on_ms = 0
        self._subscriptions: dict[int, tuple[int, Any]] = {}
        self._next_subscription = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands = 0
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
            request = read_json(text)
            name, asked = request["method"], request.get("params") or {}
            values = {key: write_value(value) for key, value in asked.items() if value is not None}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._reply(None, Parameters({}), error=BinanceRefusal(MALFORMED))
            return
        identity, parameters = request.get("id"), Parameters(values)
        if name in self._own:
            self._handle_own(name, identity, parameters)
            return
        method = METHODS.get(name)
        if method is None or len(self._tasks) + self._commands >= IN_FLIGHT_MAX:
            refusal = BinanceRefusal(UNKNOWN_METHOD) if method is None else Overloaded()
            self._reply(identity, parameters, error=refusal)
            return
        if method.prepare is not None:
            self._begin(method, method.prepare, identity, parameters, values)
            return
        task = asyncio.create_task(self._run(method, identity, parameters, values))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for number in list(self._subscriptions):
            self.state.hub.unwatch(*self._subscriptions.pop(number))
        self.state.hub.leave(self.subscriber)

    # Requests that are answered as over HTTP

    async def _run(
        self, method: Method, identity: Any, parameters: Parameters, values: dict[str, str]
    ) -> None:
        try:
            signed = self._admit(method, parameters, values)
            result = await method.run(self.state, parameters, signed)
        except Exception as error:
            self._refuse(method, identity, parameters, error)
        else:
            self._reply(identity, parameters, result=result)

    def _begin(
        self,
        method: Method,
        prepare: Prepare,
        identity: Any,
        parameters: Parameters,
        values: dict[str, str],
    ) -> None:
        """Hand a command to the engine, which calls back with what became of it."""

        def finish(outcome: Outcome) -> None:
            self._commands -= 1
            try:
                result = prepared.write(read_outcome(outcome))
            except Exception as error:
                self._refuse(method, identity, parameters, error)
            else:
                self._reply(identity, parameters, result=result)

        try:
            signed = self._admit(method, parameters, values)
            assert signed is not None, "whoever gives commands has signed them"
            prepared = prepare(signed)
            self._floor.engine.submit_with(prepared.command, finish)
        except Exception as error:
            self._refuse(method, identity, parameters, error)
        else:
            self._commands += 1

    def _admit(
        self, method: Method, parameters: Parameters, values: dict[str, str]
    ) -> SignedRequest | None:
        """Count a request and return who signed it, if it needs to be signed; or refuse it."""
        weight = find_weight(method.verb, method.path, values)
        self._limits.charge(self.address, weight)
        if method.permission is None:
            return None
        signed = self._authenticate(parameters, values, method.permission)
        if method.orders:
            self._floor.switch.check_open()
            self._limits.count(signed.account_id, method.orders)
        return signed

    def _refuse(
        self, method: Method, identity: Any, parameters: Parameters, error: Exception
    ) -> None:
        if not isinstance(error, BinanceRefusal):
            log.error("unexpected", method=method.path, exc_info=error)
            error = BinanceRefusal(MISTAKE, 500)
        self._reply(identity, parameters, error=error)

    def _authenticate(
        self, parameters: Parameters, values: dict[str, str], permission: Permission
    ) -> SignedRequest:
        if "signature" in values or self._key is None:
            api_key = parameters.text("apiKey")
            payload = write_payload(values)
            keyring, now = self._floor.keyring, now_ms()
            address = self.address
            return verify_payload(keyring, api_key, parameters, payload, now, address, permission)
        key = find_key(self._floor.keyring, self._key.api_key, self.address, permission)
        check_time(parameters, now_ms())
        return SignedRequest(key.account_id, parameters, key)

    # Requests about the connection itself

    def _handle_own(self, name: str, identity: Any, parameters: Parameters) -> None:
        try:
            self._limits.charge(self.address, LOGON_WEIGHT)
            result, follow_up = self._own[name](parameters)
        except BinanceRefusal as refusal:
            self._reply(identity, parameters, error=refusal)
            return
        self._reply(identity, parameters, result=result)
        # Only now: the answer comes before the first event.
        for step in follow_up:
            step()

    def _log_on(self, parameters: Parameters) -> tuple[Any, list[Any]]:
        key = self._floor.keyring.find(parameters.text("apiKey"))
        if key is not None and key.public_key is None:
            raise BinanceRefusal(ED25519_ONLY)
        signed = self._authenticate(parameters, parameters.values(), Permission.READ)
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
        signed = self._authenticate(parameters, parameters.values(), Permission.READ)
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

    def _reply(
        self,
        identity: Any,
        parameters: Parameters,
        result: Any = None,
        error: BinanceRefusal | None = None,
    ) -> None:
        answer: dict[str, Any] = {"id": identity, "status": error.status if error else 200}
        if error is not None:
            answer["error"] = error.as_json()
        else:
            answer["result"] = result
        if parameters.optional_text("returnRateLimits") != "false":
            used = self._limits.used(self._weight_rule, self.address)
            answer["rateLimits"] = [{**self._weight_limit, "count": used}]
        self.subscriber.say(orjson.dumps(answer))


def read_json(text: str) -> Any:
    """Return a request; whatever a number can be written as, its parameters keep.

    orjson reads it three times as fast, if nothing in it can be read in two ways.
    """
    try:
        request = orjson.loads(text)
        values = request["params"].values()
        if ONE_WAY.issuperset(map(type, values)) and type(request.get("id")) in ONE_WAY:
            return request
    except (ValueError, TypeError, KeyError, AttributeError):
        pass  # The other reader says what is wrong with it, if anything is.
    return DECODER.decode(text)


def write_value(value: Any) -> str:
    """Return a parameter as the text that was signed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, separators=(",", ":"))


def write_payload(values: dict[str, str]) -> bytes:
    """Return what is signed: the parameters sorted by name, not percent-encoded."""
    names = [name for name in sorted(values) if name != "signature"]
    return "&".join([f"{name}={values[name]}" for name in names]).encode(errors="replace")
