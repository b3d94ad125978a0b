"""What /docs says of Binance's endpoints: their parameters, signatures, weights and refusals.

The routes read their parameters from the bytes as they came, which no framework can see. So the
table here names them; a test asks every endpoint without each mandatory one and is refused.
"""

from typing import Any, Final, NamedTuple

from fastapi import FastAPI

from exchange_service.domain.candles import INTERVALS_MS
from exchange_service.domain.commands import (
    Asset,
    Kind,
    ReplaceMode,
    Restriction,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.symbol import SYMBOL
from exchange_service.domain.weights import WEIGHTS, find_weight

PREFIXES: Final = ("/api/v3", "/sapi/v1")
INTRODUCTION: Final = """
Binance Spot's REST for TAO/BTC, for unmodified clients; our own endpoints under `/exchange/v1`.

Signed endpoints want the header `X-MBX-APIKEY` and a `signature` over query and body as sent:
HMAC-SHA256 in hex with the key's secret, or Ed25519 in base64. Amounts are decimal strings.

Doors that stay open: market streams at `/ws/<streams>` and `/stream?streams=<streams>`, with
`SUBSCRIBE`, `UNSUBSCRIBE` and `LIST_SUBSCRIPTIONS`; the WebSocket API at `/ws-api/v3`, where
`userDataStream.subscribe.signature` brings an account's own events. See docs/trading.md.
"""


class Field(NamedTuple):
    """One parameter of an endpoint."""

    name: str
    required: bool = False
    kind: str = "string"
    choices: tuple[str, ...] = ()
    text: str = ""

    def must(self) -> "Field":
        return self._replace(required=True)

    def describe(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": self.kind}
        if self.choices:
            schema["enum"] = list(self.choices)
        return {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "schema": schema,
            "description": self.text,
        }


def number(name: str, text: str = "") -> Field:
    return Field(name, kind="integer", text=text)


def amount(name: str, text: str = "") -> Field:
    return Field(name, text=text or "a decimal number, never rounded")


def choice(name: str, kind: Any) -> Field:
    return Field(name, choices=tuple(str(member) for member in kind))


MAYBE_SYMBOL: Final = Field("symbol", choices=(SYMBOL,))
ITS_SYMBOL: Final = MAYBE_SYMBOL.must()
SYMBOLS: Final = Field("symbols", text='a JSON list, as in ["TAOBTC"]; not beside `symbol`')
LIMIT: Final = number("limit")
FORM: Final = Field("type", choices=("FULL", "MINI"))
ZONE: Final = Field("timeZone", text="hours and minutes ahead of UTC, as in 5:45; 0 by default")
START, END = number("startTime", "milliseconds"), number("endTime", "milliseconds")
FROM: Final = number("fromId")
TICKERS: Final = (MAYBE_SYMBOL, SYMBOLS, FORM)
ORDER_NAME: Final = (number("orderId"), Field("origClientOrderId"))
RESPONSE: Final = Field("newOrderRespType", choices=("ACK", "RESULT", "FULL"))
OWN_NAME: Final = Field("newClientOrderId", text="1 to 36 of a-z, A-Z, 0-9, - and _")
SELF_TRADE: Final = choice("selfTradePreventionMode", SelfTrade)
SIDE: Final = choice("side", Side).must()
RESTRICTIONS: Final = choice(
    "cancelRestrictions", (Restriction.ONLY_NEW, Restriction.ONLY_PARTIALLY_FILLED)
)
ORDER: Final = (
    ITS_SYMBOL,
    SIDE,
    choice("type", Kind).must(),
    choice("timeInForce", TimeInForce),
    amount("quantity"),
    amount("quoteOrderQty", "for MARKET: what to spend or to get, instead of `quantity`"),
    amount("price"),
    amount("stopPrice"),
    amount("icebergQty"),
    OWN_NAME,
    RESPONSE,
    SELF_TRADE,
)
LEG_KINDS: Final = tuple(kind for kind in Kind if kind not in (Kind.LIMIT, Kind.MARKET))
HISTORY: Final = (START, END, LIMIT)
COIN: Final = choice("coin", Asset)
NETWORK: Final = Field("network")


def leg(name: str) -> tuple[Field, ...]:
    """Return the parameters of one leg of a pair, all under its name."""
    return (
        choice(f"{name}Type", LEG_KINDS).must(),
        amount(f"{name}Price"),
        amount(f"{name}StopPrice"),
        choice(f"{name}TimeInForce", TimeInForce),
        amount(f"{name}IcebergQty"),
        Field(f"{name}ClientOrderId"),
    )


PUBLIC: Final[dict[tuple[str, str], tuple[Field, ...]]] = {
    ("get", "/api/v3/ping"): (),
    ("get", "/api/v3/time"): (),
    ("get", "/api/v3/exchangeInfo"): (MAYBE_SYMBOL, SYMBOLS),
    ("get", "/api/v3/depth"): (ITS_SYMBOL, LIMIT),
    ("get", "/api/v3/trades"): (ITS_SYMBOL, LIMIT),
    ("get", "/api/v3/historicalTrades"): (ITS_SYMBOL, LIMIT, FROM),
    ("get", "/api/v3/aggTrades"): (ITS_SYMBOL, FROM, *HISTORY),
    ("get", "/api/v3/klines"): (
        ITS_SYMBOL,
        choice("interval", INTERVALS_MS).must(),
        *HISTORY,
        ZONE,
    ),
    ("get", "/api/v3/uiKlines"): (
        ITS_SYMBOL,
        choice("interval", INTERVALS_MS).must(),
        *HISTORY,
        ZONE,
    ),
    ("get", "/api/v3/avgPrice"): (ITS_SYMBOL,),
    ("get", "/api/v3/ticker/24hr"): TICKERS,
    ("get", "/api/v3/ticker/tradingDay"): (*TICKERS, ZONE),
    ("get", "/api/v3/ticker"): (*TICKERS, Field("windowSize", text="1m…59m, 1h…23h, 1d…7d")),
    ("get", "/api/v3/ticker/price"): (MAYBE_SYMBOL, SYMBOLS),
    ("get", "/api/v3/ticker/bookTicker"): (MAYBE_SYMBOL, SYMBOLS),
    ("get", "/sapi/v1/system/status"): (),
    ("get", "/sapi/v1/spot/delist-schedule"): (),
}
KEYED: Final[dict[tuple[str, str], tuple[Field, ...]]] = {
    ("post", "/api/v3/userDataStream"): (),
    ("put", "/api/v3/userDataStream"): (Field("listenKey").must(),),
    ("delete", "/api/v3/userDataStream"): (Field("listenKey").must(),),
}
SIGNED: Final[dict[tuple[str, str], tuple[Field, ...]]] = {
    ("post", "/api/v3/order"): ORDER,
    ("post", "/api/v3/order/test"): (*ORDER, Field("computeCommissionRates", kind="boolean")),
    ("delete", "/api/v3/order"): (ITS_SYMBOL, *ORDER_NAME, OWN_NAME, RESTRICTIONS),
    ("get", "/api/v3/order"): (ITS_SYMBOL, *ORDER_NAME),
    ("post", "/api/v3/order/cancelReplace"): (
        choice("cancelReplaceMode", ReplaceMode).must(),
        number("cancelOrderId"),
        Field("cancelOrigClientOrderId"),
        Field("cancelNewClientOrderId"),
        RESTRICTIONS,
        *ORDER,
    ),
    ("put", "/api/v3/order/amend/keepPriority"): (
        ITS_SYMBOL,
        *ORDER_NAME,
        OWN_NAME,
        amount("newQty", "less than it was, more than is executed").must(),
    ),
    ("get", "/api/v3/order/amendments"): (
        ITS_SYMBOL,
        number("orderId").must(),
        number("fromExecutionId"),
        LIMIT,
    ),
    ("get", "/api/v3/openOrders"): (MAYBE_SYMBOL,),
    ("delete", "/api/v3/openOrders"): (ITS_SYMBOL,),
    ("get", "/api/v3/allOrders"): (ITS_SYMBOL, number("orderId"), *HISTORY),
    ("get", "/api/v3/myTrades"): (ITS_SYMBOL, number("orderId"), FROM, *HISTORY),
    ("get", "/api/v3/myPreventedMatches"): (
        ITS_SYMBOL,
        number("preventedMatchId"),
        number("orderId"),
        number("fromPreventedMatchId"),
        LIMIT,
    ),
    ("post", "/api/v3/orderList/oco"): (
        ITS_SYMBOL,
        SIDE,
        amount("quantity").must(),
        *leg("above"),
        *leg("below"),
        Field("listClientOrderId"),
        RESPONSE,
        SELF_TRADE,
    ),
    ("delete", "/api/v3/orderList"): (
        ITS_SYMBOL,
        number("orderListId"),
        Field("listClientOrderId"),
        OWN_NAME,
    ),
    ("get", "/api/v3/orderList"): (number("orderListId"), Field("origClientOrderId")),
    ("get", "/api/v3/allOrderList"): (FROM, *HISTORY),
    ("get", "/api/v3/openOrderList"): (),
    ("post", "/api/v3/countdownCancelAll"): (
        ITS_SYMBOL,
        number("countdownTime", "milliseconds; 0 switches it off").must(),
    ),
    ("get", "/api/v3/account"): (Field("omitZeroBalances", kind="boolean"),),
    ("get", "/api/v3/account/commission"): (ITS_SYMBOL,),
    ("get", "/api/v3/rateLimit/order"): (),
    ("get", "/sapi/v1/account/status"): (),
    ("get", "/sapi/v1/asset/assetDetail"): (choice("asset", Asset),),
    ("get", "/sapi/v1/asset/tradeFee"): (MAYBE_SYMBOL,),
    ("get", "/sapi/v1/capital/config/getall"): (),
    ("get", "/sapi/v1/capital/deposit/address"): (COIN.must(), NETWORK),
    ("get", "/sapi/v1/capital/deposit/hisrec"): (COIN, *HISTORY),
    ("post", "/sapi/v1/capital/withdraw/apply"): (
        COIN.must(),
        NETWORK,
        Field("address").must(),
        amount("amount").must(),
        Field("withdrawOrderId"),
    ),
    ("get", "/sapi/v1/capital/withdraw/history"): (COIN, Field("withdrawOrderId"), *HISTORY),
}
SIGNATURE: Final = (
    number("timestamp", "milliseconds, or microseconds").must(),
    Field("recvWindow", kind="number", text="milliseconds; 5000 by default, 60000 at most"),
    Field("signature", required=True, text="over everything else, as it is sent"),
)
REFUSAL: Final = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "msg": {"type": "string"}},
    "required": ["code", "msg"],
}
REFUSALS: Final = {
    "400": "the request is refused, for the reason given",
    "401": "the key is unknown, malformed, or not good for this",
    "418": "this address is banned for a while; Retry-After says how long",
    "429": "too much at once; Retry-After says how long to wait",
    "504": "nobody knows whether it was done (-1007): ask for the order before trying again",
}


def describe(app: FastAPI) -> None:
    """Have /docs say what the table knows."""
    app.description = INTRODUCTION
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            complete(generate())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def complete(schema: dict[str, Any]) -> None:
    """Add parameters, security, weights and refusals to the schema that the framework made."""
    key = {"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"}
    schema.setdefault("components", {})["securitySchemes"] = {"key": key}
    for table, more in ((PUBLIC, ()), (KEYED, ()), (SIGNED, SIGNATURE)):
        for (verb, path), fields in table.items():
            operation = schema["paths"].get(path, {}).get(verb)
            if operation is None:
                continue
            operation["parameters"] = [field.describe() for field in (*fields, *more)]
            if table is not PUBLIC:
                operation["security"] = [{"key": []}]
            operation["description"] = describe_weight(verb.upper(), path)
            for status, text in REFUSALS.items():
                content = {"application/json": {"schema": REFUSAL}}
                operation["responses"][status] = {"description": text, "content": content}
            operation["responses"].pop("422", None)


def describe_weight(verb: str, path: str) -> str:
    if callable(WEIGHTS.get((verb, path))):
        return "Weight: depends on what is asked for."
    return f"Weight: {find_weight(verb, path, {})}."
