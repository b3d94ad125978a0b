"""`taonet exchange market` and `fees`: look at what is the operator's, or change it."""

from pathlib import Path
from typing import Final

from exchange_service.client import ExchangeClient
from exchange_service.switch.operations import MarketStatus
from exchange_service.switch.schemas import FeeRatesView, StatusView
from taonet.kit.errors import NotFound

TOKEN_FILE: Final = Path("~/.taonet/secrets/exchange_operator")


def turn_market(url: str, status: MarketStatus | None, token_file: Path) -> StatusView:
    """Return the market's status, turned first if one is given."""
    with ExchangeClient(url) as client:
        if status is None:
            return client.market_status()
        return client.turn_market(status, read_token(token_file))


def change_fees(
    url: str, name: str, maker_ppm: int | None, taker_ppm: int | None, token_file: Path
) -> FeeRatesView:
    """Return what an account pays, changed first if a rate is given; the other one stays."""
    token = read_token(token_file)
    with ExchangeClient(url) as client:
        rates = client.fee_rates(name, token)
        if maker_ppm is None and taker_ppm is None:
            return rates
        maker_ppm = rates.maker_ppm if maker_ppm is None else maker_ppm
        taker_ppm = rates.taker_ppm if taker_ppm is None else taker_ppm
        return client.set_fee_rates(name, maker_ppm, taker_ppm, token)


def read_token(token_file: Path) -> str:
    path = token_file.expanduser()
    if not path.is_file():
        raise NotFound(f"no operator's token in {path}; name its file with --token-file")
    return path.read_text().strip()
