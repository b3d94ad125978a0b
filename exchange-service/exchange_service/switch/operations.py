"""Closing and opening the market."""

from enum import StrEnum
from typing import Final

from psycopg_pool import ConnectionPool

from exchange_service.domain.refusals import Reason
from exchange_service.errors import BinanceRefusal
from exchange_service.switch import repository
from exchange_service.switch.repository import StatusRow
from taonet.kit.db import begin

MARKET_CLOSED: Final = Reason(-2010, "Market is closed.")


class MarketStatus(StrEnum):
    """What `exchangeInfo` calls a symbol's status."""

    TRADING = "TRADING"
    CANCEL_ONLY = "CANCEL_ONLY"
    """New orders are refused; cancelling, withdrawing and reading go on."""


class Switch:
    """The status that every door looks at before it lets a new order through."""

    def __init__(self, row: StatusRow) -> None:
        self.status = MarketStatus(row.status)
        self.since_ms = row.since_ms

    def check_open(self) -> None:
        if self.status is not MarketStatus.TRADING:
            raise BinanceRefusal(MARKET_CLOSED)

    def turn(self, pool: ConnectionPool, status: MarketStatus, now_ms: int) -> None:
        """Write it down, and only then take effect: no restart undoes what was in force."""
        if status is not self.status:
            with begin(pool) as conn:
                repository.save_status(conn, StatusRow(status, now_ms))
            self.status, self.since_ms = status, now_ms
