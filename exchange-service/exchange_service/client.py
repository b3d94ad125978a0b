"""How others reach the exchange: Binance's REST, signed, and our own `/exchange/v1`.

Amounts and prices are decimal strings here, as on the wire: `"0.005"` BTC per TAO, `"1.25"` TAO.
"""

import hashlib
import hmac
import time
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx

from exchange_service.keys.schemas import AuditView, KeyView, MarketMakerView
from exchange_service.reserves.schemas import PathView, ReservesView
from exchange_service.switch.operations import MarketStatus
from exchange_service.switch.schemas import FeeRatesView, StatusView
from taonet.kit.errors import RemoteRefusal

SYMBOL: Final = "TAOBTC"
TIMEOUT_SECONDS: Final = 10.0


class ExchangeRefusal(RemoteRefusal):
    """The exchange said no; `code` is Binance's number as text, such as `-2010`."""


class ExchangeUnavailable(ExchangeRefusal):
    """The exchange does not answer; what it was told to do may have been done, or not."""

    def __init__(self, message: str) -> None:
        super().__init__("ExchangeUnavailable", message, 503)


class ExchangeClient:
    """The exchange at an address; with a key, also what the key's account may do."""

    def __init__(
        self,
        url: str = "",
        api_key: str = "",
        secret: str = "",
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._api_key = api_key
        self._secret = secret.encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # The operator's

    def market_status(self) -> StatusView:
        return StatusView.model_validate(self._get("/exchange/v1/market-status"))

    def turn_market(self, status: MarketStatus, token: str) -> StatusView:
        answer = self._operate("PUT", "market-status", token, json={"status": status})
        return StatusView.model_validate(answer)

    def audit(self, token: str = "") -> AuditView:
        """Return what the audit knows, which everybody may; with a token, check everything anew."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        asked = {"deep": bool(token)}
        answer = self._request("GET", "/exchange/v1/audit", params=asked, headers=headers)
        return AuditView.model_validate(answer)

    def fee_rates(self, name: str, token: str) -> FeeRatesView:
        """Return what the account of this name pays, in millionths of the quote."""
        answer = self._operate("GET", f"accounts/{quote(name, safe='')}/fee-rates", token)
        return FeeRatesView.model_validate(answer)

    def set_fee_rates(self, name: str, maker_ppm: int, taker_ppm: int, token: str) -> FeeRatesView:
        path = f"accounts/{quote(name, safe='')}/fee-rates"
        change = {"maker_ppm": maker_ppm, "taker_ppm": taker_ppm}
        return FeeRatesView.model_validate(self._operate("PUT", path, token, json=change))

    def _operate(self, method: str, path: str, token: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return self._request(method, f"/exchange/v1/{path}", headers=headers, **options)

    # Public

    def exchange_info(self) -> Any:
        return self._get("/api/v3/exchangeInfo")

    def depth(self, limit: int = 100) -> Any:
        return self._get("/api/v3/depth", symbol=SYMBOL, limit=limit)

    def trades(self, limit: int = 100) -> Any:
        return self._get("/api/v3/trades", symbol=SYMBOL, limit=limit)

    def candles(self, interval: str = "1m", limit: int = 100, **times: int) -> Any:
        return self._get("/api/v3/klines", symbol=SYMBOL, interval=interval, limit=limit, **times)

    def ticker(self) -> Any:
        """Return the ticker of the last 24 hours."""
        return self._get("/api/v3/ticker/24hr", symbol=SYMBOL)

    def price(self) -> Any:
        return self._get("/api/v3/ticker/price", symbol=SYMBOL)

    def book_ticker(self) -> Any:
        return self._get("/api/v3/ticker/bookTicker", symbol=SYMBOL)

    def create_key(self, name: str, funded: bool = False, **terms: Any) -> KeyView:
        """Open an account; `terms` are permissions, addresses and public_key of its key."""
        wanted = {"name": name, "funded": funded, **terms}
        answer = self._request("POST", "/exchange/v1/keys", json=wanted)
        return KeyView.model_validate(answer)

    def reserves(self) -> ReservesView:
        """Return a proof of reserves; `verify_reserves` checks it."""
        return ReservesView.model_validate(self._get("/exchange/v1/reserves"))

    def reserves_path(self, root: str) -> PathView:
        """Return the path of one's own balances in the proof with this root."""
        return PathView.model_validate(self._signed("GET", "/exchange/v1/reserves/path", root=root))

    def market_maker(self) -> MarketMakerView:
        return MarketMakerView.model_validate(self._get("/exchange/v1/market-maker"))

    # With a key

    def account(self) -> Any:
        return self._signed("GET", "/api/v3/account")

    def balances(self) -> dict[str, tuple[str, str]]:
        """Return free and locked of each asset, as decimal strings."""
        rows = self.account()["balances"]
        return {row["asset"]: (row["free"], row["locked"]) for row in rows}

    def limit_order(
        self, side: str, price: str, quantity: str, time_in_force: str = "GTC", **more: Any
    ) -> Any:
        return self.order(
            side=side,
            type="LIMIT",
            timeInForce=time_in_force,
            price=price,
            quantity=quantity,
            **more,
        )

    def market_order(self, side: str, quantity: str) -> Any:
        return self.order(side=side, type="MARKET", quantity=quantity)

    def order(self, **parameters: Any) -> Any:
        """Place an order; parameters as Binance names them."""
        return self._signed("POST", "/api/v3/order", symbol=SYMBOL, **parameters)

    def find_order(self, **names: Any) -> Any:
        """Return an order by `orderId` or `origClientOrderId`."""
        return self._signed("GET", "/api/v3/order", symbol=SYMBOL, **names)

    def cancel(self, **names: Any) -> Any:
        """Cancel an order by `orderId` or `origClientOrderId`."""
        return self._signed("DELETE", "/api/v3/order", symbol=SYMBOL, **names)

    def cancel_all(self) -> Any:
        return self._signed("DELETE", "/api/v3/openOrders", symbol=SYMBOL)

    def open_orders(self) -> Any:
        return self._signed("GET", "/api/v3/openOrders", symbol=SYMBOL)

    def all_orders(self, **parameters: Any) -> Any:
        return self._signed("GET", "/api/v3/allOrders", symbol=SYMBOL, **parameters)

    def my_trades(self, **parameters: Any) -> Any:
        return self._signed("GET", "/api/v3/myTrades", symbol=SYMBOL, **parameters)

    def deposit_address(self, coin: str = "TAO") -> str:
        answer = self._signed("GET", "/sapi/v1/capital/deposit/address", coin=coin)
        address: str = answer["address"]
        return address

    def deposits(self) -> Any:
        return self._signed("GET", "/sapi/v1/capital/deposit/hisrec")

    def withdraw(self, amount: str, address: str, name: str = "", coin: str = "TAO") -> Any:
        """Withdraw; `name` makes asking twice the same as asking once."""
        return self._signed(
            "POST",
            "/sapi/v1/capital/withdraw/apply",
            coin=coin,
            amount=amount,
            address=address,
            withdrawOrderId=name,
        )

    def withdrawals(self) -> Any:
        return self._signed("GET", "/sapi/v1/capital/withdraw/history")

    def cancel_withdrawal(self, withdrawal_id: str) -> Any:
        """Take back a withdrawal that is held or waits."""
        return self._signed("DELETE", "/exchange/v1/withdrawals", id=withdrawal_id)

    def withdrawal_addresses(self) -> Any:
        return self._signed("GET", "/exchange/v1/withdrawal-addresses")

    def list_address(self, coin: str, address: str, label: str = "") -> Any:
        """Put an address on the allow-list."""
        return self._signed(
            "POST", "/exchange/v1/withdrawal-addresses", coin=coin, address=address, label=label
        )

    def enforce_allow_list(self, enforced: bool = True) -> Any:
        """Have only listed addresses paid, or any."""
        return self._signed("PUT", "/exchange/v1/allow-list", enforced=str(enforced).lower())

    def _get(self, path: str, **parameters: Any) -> Any:
        return self._request("GET", path, params=parameters)

    def _signed(self, method: str, path: str, **parameters: Any) -> Any:
        payload = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()
        url = f"{path}?{payload}&signature={signature}"
        return self._request(method, url, headers={"X-MBX-APIKEY": self._api_key})

    def _request(self, method: str, url: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, url, **options)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise ExchangeUnavailable(
                f"the exchange at {self._http.base_url} does not answer ({reason}); is it running?"
            ) from None
        if not response.is_error:
            return response.json()
        raise _read_refusal(response)


def _read_refusal(response: httpx.Response) -> ExchangeRefusal:
    try:
        body = response.json()
    except ValueError:
        return ExchangeUnavailable(f"the exchange answered {response.status_code}, no reason given")
    if "error" in body:
        error = body["error"]
        return ExchangeRefusal(error["code"], error["message"], response.status_code)
    return ExchangeRefusal(str(body["code"]), body["msg"], response.status_code)
