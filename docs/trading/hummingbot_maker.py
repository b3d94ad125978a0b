"""hummingbot's Binance connector and its market maker on Taonet, for some seconds.

Run with hummingbot 20260922: `python hummingbot_maker.py URL API_KEY SECRET SECONDS`.
"""

import asyncio
import json
import sys
from collections import Counter
from decimal import Decimal

from hummingbot.connector.exchange.binance import binance_constants

URL = sys.argv[1]
SOCKETS = URL.replace("http", "ws")
# hummingbot has no setting for these; `{}` is where it puts "com".
binance_constants.REST_URL = f"{URL}/api/"
binance_constants.WSS_URL = f"{SOCKETS}/ws"
binance_constants.WSS_API_URL = f"{SOCKETS}/ws-api/v3"

from hummingbot.connector.exchange.binance.binance_exchange import BinanceExchange  # noqa: E402
from hummingbot.core.clock import Clock, ClockMode  # noqa: E402
from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder  # noqa: E402
from hummingbot.core.event.events import MarketEvent  # noqa: E402
from hummingbot.strategy.market_trading_pair_tuple import MarketTradingPairTuple  # noqa: E402
from hummingbot.strategy.pure_market_making import PureMarketMakingStrategy  # noqa: E402

PAIR = "TAO-BTC"
SPREAD = Decimal("0.001")
AMOUNT = Decimal("0.1")
REFRESH_SECONDS = 3.0
READY_SECONDS = 30
WATCHED = (
    MarketEvent.BuyOrderCreated,
    MarketEvent.SellOrderCreated,
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
)


async def make_market(api_key: str, secret: str, seconds: float) -> Counter[str]:
    """Quote both sides until the time is up; count what the exchange said about it."""
    exchange = BinanceExchange(api_key, secret, trading_pairs=[PAIR])
    seen: Counter[str] = Counter()

    def note(tag: int, source: object, event: object) -> None:
        seen[MarketEvent(tag).name] += 1

    listener = SourceInfoEventForwarder(note)
    for event in WATCHED:
        exchange.add_listener(event, listener)
    with Clock(ClockMode.REALTIME, tick_size=1.0) as clock:
        clock.add_iterator(exchange)
        await wait_until_ready(clock, exchange)
        strategy = PureMarketMakingStrategy()
        strategy.init_params(
            MarketTradingPairTuple(exchange, PAIR, "TAO", "BTC"),
            bid_spread=SPREAD,
            ask_spread=SPREAD,
            order_amount=AMOUNT,
            order_refresh_time=REFRESH_SECONDS,
        )
        clock.add_iterator(strategy)
        await clock.run_til(clock.current_timestamp + seconds)
        clock.remove_iterator(strategy)
        await exchange.cancel_all(10.0)
        await exchange.stop_network()
    return seen


async def wait_until_ready(clock: Clock, exchange: BinanceExchange) -> None:
    for _ in range(READY_SECONDS):
        if exchange.ready:
            return
        await clock.run_til(clock.current_timestamp + 1)
    sys.exit(f"not ready: {exchange.status_dict}")


def main() -> None:
    _, api_key, secret, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(make_market(api_key, secret, float(seconds)))))


if __name__ == "__main__":
    main()
