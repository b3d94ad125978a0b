"""Simulated liquidity: a market maker and a few takers, on the public API like anybody else.

They make a fresh box's market live. Two accounts, `market-maker` and `market-taker`, so that they
trade with each other and never with themselves. Everything they do follows from one seed.
"""

import json
import os
import random
import threading
from pathlib import Path
from typing import Any, Final

from exchange_service.client import ExchangeClient, ExchangeUnavailable
from exchange_service.domain.commands import Side
from exchange_service.domain.quoting import LEVELS, Quote, drift_fair, plan_quotes
from exchange_service.domain.symbol import RAO_PER_TAO, STEP_RAO
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
TAKE_STEPS_MAX: Final = 30
"""A simulated taker's order: up to 0.3 TAO."""
TAKE_CHANCE: Final = 0.6
TAKER_RAO_MAX: Final = 3 * RAO_PER_TAO
"""Above this the takers rather sell."""
RETRY_SECONDS: Final = 2.0
KEY_MODE: Final = 0o600

log = get_logger(__name__)


def ensure_keys(client: ExchangeClient, path: Path) -> dict[str, dict[str, str]]:
    """Return the keys of both accounts, made at the first call and kept in one file."""
    keys: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    for name in (MAKER, TAKER):
        if name not in keys:
            made = client.create_key(name, funded=True)
            keys[name] = {"api_key": made.api_key, "secret": made.secret}
            save_keys(path, keys)
    return keys


def save_keys(path: Path, keys: dict[str, dict[str, str]]) -> None:
    """Write the keys, readable by their owner only, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, KEY_MODE)
    with open(descriptor, "w") as file:
        json.dump(keys, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


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


class SimulatedTakers:
    """Now and then somebody buys or sells a little at the market."""

    def __init__(self, client: ExchangeClient, chance: random.Random) -> None:
        self._client = client
        self._chance = chance

    def step(self) -> None:
        if self._chance.random() > TAKE_CHANCE:
            return
        quantity_rao = self._chance.randint(1, TAKE_STEPS_MAX) * STEP_RAO
        free_rao = parse_tao(self._client.balances()["TAO"][0])
        sells = self._chance.random() < min(0.9, free_rao / (2 * TAKER_RAO_MAX))
        if sells and free_rao >= quantity_rao:
            attempt(self._client.market_order, "SELL", tao(quantity_rao))
        else:
            attempt(self._client.market_order, "BUY", tao(quantity_rao))


def attempt(call: Any, *arguments: Any, **named: Any) -> None:
    """Call; a refusal is news about the market and no reason to stop."""
    try:
        call(*arguments, **named)
    except ExchangeUnavailable:
        raise
    except Refusal as refusal:
        log.debug("refused", code=refusal.code, reason=refusal.message)


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
        keys = ensure_keys(public, settings.maker_key_path())
    with _open(url, keys[MAKER]) as own, _open(url, keys[TAKER]) as other:
        log.info("simulated market", maker_deposit_address=own.deposit_address())
        # Not for secrets: one seed makes the same market again.
        seed = settings.exchange_maker_seed
        maker = MarketMaker(
            own,
            random.Random(f"{seed} maker"),  # noqa: S311
            settings.exchange_maker_start_price_sat,
        )
        takers = SimulatedTakers(other, random.Random(f"{seed} takers"))  # noqa: S311
        while not stop.wait(settings.exchange_maker_interval_seconds):
            maker.step()
            if settings.exchange_maker_flow:
                takers.step()


def _open(url: str, key: dict[str, str]) -> ExchangeClient:
    return ExchangeClient(url, key["api_key"], key["secret"])
