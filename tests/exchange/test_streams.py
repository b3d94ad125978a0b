"""Streams, user data and the WebSocket API, over real sockets to a real process."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.exchange.live import open_trader
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from exchange_service.authentication import sign
from exchange_service.client import ExchangeClient

WAIT_SECONDS = 10


@pytest.fixture(scope="module")
def number() -> Callable[[], int]:
    counter = iter(range(1, 10_000))
    return lambda: next(counter)


class Trader:
    """A funded account and what it may sign with."""

    def __init__(self, url: str, name: str, tao: int = 0) -> None:
        self.url = url
        self.client, self.api_key, self.secret = open_trader(url, name, tao)

    def signed(self, **values: Any) -> dict[str, Any]:
        values = {**values, "apiKey": self.api_key, "timestamp": time.time_ns() // 1_000_000}
        text = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }
        payload = "&".join(f"{name}={text[name]}" for name in sorted(text))
        return {**values, "signature": sign(self.secret, payload.encode())}


@pytest.fixture
def trader(exchange: str, number: Callable[[], int]) -> Iterator[Trader]:
    one = Trader(exchange, f"trader-{number()}")
    yield one
    if one.client.open_orders():
        one.client.cancel_all()
    one.client.close()


def open_socket(exchange: str, path: str) -> ClientConnection:
    return connect(exchange.replace("http", "ws") + path)


def ask(socket: ClientConnection, method: str, params: Any = None, identity: Any = 1) -> Any:
    socket.send(json.dumps({"id": identity, "method": method, "params": params}))
    return hear(socket)


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(WAIT_SECONDS))


def test_subscribing_listing_and_leaving(exchange: str) -> None:
    with open_socket(exchange, "/ws/0") as socket:
        assert ask(socket, "SUBSCRIBE", ["taobtc@depth", "taobtc@trade"], 7) == {
            "result": None,
            "id": 7,
        }
        assert ask(socket, "LIST_SUBSCRIPTIONS")["result"] == ["taobtc@depth", "taobtc@trade"]
        assert ask(socket, "UNSUBSCRIBE", ["taobtc@depth"])["result"] is None
        assert ask(socket, "LIST_SUBSCRIPTIONS")["result"] == ["taobtc@trade"]
        assert ask(socket, "SUBSCRIBE", ["btcusdt@depth"])["error"]["code"] == 2
        assert ask(socket, "SING")["error"]["code"] == 2
        assert ask(socket, "SUBSCRIBE", "taobtc@depth")["error"]["code"] == 2
        assert ask(socket, "GET_PROPERTY", ["combined"])["result"] is False
        socket.send("{")
        assert hear(socket)["error"]["code"] == 3


def test_who_talks_too_much_is_cut_off(exchange: str) -> None:
    with open_socket(exchange, "/ws") as socket, pytest.raises(ConnectionClosedError):
        talk(socket, times=40)
    assert socket.close_code == 1008


def talk(socket: ClientConnection, times: int) -> None:
    """Ask again and again, and hear all the answers."""
    for _ in range(times):
        socket.send('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
    for _ in range(times):
        socket.recv()


def test_combined_streams_are_wrapped(exchange: str, trader: Trader) -> None:
    path = "/stream?streams=taobtc@bookTicker/taobtc@depth@100ms/taobtc@depth5@100ms"
    with open_socket(exchange, path) as socket:
        trader.client.limit_order("BUY", "0.004", "1")
        heard = [hear(socket) for _ in range(3)]
    by_stream = {message["stream"]: message["data"] for message in heard}
    assert by_stream["taobtc@bookTicker"]["b"] == "0.00400000"
    assert by_stream["taobtc@depth@100ms"]["b"] == [["0.00400000", "1.000000000"]]
    assert by_stream["taobtc@depth5@100ms"]["bids"] == [["0.00400000", "1.000000000"]]


def test_the_websocket_api_answers_as_http_does(exchange: str, trader: Trader) -> None:
    with open_socket(exchange, "/ws-api/v3") as socket:
        assert ask(socket, "ping", identity="a")["id"] == "a"
        assert ask(socket, "time")["result"]["serverTime"] > 0
        depth = ask(socket, "depth", {"symbol": "TAOBTC", "limit": 5})
        assert depth["status"] == 200
        assert depth["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
        order = {
            "symbol": "TAOBTC",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "price": "0.00400000",
            "quantity": "1.5",
        }
        placed = ask(socket, "order.place", trader.signed(**order, newOrderRespType="ACK"))
        order_id = placed["result"]["orderId"]
        asked = trader.signed(symbol="TAOBTC", orderId=order_id)
        assert ask(socket, "order.status", asked)["result"]["status"] == "NEW"
        account = ask(socket, "account.status", trader.signed(omitZeroBalances=True))
        assert [row["asset"] for row in account["result"]["balances"]] == ["BTC"]
        asked = trader.signed(symbol="TAOBTC", orderId=order_id)
        assert ask(socket, "order.cancel", asked)["result"]["status"] == "CANCELED"
        assert ask(socket, "order.cancel", asked)["error"]["code"] == -1021
        wrong = {**trader.signed(**order), "quantity": "2.5"}
        assert ask(socket, "order.place", wrong)["error"]["code"] == -1022
        assert ask(socket, "order.dance")["error"]["code"] == -1020
        assert ask(socket, "session.logon", trader.signed())["error"]["code"] == -4056
        socket.send("[]")
        assert hear(socket)["error"]["code"] == -1135


def test_a_session_logs_on_with_ed25519(exchange: str, number: Callable[[], int]) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = {"name": f"ed-{number()}", "funded": True, "public_key": pem.decode()}
    key = httpx.post(f"{exchange}/exchange/v1/keys", json=body).json()
    assert key["secret"] == ""
    now = time.time_ns() // 1_000_000
    payload = f"apiKey={key['api_key']}&timestamp={now}"
    signature = base64.b64encode(private.sign(payload.encode())).decode()
    logon = {"apiKey": key["api_key"], "timestamp": now, "signature": signature}
    with open_socket(exchange, "/ws-api/v3") as socket:
        assert ask(socket, "session.logon", logon)["result"]["apiKey"] == key["api_key"]
        account = ask(socket, "account.status", {"timestamp": now})
        assert account["result"]["balances"][0]["free"] == "1.00000000"
        assert ask(socket, "userDataStream.subscribe")["result"] == {"subscriptionId": 0}
        assert ask(socket, "session.logout")["result"]["apiKey"] is None
        assert hear(socket)["event"]["e"] == "eventStreamTerminated"
        assert ask(socket, "account.status", {"timestamp": now})["error"]["code"] == -1102
    with httpx.Client() as http:
        text = f"timestamp={now}"
        signature = base64.b64encode(private.sign(text.encode())).decode()
        answer = http.get(
            f"{exchange}/api/v3/account",
            params={"timestamp": now, "signature": signature},
            headers={"X-MBX-APIKEY": key["api_key"]},
        )
    assert answer.status_code == 200, answer.text


def test_an_account_hears_of_its_orders_in_order(
    exchange: str, trader: Trader, number: Callable[[], int]
) -> None:
    other = Trader(exchange, f"other-{number()}")
    with open_socket(exchange, "/ws-api/v3") as socket, other.client:
        subscribed = ask(socket, "userDataStream.subscribe.signature", trader.signed())
        assert subscribed == {**subscribed, "status": 200, "result": {"subscriptionId": 0}}
        resting = other.client.limit_order("BUY", "0.004", "2")
        assert resting["status"] == "NEW"
        order = trader.client.limit_order("BUY", "0.0041", "1", newClientOrderId="mine")
        new, position = hear(socket), hear(socket)
        assert new["subscriptionId"] == 0
        assert (new["event"]["x"], new["event"]["X"], new["event"]["c"]) == ("NEW", "NEW", "mine")
        assert position["event"]["B"][0] == {"a": "BTC", "f": "0.99589590", "l": "0.00410410"}
        trader.client.cancel(orderId=order["orderId"])
        cancelled = hear(socket)["event"]
        assert (cancelled["x"], cancelled["C"]) == ("CANCELED", "mine")
        assert cancelled["I"] > new["event"]["I"]
        assert hear(socket)["event"]["e"] == "outboundAccountPosition"
        assert ask(socket, "userDataStream.unsubscribe")["status"] == 200
        other.client.cancel_all()


def test_a_listen_key_still_works(exchange: str, trader: Trader) -> None:
    headers = {"X-MBX-APIKEY": trader.api_key}
    with httpx.Client(base_url=exchange, headers=headers) as http:
        key = http.post("/api/v3/userDataStream").json()["listenKey"]
        assert http.post("/api/v3/userDataStream").json()["listenKey"] == key
        assert http.put("/api/v3/userDataStream", params={"listenKey": key}).json() == {}
        with open_socket(exchange, f"/ws/{key}") as socket:
            trader.client.limit_order("BUY", "0.004", "1")
            assert hear(socket)["e"] == "executionReport"
        assert http.delete("/api/v3/userDataStream", params={"listenKey": key}).json() == {}
        gone = http.put("/api/v3/userDataStream", params={"listenKey": key})
        assert gone.json() == {"code": -1125, "msg": "This listenKey does not exist."}
        assert httpx.post(f"{exchange}/api/v3/userDataStream").json()["code"] == -2014


def test_candles_and_tickers_come_by_the_clock(exchange: str, trader: Trader) -> None:
    with ExchangeClient(exchange) as public:
        streams = "/stream?streams=taobtc@kline_1m/taobtc@ticker/!miniTicker@arr/taobtc@avgPrice"
        with open_socket(exchange, streams) as socket:
            trader.client.limit_order("BUY", "0.004", "1")
            heard = {message["stream"]: message["data"] for message in (hear(socket),)}
            while len(heard) < 3:
                message = hear(socket)
                heard[message["stream"]] = message["data"]
        assert heard["taobtc@ticker"]["e"] == "24hrTicker"
        assert public.ticker()["symbol"] == "TAOBTC"


def test_diffs_and_snapshots_make_the_book(exchange: str, trader: Trader) -> None:
    """Failure 13: what a client pieces together is the engine's book."""
    with (
        ExchangeClient(exchange) as public,
        open_socket(exchange, "/ws/taobtc@depth@100ms") as feed,
    ):
        for step in range(20):
            trader.client.limit_order("BUY", f"0.00{300 + step}", "1")
        first = hear(feed)
        snapshot = public.depth(limit=5_000)
        last_id, book = snapshot["lastUpdateId"], {**dict(snapshot["bids"])}
        for step in range(20, 40):
            trader.client.limit_order("BUY", f"0.00{300 + step}", "1")
        trader.client.cancel_all()
        events = [first]
        deadline = time.monotonic() + WAIT_SECONDS
        while events[-1]["u"] < public.depth()["lastUpdateId"] and time.monotonic() < deadline:
            events.append(hear(feed))
        for before, after in pairwise(events):
            assert after["U"] == before["u"] + 1
        for event in events:
            if event["u"] > last_id:
                for price, quantity in event["b"]:
                    book[price] = quantity
        remaining = {price: left for price, left in book.items() if float(left)}
        assert remaining == dict(public.depth(limit=5_000)["bids"])
