"""The market's status on the wire."""

from pydantic import BaseModel

from exchange_service.switch.operations import MarketStatus


class StatusChange(BaseModel):
    status: MarketStatus


class StatusView(BaseModel):
    status: MarketStatus
    since: int
    """Milliseconds since 1970; 0: ever since there is a market."""
