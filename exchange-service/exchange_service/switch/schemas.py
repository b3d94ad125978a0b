"""What the operator sets, on the wire: the market's status, and what accounts pay."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from exchange_service.domain.symbol import PPM
from exchange_service.switch.operations import MarketStatus

Rate = Annotated[int, Field(ge=0, le=PPM, strict=True)]


class StatusChange(BaseModel):
    status: MarketStatus


class StatusView(BaseModel):
    status: MarketStatus
    since: int
    """Milliseconds since 1970; 0: ever since there is a market."""


class FeeRatesChange(BaseModel):
    """What an account's next orders pay, in millionths of the quote."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    maker_ppm: Rate
    taker_ppm: Rate


class FeeRatesView(BaseModel):
    name: str
    """The account's."""
    maker_ppm: int
    taker_ppm: int
