"""`taonet exchange market`: look at the operator's switch, or turn it."""

from pathlib import Path
from typing import Final

from exchange_service.client import ExchangeClient
from exchange_service.switch.operations import MarketStatus
from exchange_service.switch.schemas import StatusView
from taonet.kit.errors import NotFound

TOKEN_FILE: Final = Path("~/.taonet/secrets/exchange_operator")


def turn_market(url: str, status: MarketStatus | None, token_file: Path) -> StatusView:
    """Return the market's status, turned first if one is given."""
    with ExchangeClient(url) as client:
        if status is None:
            return client.market_status()
        return client.turn_market(status, read_token(token_file))


def read_token(token_file: Path) -> str:
    path = token_file.expanduser()
    if not path.is_file():
        raise NotFound(f"no operator's token in {path}; name its file with --token-file")
    return path.read_text().strip()
