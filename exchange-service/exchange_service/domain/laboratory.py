"""The bare engine on plain commands, for `taonet lab match` and for comparing engines.

Owners are opened as they appear, rich enough never to be short, with as many open orders as they
like, and pay no fees.
"""

from typing import Any, Final

from exchange_service.domain.accounts import TAO_WALLET
from exchange_service.domain.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    Kind,
    OpenAccount,
    PlaceOrder,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import (
    Fact,
    MatchPrevented,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderTriggered,
    Rejected,
    Traded,
)
from exchange_service.domain.refusals import DUPLICATE_ORDER, UNKNOWN_ORDER

RICH: Final = 10**30
DUPLICATE: Final = Rejected(DUPLICATE_ORDER)
UNKNOWN: Final = Rejected(UNKNOWN_ORDER)
ANY_PRICE: Final = frozenset({Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT})


class MalformedCommand(ValueError):
    """A line is no command; its text says why."""


class Laboratory:
    """An exchange whose traders have names and no limits."""

    def __init__(self, self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER) -> None:
        self._exchange = Exchange()
        self._exchange.enforcing = False
        self._owners: dict[str, int] = {}
        self._names: dict[int, Any] = {}
        """The caller's own id of each order that was accepted."""
        self._numbers: dict[Any, int] = {}
        self._self_trade = self_trade

    def run(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """Apply one command and return its reports; raise MalformedCommand for anything else."""
        try:
            command = self._read(line)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedCommand(f"{type(error).__name__}: {error}") from None
        if isinstance(command, Rejected):
            return [self._write(command, line["id"])]
        facts = self._exchange.apply(command)
        if isinstance(command, PlaceOrder) and not isinstance(facts[0], Rejected):
            # Only now: a name stays with the order that has it if another may not take it.
            self._names[command.order_id] = line["id"]
            self._numbers[line["id"]] = command.order_id
        return [self._write(fact, line["id"]) for fact in facts]

    def _read(self, line: dict[str, Any]) -> Command | Rejected:
        operation, name = line["op"], line["id"]
        number = self._numbers.get(name)
        if operation == "new":
            return self._read_order(line) if number not in self._exchange.orders else DUPLICATE
        if number is None:
            return UNKNOWN
        order = self._exchange.orders.get(number)
        owner = order.terms.account_id if order else 0
        if operation == "cancel":
            return CancelOrder(0, owner, number, "")
        if operation == "amend":
            return AmendOrder(0, owner, number, _whole(line["quantity_rao"]))
        raise ValueError(f"op is new, cancel or amend, not {operation!r}")

    def _read_order(self, line: dict[str, Any]) -> PlaceOrder:
        number = self._exchange.last_order_id + 1
        kind = Kind(line.get("type") or "LIMIT")
        return PlaceOrder(
            time_ms=0,
            order_id=number,
            account_id=self._open(str(line.get("owner", "somebody"))),
            side=Side(line["side"]),
            kind=kind,
            # A price with an order at any price says nothing.
            price_sat=0 if kind in ANY_PRICE else _whole(line.get("price_sat") or 0),
            quantity_rao=_whole(line["quantity_rao"]),
            quote_sat=0,
            time_in_force=TimeInForce(line.get("tif") or "GTC"),
            self_trade=self._self_trade,
            client_order_id=str(number),
            stop_price_sat=_whole(line.get("stop_price_sat") or 0),
            iceberg_rao=_whole(line.get("iceberg_rao") or 0),
        )

    def _open(self, owner: str) -> int:
        if owner not in self._owners:
            number = self._exchange.custody.last_account_id + 1
            self._exchange.apply(OpenAccount(0, number, f"owner {owner}", 0, 0, RICH))
            account = self._exchange.accounts[number]
            account.free_rao += RICH
            account.open_orders_max = RICH
            self._exchange.accounts[TAO_WALLET].free_rao -= RICH
            self._owners[owner] = number
        return self._owners[owner]

    def _write(self, fact: Fact, name: Any) -> dict[str, Any]:
        match fact:
            case OrderAccepted():
                return {"report": "accepted", "id": name}
            case Rejected():
                return {"report": "rejected", "id": name, "reason": fact.reason.message}
            case Traded():
                return {
                    "report": "trade",
                    "taker": self._names[fact.taker_order_id],
                    "maker": self._names[fact.maker_order_id],
                    "price_sat": fact.price_sat,
                    "quantity_rao": fact.quantity_rao,
                }
            case OrderCancelled() | OrderExpired():
                report = "cancelled" if isinstance(fact, OrderCancelled) else "expired"
                left_rao = fact.quantity_rao - fact.executed_rao
                name = self._names[fact.terms.order_id]
                return {"report": report, "id": name, "quantity_rao": left_rao}
            case MatchPrevented():
                return {
                    "report": "prevented",
                    "taker": self._names[fact.taker_order_id],
                    "maker": self._names[fact.maker_order_id],
                    "price_sat": fact.price_sat,
                    "taker_rao": fact.taker_rao,
                    "maker_rao": fact.maker_rao,
                }
            case OrderTriggered():
                return {"report": "triggered", "id": self._names[fact.terms.order_id]}
            case OrderAmended():
                return {"report": "amended", "id": name, "quantity_rao": fact.quantity_rao}
            case _:
                raise AssertionError(f"no order leads to {type(fact).__name__}")


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number of rao or satoshi")
    return value
