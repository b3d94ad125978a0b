"""Simulated traders: a little buying and selling, so that a fresh box has a living market.

Everything they do is on the public API, from accounts that say what they are, and follows from one
seed. Their orders are real orders of test coins; none is hidden and none is ever against itself.
"""

import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from exchange_service.client import ExchangeClient, ExchangeUnavailable
from exchange_service.domain.symbol import (
    NOTIONAL_SAT_MIN,
    PPM,
    RAO_PER_TAO,
    STEP_RAO,
    TICK_SAT,
    calculate_quote_sat,
)
from exchange_service.formats import btc, tao
from taonet.kit.errors import Refusal
from taonet.kit.logging import get_logger
from taonet.kit.money import parse_btc, parse_tao

ORDER_STEPS_MAX: Final = 30
"""A simulated order: up to 0.3 TAO."""
ACT_CHANCE: Final = 0.6
REST_CHANCE: Final = 0.35
"""How often it is a limit order that may rest, and not one at the market."""
OPEN_MAX: Final = 3
"""Resting orders of one trader; the oldest makes room for the next."""
INSIDE_PPM: Final = 1_500
"""A resting order is at most so far from the middle."""
HOLDING_RAO: Final = 3 * RAO_PER_TAO
"""With more than this in hand, a trader rather sells."""
KEY_MODE: Final = 0o600

log = get_logger(__name__)


class SimulatedTrader:
    """Now and then buys or sells a little."""

    def __init__(self, client: ExchangeClient, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self.orders = 0

    def step(self) -> None:
        if self._chance.random() > ACT_CHANCE:
            return
        quantity_rao = self._chance.randint(1, ORDER_STEPS_MAX) * STEP_RAO
        free_rao = parse_tao(self._client.balances()["TAO"][0])
        eager = self._chance.random() < min(0.9, free_rao / (2 * HOLDING_RAO))
        side = "SELL" if eager and free_rao >= quantity_rao else "BUY"
        if self._chance.random() < REST_CHANCE:
            self._rest(side, quantity_rao)
        else:
            self.orders += attempt(self._client.market_order, side, tao(quantity_rao))

    def _rest(self, side: str, quantity_rao: int) -> None:
        """Place a limit order inside the spread or beside it."""
        ticker = self._client.book_ticker()
        bid_sat, ask_sat = parse_btc(ticker["bidPrice"]), parse_btc(ticker["askPrice"])
        if not bid_sat or not ask_sat:
            return
        middle_sat = (bid_sat + ask_sat) // 2
        away_ppm = self._chance.randint(0, INSIDE_PPM) * (1 if side == "SELL" else -1)
        price_sat = (middle_sat + middle_sat * away_ppm // PPM) // TICK_SAT * TICK_SAT
        if calculate_quote_sat(price_sat, quantity_rao) < NOTIONAL_SAT_MIN:
            return
        resting = self._client.open_orders()
        if len(resting) >= OPEN_MAX:
            attempt(self._client.cancel, orderId=resting[0]["orderId"])
        self.orders += attempt(self._client.limit_order, side, btc(price_sat), tao(quantity_rao))


def attempt(call: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    """Call; a refusal is news about the market and no reason to stop."""
    try:
        call(*arguments, **named)
    except ExchangeUnavailable:
        raise
    except Refusal as refusal:
        log.debug("refused", code=refusal.code, reason=refusal.message)
        return False
    return True


def ensure_keys(client: ExchangeClient, path: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """Return the keys of funded accounts, made at the first call and kept in one file."""
    keys: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
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


def simulate(
    url: str,
    path: Path,
    traders: int,
    seed: int,
    pause_seconds: float,
    stop: threading.Event,
    tell: Callable[[int], None],
) -> int:
    """Trade from so many simulated accounts until told to stop; return the orders placed."""
    # Not for secrets: one seed makes the same flow again.
    names = [f"simulated-trader-{number}" for number in range(1, traders + 1)]
    with ExchangeClient(url) as public:
        keys = ensure_keys(public, path, names)
    crowd = [
        SimulatedTrader(
            ExchangeClient(url, keys[name]["api_key"], keys[name]["secret"]),
            random.Random(f"{seed} {name}"),  # noqa: S311
        )
        for name in names
    ]
    while not stop.wait(pause_seconds):
        for trader in crowd:
            trader.step()
        tell(sum(trader.orders for trader in crowd))
    return sum(trader.orders for trader in crowd)
