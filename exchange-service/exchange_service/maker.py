"""Simulated liquidity: a market maker and a few takers, on the public API like anybody else.

They make a fresh box's market live. Two accounts, `market-maker` and `market-taker`, so that they
trade with each other and never with themselves. Everything they do follows from one seed.
"""

import random
import threading
from typing import Any, Final

from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import Side
from exchange_service.domain.quoting import LEVELS, Quote, drift_fair, plan_quotes
from exchange_service.flow import SimulatedTrader, attempt, ensure_keys
from exchange_service.formats import btc, tao
from exchange_service.settings import MakerSettings
from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger
from taonet.kit.money import parse_btc, parse_tao

MAKER: Final = "market-maker"
TAKER: Final = "market-taker"
NOISE_PPM: Final = 1_200
"""The fair price moves at most so much in one step."""
REQUOTE_PPM: Final = 800
"""Quotes stay while the fair price is this close to the one they were made for."""
RETRY_SECONDS: Final = 2.0

log = get_logger(__name__)


class MarketMaker:
    """Keeps quotes on both sides of a drifting fair price."""

    def __init__(self, client: ExchangeClient, chance: random.Random, anchor_sat: int) -> None:
        self._client = client
        self._chance = chance
        self._anchor_sat = anchor_sat
        self._fair_sat = 0
        self._quoted_sat = 0

    def step(self) -> None:
        """Let the fair price move; requote if the old quotes are off it, or gone."""
        self._fair_sat = self._next_fair()
        orders = self._client.open_orders()
        if len(orders) >= LEVELS * 2 and self._is_close():
            return
        balances = self._client.balances()
        holds_sat = sum(parse_btc(part) for part in balances["BTC"])
        holds_rao = sum(parse_tao(part) for part in balances["TAO"])
        if not holds_rao:
            log.info("the market maker waits for its first TAO")
            return
        self._replace(orders, plan_quotes(self._fair_sat, holds_rao, holds_sat))
        self._quoted_sat = self._fair_sat

    def _next_fair(self) -> int:
        if not self._fair_sat:
            return parse_btc(self._client.price()["price"]) or self._anchor_sat
        noise_ppm = self._chance.randint(-NOISE_PPM, NOISE_PPM)
        return drift_fair(self._fair_sat, self._anchor_sat, noise_ppm)

    def _is_close(self) -> bool:
        moved_sat = abs(self._fair_sat - self._quoted_sat)
        return moved_sat * 1_000_000 <= self._quoted_sat * REQUOTE_PPM

    def _replace(self, orders: list[dict[str, Any]], quotes: list[Quote]) -> None:
        """Cancel what should not stand any more, place what does not stand yet."""
        wanted = {(quote.side, quote.price_sat): quote for quote in quotes}
        for order in orders:
            standing = (Side(order["side"]), parse_btc(order["price"]))
            if wanted.pop(standing, None) is None:
                attempt(self._client.cancel, orderId=order["orderId"])
        for quote in wanted.values():
            attempt(
                self._client.order,
                side=quote.side,
                type="LIMIT_MAKER",
                price=btc(quote.price_sat),
                quantity=tao(quote.quantity_rao),
            )


def make_market(settings: MakerSettings, stop: threading.Event) -> None:
    """Quote and take until told to stop; an exchange that is away is waited for."""
    while not stop.is_set():
        try:
            _trade_until(settings, stop)
        except Refusal as refusal:
            log.warning("the market maker waits", reason=refusal.message)
            stop.wait(RETRY_SECONDS)


def _trade_until(settings: MakerSettings, stop: threading.Event) -> None:
    url = settings.exchange_url
    with ExchangeClient(url) as public:
        keys = ensure_keys(public, settings.maker_key_path(), [MAKER, TAKER])
    with _open(url, keys[MAKER]) as own, _open(url, keys[TAKER]) as other:
        log.info("simulated market", maker_deposit_address=own.deposit_address())
        # Not for secrets: one seed makes the same market again.
        seed = settings.exchange_maker_seed
        maker = MarketMaker(
            own,
            random.Random(f"{seed} maker"),  # noqa: S311
            settings.exchange_maker_start_price_sat,
        )
        takers = SimulatedTrader(other, random.Random(f"{seed} takers"))  # noqa: S311
        while not stop.wait(settings.exchange_maker_interval_seconds):
            maker.step()
            if settings.exchange_maker_flow:
                takers.step()


def _open(url: str, key: dict[str, str]) -> ExchangeClient:
    return ExchangeClient(url, key["api_key"], key["secret"])
