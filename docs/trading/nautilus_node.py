"""A nautilus_trader node: it watches TAO/BTC, buys once, offers it dearer, takes that back.

Run with nautilus_trader 1.221.0: `python nautilus_node.py URL API_KEY SECRET`.
"""

import json
import sys
from decimal import Decimal

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderAccepted, OrderCanceled, OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

MARKET = InstrumentId.from_str("TAOBTC.BINANCE")
QUANTITY = Decimal("0.05")


class BuyOnce(Strategy):
    """Buys at the market with the first quote; offers it far above; cancels; ends the node."""

    def __init__(self) -> None:
        super().__init__(StrategyConfig(strategy_id="ONCE-001"))
        self.seen: list[str] = []

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(MARKET)
        self.note(f"instrument tick {self.instrument.price_increment}")
        self.subscribe_quote_ticks(MARKET)
        self.subscribe_trade_ticks(MARKET)

    def note(self, what: str) -> None:
        if what not in self.seen:
            self.seen.append(what)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        if "quote" not in self.seen:
            self.note("quote")
            quantity = self.instrument.make_qty(QUANTITY)
            self.submit_order(self.order_factory.market(MARKET, OrderSide.BUY, quantity))
        self.end_if_done()

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.note("trade")
        self.end_if_done()

    def on_order_filled(self, event: OrderFilled) -> None:
        self.note(f"filled {event.last_qty} with {event.commission}")
        if self.cache.order(event.client_order_id).is_closed:
            price = self.instrument.make_price(event.last_px.as_decimal() * 2)
            quantity = self.instrument.make_qty(QUANTITY)
            self.submit_order(self.order_factory.limit(MARKET, OrderSide.SELL, quantity, price))

    def on_order_accepted(self, event: OrderAccepted) -> None:
        order = self.cache.order(event.client_order_id)
        if order.side is OrderSide.SELL:
            self.note("resting order accepted")
            self.cancel_order(order)

    def on_order_canceled(self, event: OrderCanceled) -> None:
        self.note("cancelled")
        self.end_if_done()

    def on_stop(self) -> None:
        self.note("stopped")

    def end_if_done(self) -> None:
        if {"trade", "cancelled"} <= set(self.seen):
            self.shutdown_system("all was seen")


def main() -> None:
    url, api_key, secret = sys.argv[1:]
    shared = {
        "api_key": api_key,
        "api_secret": secret,
        "account_type": BinanceAccountType.SPOT,
        "base_url_http": url,
        "base_url_ws": url.replace("http", "ws"),
        "instrument_provider": InstrumentProviderConfig(load_ids=frozenset({MARKET})),
    }
    config = TradingNodeConfig(
        trader_id=TraderId("TAONET-001"),
        logging=LoggingConfig(log_level="WARNING"),
        exec_engine=LiveExecEngineConfig(reconciliation=True),
        data_clients={BINANCE: BinanceDataClientConfig(**shared)},
        exec_clients={BINANCE: BinanceExecClientConfig(**shared)},
    )
    node = TradingNode(config=config)
    strategy = BuyOnce()
    node.trader.add_strategy(strategy)
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    try:
        node.run()
    finally:
        node.dispose()
    print(json.dumps(strategy.seen))


if __name__ == "__main__":
    main()
