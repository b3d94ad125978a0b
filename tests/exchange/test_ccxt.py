"""ccxt, unmodified: only addresses and keys are set, as docs/trading.md says."""

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
from tests.exchange.live import open_trader

SYMBOL = "TAO/BTC"


def connect(url: str, api_key: str, secret: str) -> Any:
    return ccxt.binance(
        {
            "apiKey": api_key,
            "secret": secret,
            "urls": {
                "api": {
                    "public": f"{url}/api/v3",
                    "private": f"{url}/api/v3",
                    "sapi": f"{url}/sapi/v1",
                }
            },
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        }
    )


@pytest.fixture(scope="module")
def clients(exchange: str) -> Iterator[tuple[Any, Any]]:
    """A buyer and a seller, and one trade between them."""
    pair = []
    for name in ("buyer", "seller"):
        client, api_key, secret = open_trader(exchange, f"ccxt-{name}", tao=50)
        client.close()
        pair.append(connect(exchange, api_key, secret))
    buyer, seller = pair
    seller.create_order(SYMBOL, "limit", "sell", 1, 0.005)
    buyer.create_order(SYMBOL, "limit", "buy", 1, 0.005)
    yield buyer, seller
    for client in pair:
        if client.fetch_open_orders(SYMBOL):
            client.cancel_all_orders(SYMBOL)
        client.close()


def test_the_market_as_ccxt_sees_it(clients: Any) -> None:
    buyer, _ = clients
    market = buyer.load_markets()[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (1e-06, 0.01)
    assert (market["taker"], market["maker"]) == (0.001, 0.001)
    assert buyer.fetch_ticker(SYMBOL)["last"] == 0.005
    assert buyer.fetch_trades(SYMBOL)[-1]["amount"] == 1
    assert buyer.fetch_ohlcv(SYMBOL, "1m")[-1][4] == 0.005
    assert buyer.fetch_trading_fees()[SYMBOL]["taker"] == 0.001
    assert buyer.fetch_status()["status"] == "ok"
    assert buyer.fetch_currencies()["TAO"]["active"]


def test_an_order_from_open_to_closed(clients: Any) -> None:
    buyer, seller = clients
    order = buyer.create_order(SYMBOL, "limit", "buy", 2, 0.0049)
    assert buyer.fetch_order(order["id"], SYMBOL)["status"] == "open"
    assert [one["id"] for one in buyer.fetch_open_orders(SYMBOL)] == [order["id"]]
    moved = buyer.edit_order(order["id"], SYMBOL, "limit", "buy", 2, 0.00491)
    assert buyer.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    sold = seller.create_order(SYMBOL, "market", "sell", 2)
    assert (sold["status"], sold["average"], sold["fee"]["currency"]) == ("closed", 0.00491, "BTC")
    closed = buyer.fetch_order(moved["id"], SYMBOL)
    assert (closed["status"], closed["filled"]) == ("closed", 2)
    mine = buyer.fetch_my_trades(SYMBOL)[-1]
    assert (mine["takerOrMaker"], mine["fee"]["currency"]) == ("maker", "BTC")


def test_stops_and_post_only(clients: Any) -> None:
    buyer, seller = clients
    stop = {"stopPrice": 0.004, "timeInForce": "GTC"}
    waiting = seller.create_order(SYMBOL, "STOP_LOSS_LIMIT", "sell", 1, 0.0039, stop)
    shown = seller.fetch_order(waiting["id"], SYMBOL)
    assert (shown["status"], shown["triggerPrice"]) == ("open", 0.004)
    seller.cancel_order(waiting["id"], SYMBOL)
    seller.create_order(SYMBOL, "limit", "sell", 1, 0.006)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        buyer.create_order(SYMBOL, "limit", "buy", 1, 0.006, {"postOnly": True})
    seller.cancel_all_orders(SYMBOL)


@pytest.mark.parametrize(
    ("amount", "price", "error"),
    [
        (100_000, 0.005, ccxt.InsufficientFunds),
        (0.01, 0.000001, ccxt.InvalidOrder),
        (1, 0.5, ccxt.InvalidOrder),
    ],
)
def test_refusals_are_the_errors_that_ccxt_knows(
    clients: Any, amount: float, price: float, error: type[Exception]
) -> None:
    buyer, _ = clients
    with pytest.raises((error, ccxt.BadRequest)):
        buyer.create_order(SYMBOL, "limit", "buy", amount, price)


def test_what_is_not_there(exchange: str, clients: Any) -> None:
    buyer, _ = clients
    with pytest.raises(ccxt.OrderNotFound):
        buyer.fetch_order("999999", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        buyer.cancel_order("999999", SYMBOL)
    with pytest.raises(ccxt.AuthenticationError):
        connect(exchange, buyer.apiKey, "0" * 64).fetch_balance()
