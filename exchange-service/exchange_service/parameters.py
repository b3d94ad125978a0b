"""Binance's parameters: read from the bytes as they came, each checked and refused in its words."""

import re
from enum import StrEnum
from functools import cache
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from exchange_service.domain.refusals import Reason
from exchange_service.domain.symbol import SYMBOL
from exchange_service.errors import INVALID_SYMBOL, BinanceRefusal

PARAMETERS_MAX: Final = 64
TIME_MAX: Final = 2**62
"""Later than any time in milliseconds."""
INTEGER_DIGITS_MAX: Final = 18
DECIMAL_RANGE: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
DECIMAL_DIGITS_MAX: Final = 20
WITHOUT_NULL: Final = r"^[^\x00]*$"
CLIENT_ID_RANGE: Final = r"^[a-zA-Z0-9-_]{1,36}$"
CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
INVALID_CHOICES: Final = {
    "timeInForce": Reason(-1115, "Invalid timeInForce."),
    "type": Reason(-1116, "Invalid orderType."),
    "side": Reason(-1117, "Invalid side."),
    "newOrderRespType": Reason(-1118, "Invalid newOrderRespType."),
}
DUPLICATED: Final = Reason(-1101, "Duplicate values for a parameter detected.")
UNREADABLE: Final = Reason(-1100, "Illegal characters found in a parameter.")

Choice = TypeVar("Choice", bound=StrEnum)


class Parameters:
    """What a request asks for, by name. What is in the query and in the body: the query wins."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @classmethod
    def read(cls, query: bytes, body: bytes) -> "Parameters":
        """Return the parameters of a request over HTTP, or refuse them."""
        return cls({**_parse(body), **_parse(query)} if body else _parse(query))

    def values(self) -> dict[str, str]:
        return self._values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.optional_text(name)
        if not value:
            raise missing(name)
        return value

    def optional_text(self, name: str, default: str = "") -> str:
        value = self._values.get(name) or default
        if "\0" in value:  # The one character that Postgres keeps in no text.
            raise illegal(name, WITHOUT_NULL)
        return value

    def integer(self, name: str) -> int:
        return self._integer(name, self.text(name))

    def optional_integer(self, name: str, default: int) -> int:
        return self._integer(name, self._values[name]) if self._values.get(name) else default

    def limit(self, default: int, maximum: int) -> int:
        """Return `limit`: more than the most is cut to it, as Binance does."""
        limit = self.optional_integer("limit", default)
        if limit < 1:
            raise illegal("limit", "an integer above 0")
        return min(limit, maximum)

    def amount(self, name: str, decimals: int) -> int:
        """Return a decimal number as an integer of its smallest unit; never rounded."""
        value = self.text(name)
        parts = split_decimal(value, DECIMAL_DIGITS_MAX, DECIMAL_DIGITS_MAX)
        if parts is None:
            raise illegal(name, DECIMAL_RANGE)
        whole, fraction = parts[0], parts[1].rstrip("0")
        if len(fraction) > decimals:
            raise BinanceRefusal(Reason(-1111, f"Parameter '{name}' has too much precision."))
        return int(whole + fraction.ljust(decimals, "0"))

    def choice(self, name: str, kind: type[Choice], default: Choice | None = None) -> Choice:
        value = self._values.get(name, "")
        if not value and default is not None:
            return default
        if not value:
            raise missing(name)
        choice: Choice | None = list_choices(kind).get(value)
        if choice is None:
            reason = INVALID_CHOICES.get(name)
            raise BinanceRefusal(reason) if reason is not None else not_valid(name)
        return choice

    def client_id(self, name: str) -> str:
        """Return an id of the client's own making, or an empty text."""
        value = self._values.get(name, "")
        if value and CLIENT_ID.fullmatch(value) is None:
            raise illegal(name, CLIENT_ID_RANGE)
        return value

    def check_symbol(self) -> None:
        if self.text("symbol") != SYMBOL:
            raise BinanceRefusal(INVALID_SYMBOL)

    def check_optional_symbol(self) -> None:
        if "symbol" in self:
            self.check_symbol()

    def forbid(self, *names: str) -> None:
        """Refuse parameters that this request has no use for."""
        for name in names:
            if name in self:
                text = f"Parameter '{name}' sent when not required."
                raise BinanceRefusal(Reason(-1106, text))

    def _integer(self, name: str, value: str) -> int:
        if not is_digits(value, INTEGER_DIGITS_MAX):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value)


def is_digits(text: str, length_max: int) -> bool:
    """Tell whether a text is a number: only of the digits 0 to 9, at least one of them."""
    # A regular expression says the same and takes twice as long, several times for each order.
    return len(text) <= length_max and text.isascii() and text.isdigit()


def split_decimal(text: str, whole_max: int, fraction_max: int) -> tuple[str, str] | None:
    """Return the digits before the point and, if there is one, after it; None if it is no number.

    The two are the most digits that either may have.
    """
    whole, point, fraction = text.partition(".")
    if is_digits(whole, whole_max) and (not point or is_digits(fraction, fraction_max)):
        return whole, fraction
    return None


@cache
def list_choices(kind: type[Choice]) -> dict[str, Choice]:
    """Return an enumeration's members by their text."""
    return {str(member): member for member in kind}


def missing(name: str) -> BinanceRefusal:
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return BinanceRefusal(Reason(-1102, text))


def not_valid(name: str) -> BinanceRefusal:
    return BinanceRefusal(Reason(-1130, f"Data sent for parameter '{name}' is not valid."))


def illegal(name: str, legal: str) -> BinanceRefusal:
    text = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return BinanceRefusal(Reason(-1100, text))


def _parse(raw: bytes) -> dict[str, str]:
    if not raw:
        return {}
    try:
        text = raw.decode()
        if "%" in text or "+" in text or text.count("&") >= PARAMETERS_MAX:
            pairs = parse_qsl(
                text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
            )
        else:  # Nothing is encoded, as nearly always: the same, five times as fast.
            return _split(text)
    except ValueError:
        raise BinanceRefusal(UNREADABLE) from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise BinanceRefusal(DUPLICATED)
    return values


def _split(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            if name in values:
                raise BinanceRefusal(DUPLICATED)
            values[name] = value
    return values
