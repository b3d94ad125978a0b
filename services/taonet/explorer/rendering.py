"""How figures become text, and templates become pages. Everything is escaped."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from taonet.kit.money import RAO_PER_TAO, format_tao

FOLDER = Path(__file__).parent
HASH_LETTERS_SHOWN = 8
SECONDS_PER_YEAR = 365.2425 * 86_400
"""Of the Gregorian calendar, in the mean."""


def tao(amount_rao: int, decimals: int = 3) -> str:
    """Write rao as TAO; what would read as nothing, but is something, says so."""
    text = format_tao(amount_rao, decimals)
    return f"< 0.{'0' * (decimals - 1)}1" if amount_rao and not text.strip("0.,") else text


def million(amount: float) -> str:
    return f"{amount / 10**6:.10g} million"


def short_hash(text: str) -> str:
    return f"{text[:HASH_LETTERS_SHOWN]}…{text[-4:]}" if len(text) > 14 else text


def utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


def share(value: float) -> str:
    """Write a share of one with four decimals; nothing is a dash, easier to look past."""
    return f"{value:.4f}" if value else "–"


def percent(value: float, decimals: int = 1) -> str:
    return f"{value * 100:.{decimals}f}"


def count(value: int) -> str:
    return f"{value:,}"


def price(value: Decimal | None) -> str:
    return f"{value:.6f}" if value is not None else "–"


def day(time_ms: float) -> str:
    """Write a day; a year beyond the calendar's end as a year."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"year {1970 + int(time_ms / 1000 / SECONDS_PER_YEAR):,}"


def reward(amount_rao: float) -> str:
    """Write what a block mints on average in TAO, to the last digit that says something."""
    if amount_rao >= 1:
        return f"{amount_rao / RAO_PER_TAO:.9f}".rstrip("0").rstrip(".")
    return f"{amount_rao / RAO_PER_TAO:.1e}"


def short_number(value: float) -> str:
    """Write a number of any size with four digits that count."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1_000_000 else f"{value:.4g}"


FILTERS = (
    *(tao, million, short_hash, utc, iso, day, share, percent),
    *(count, price, reward, short_number),
)


def create_templates() -> Jinja2Templates:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_function in FILTERS:
        environment.filters[filter_function.__name__] = filter_function
    return Jinja2Templates(env=environment)
