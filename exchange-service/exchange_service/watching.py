"""What the exchange shows of itself besides its engine's own counts: state, depth, reserves."""

import threading
from dataclasses import dataclass
from typing import Final

from psycopg_pool import ConnectionPool

from exchange_service import watch_repository
from exchange_service.engine import Engine
from exchange_service.market_view import Depth
from exchange_service.metrics import RESERVE_MARGIN_RAO, RESERVE_MARGIN_SAT, RESERVE_TIME
from exchange_service.reserves.operations import Prover
from exchange_service.watch_repository import WatchRow
from taonet.kit.db import begin
from taonet.kit.exposition import Exposition
from taonet.kit.logging import get_logger

RESERVE_SECONDS: Final = 30.0
"""Between two looks at what the chains hold for us: each asks once for each address."""
LEVELS_MAX: Final = 1_000
NEAR: Final = 0.02
"""Depth is what stands within so much of the middle."""
ASSETS: Final = ("BTC", "TAO")
WITHDRAWAL_STATES: Final = ("requested", "cancelling", "signed", "completed", "failed")

log = get_logger(__name__)


@dataclass(frozen=True)
class ExchangeState:
    """The exchange's page of metrics, as its tables and the public's view of the book have it."""

    pool: ConnectionPool
    engine: Engine

    def read(self) -> str:
        page = Exposition()
        with begin(self.pool) as conn:
            show_watch(page, watch_repository.load_watch(conn))
            deposits = dict.fromkeys(ASSETS, 0) | dict(watch_repository.count_deposits(conn))
            withdrawals = {(asset, state): 0 for asset in ASSETS for state in WITHDRAWAL_STATES}
            for asset, state, count in watch_repository.count_withdrawals(conn):
                withdrawals[asset, state] = count
        meaning = "Deposits that were credited."
        page.series(
            "counter", "taonet_exchange_deposits_total", meaning, ("asset",), deposits.items()
        )
        page.series(
            "gauge",
            "taonet_exchange_withdrawals",
            "Withdrawals, by state.",
            ("asset", "state"),
            ((*named, count) for named, count in withdrawals.items()),
        )
        show_depth(page, self.engine.market.depth(LEVELS_MAX))
        return str(page)


def show_watch(page: Exposition, row: WatchRow) -> None:
    figures = {
        "owed_satoshi": ("What users hold in BTC.", row.owed_sat),
        "owed_rao": ("What users hold in TAO.", row.owed_rao),
        "engine_silence_seconds": (
            "Since the engine last said that it lives.",
            row.silence_seconds,
        ),
        "history_lag_trades": ("Trades that no candle has taken up.", row.history_lag_trades),
        "journal_entries": ("Entries of the journal.", row.journal_entries),
    }
    for name, (meaning, value) in figures.items():
        page.value("gauge", f"taonet_exchange_{name}", meaning, value)


def show_depth(page: Exposition, depth: Depth) -> None:
    """Show what can be bought and sold near the middle, and whether the book is crossed."""
    sides = {"bid": depth.bids, "ask": depth.asks}
    rows = [(side, 0) for side in sides]
    crossed = 0
    if depth.bids and depth.asks:
        best_bid, best_ask = depth.bids[0][0], depth.asks[0][0]
        middle = (best_bid + best_ask) / 2
        crossed = int(best_bid >= best_ask)
        rows = [
            (side, sum(rao for price, rao in levels if abs(price - middle) <= NEAR * middle))
            for side, levels in sides.items()
        ]
    meaning = "What stands in the book within 2 % of the middle."
    page.series("gauge", "taonet_exchange_depth_rao", meaning, ("side",), rows)
    page.value("gauge", "taonet_exchange_book_crossed", "1: a bid is not below an ask.", crossed)


def watch_reserves(prover: Prover, stop: threading.Event) -> None:
    """Compare what is held with what is owed, now and then, until told to stop."""
    while not stop.is_set():
        try:
            margin_sat, margin_rao = prover.measure_margin()
        except Exception as error:
            # A chain may be away; the age of the last look tells of it.
            log.warning("the reserves could not be measured", error=str(error))
        else:
            RESERVE_MARGIN_SAT.set(margin_sat)
            RESERVE_MARGIN_RAO.set(margin_rao)
            RESERVE_TIME.set_to_current_time()
        stop.wait(RESERVE_SECONDS)
