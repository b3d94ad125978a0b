"""What a python-binance program does, unmodified but for the addresses; prints what worked.

Run with the clients' own Python: `python python_binance_session.py URL API_KEY SECRET`.
"""

import asyncio
import json
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException

SYMBOL = "TAOBTC"
WAIT_SECONDS = 15


def point_at(url: str) -> None:
    """The whole recipe: class attributes."""
    sockets = url.replace("http", "ws")
    for client in (Client, AsyncClient):
        client.API_URL = f"{url}/api"
        client.MARGIN_API_URL = f"{url}/sapi"
        client.WS_API_URL = f"{sockets}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{sockets}/"


def use_rest(client: Client) -> list[str]:
    done = []

    def note(name: str, condition: object) -> None:
        assert condition, name
        done.append(name)

    note("ping", client.ping() == {})
    note("get_server_time", client.get_server_time()["serverTime"])
    note("get_exchange_info", client.get_exchange_info()["symbols"])
    note("get_symbol_info", client.get_symbol_info(SYMBOL)["status"] == "TRADING")
    note("get_order_book", client.get_order_book(symbol=SYMBOL)["bids"])
    note("get_recent_trades", client.get_recent_trades(symbol=SYMBOL))
    note("get_historical_trades", client.get_historical_trades(symbol=SYMBOL, fromId=1))
    note("get_aggregate_trades", client.get_aggregate_trades(symbol=SYMBOL))
    note("get_klines", client.get_klines(symbol=SYMBOL, interval="1m"))
    note("get_historical_klines", client.get_historical_klines(SYMBOL, "1m", "1 day ago UTC"))
    note("get_avg_price", client.get_avg_price(symbol=SYMBOL)["price"])
    note("get_ticker", client.get_ticker(symbol=SYMBOL)["count"])
    note("get_all_tickers", client.get_all_tickers())
    note("get_orderbook_ticker", client.get_orderbook_ticker(symbol=SYMBOL)["bidPrice"])
    note("get_system_status", client.get_system_status()["status"] == 0)
    note("get_account", client.get_account()["balances"])
    note("get_asset_balance", client.get_asset_balance("BTC")["free"])
    note("get_trade_fee", client.get_trade_fee(symbol=SYMBOL))
    note("get_all_coins_info", client.get_all_coins_info())
    note("get_account_status", client.get_account_status() == {"data": "Normal"})
    note("get_asset_details", client.get_asset_details(asset="TAO")["TAO"]["withdrawFee"])
    note("create_test_order", use_orders(client, note) == {})
    return done


def use_orders(client: Client, note: Any) -> Any:
    resting = client.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="0.004")
    note("order_limit_buy", resting["status"] == "NEW")
    named = {"symbol": SYMBOL, "orderId": resting["orderId"]}
    note("get_order", client.get_order(**named)["status"] == "NEW")
    note("get_open_orders", len(client.get_open_orders(symbol=SYMBOL)) == 1)
    note("cancel_order", client.cancel_order(**named)["status"] == "CANCELED")
    filled = client.order_market_buy(symbol=SYMBOL, quantity="0.1")
    note("order_market_buy", filled["fills"])
    stop = client.create_order(
        symbol=SYMBOL,
        side="SELL",
        type="STOP_LOSS_LIMIT",
        timeInForce="GTC",
        quantity="0.1",
        price="0.0044",
        stopPrice="0.0045",
    )
    note("create_order STOP_LOSS_LIMIT", stop["orderId"])
    client.cancel_order(symbol=SYMBOL, orderId=stop["orderId"])
    pair = client.create_oco_order(
        symbol=SYMBOL,
        side="SELL",
        quantity="0.1",
        aboveType="LIMIT_MAKER",
        abovePrice="0.006",
        belowType="STOP_LOSS_LIMIT",
        belowPrice="0.0044",
        belowStopPrice="0.0045",
        belowTimeInForce="GTC",
    )
    note("create_oco_order", pair["contingencyType"] == "OCO")
    client.cancel_order(symbol=SYMBOL, orderId=pair["orders"][0]["orderId"])
    note("get_all_orders", len(client.get_all_orders(symbol=SYMBOL)) >= 4)
    note("get_my_trades", client.get_my_trades(symbol=SYMBOL)[-1]["orderId"])
    try:
        client.order_limit_buy(symbol=SYMBOL, quantity="100000", price="0.005")
    except BinanceAPIException as refused:
        note("BinanceAPIException", (refused.code, refused.status_code) == (-2010, 400))
    return client.create_test_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="0.005"
    )


async def use_sockets(api_key: str, secret: str) -> list[str]:
    client = await AsyncClient.create(api_key, secret)
    manager = BinanceSocketManager(client)
    sockets = {
        "trade_socket": manager.trade_socket(SYMBOL),
        "depth_socket": manager.depth_socket(SYMBOL, interval=100),
        "depth_socket 5": manager.depth_socket(SYMBOL, depth="5"),
        "kline_socket": manager.kline_socket(SYMBOL),
        "symbol_ticker_socket": manager.symbol_ticker_socket(SYMBOL),
        "symbol_book_ticker_socket": manager.symbol_book_ticker_socket(SYMBOL),
        "miniticker_socket": manager.miniticker_socket(),
        "multiplex_socket": manager.multiplex_socket(["taobtc@aggTrade", "taobtc@bookTicker"]),
        "user_socket": manager.user_socket(),
    }
    done = []
    for name, socket in sockets.items():
        async with socket as stream:
            if name == "user_socket":
                await client.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="0.004")
            async with asyncio.timeout(WAIT_SECONDS):
                message = await stream.recv()
            assert message, name
            done.append(name)
    placed = await client.ws_create_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.5", price="0.0041"
    )
    assert placed["status"] == "NEW"
    await client.ws_cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
    done += ["ws_create_order", "ws_cancel_order"]
    await client.close_connection()
    return done


def main() -> None:
    url, api_key, secret = sys.argv[1:]
    point_at(url)
    done = use_rest(Client(api_key, secret))
    done += asyncio.run(use_sockets(api_key, secret))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
