"""A Bitcoin node, as far as the exchange needs one: blocks, fees, sending. Core's JSON-RPC."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from taonet.kit.errors import RemoteRefusal, Unavailable
from taonet.kit.money import SATOSHI_PER_BTC

TIMEOUT_SECONDS: Final = 15.0
CONFIRMATION_TARGET: Final = 2
FEE_RATE_FALLBACK: Final = 2
"""Satoshi per virtual byte while the node knows no better, as on an idle regtest."""
VIRTUAL_BYTES_PER_RATE: Final = 1_000
ALREADY_IN_CHAIN: Final = "-27"
NOT_FOUND: Final = "-5"


class NodeRefusal(RemoteRefusal):
    """The node said no; `code` is Core's number as text, such as `-26`."""


class NodeUnavailable(Unavailable):
    """The node does not answer; what it was told to do may have been done, or not."""


class BitcoinNode:
    """The node at an address such as `http://user:password@127.0.0.1:18443`."""

    def __init__(self, url: str, cookie_file: str = "", http: httpx.Client | None = None) -> None:
        parts = urlsplit(url)
        self._auth = (parts.username or "", parts.password or "")
        self._cookie_file = cookie_file
        base = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self._http = http or httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def height(self) -> int:
        return int(self._call("getblockcount"))

    def block_hash(self, height: int) -> str | None:
        """Return the hash of the chain's block at a height; None above the tip."""
        try:
            return str(self._call("getblockhash", height))
        except NodeRefusal as refusal:
            if refusal.code == "-8":
                return None
            raise

    def block(self, block_hash: str) -> dict[str, Any]:
        """Return a block with all its transactions, amounts as Decimal."""
        block: dict[str, Any] = self._call("getblock", block_hash, 2)
        return block

    def send(self, raw: str) -> None:
        """Hand over a transaction; that the node knows it already is as good."""
        try:
            self._call("sendrawtransaction", raw)
        except NodeRefusal as refusal:
            if refusal.code != ALREADY_IN_CHAIN:
                raise

    def knows(self, txid: str) -> bool:
        """Tell whether a transaction waits in the node's memory pool."""
        try:
            self._call("getmempoolentry", txid)
        except NodeRefusal as refusal:
            if refusal.code != NOT_FOUND:
                raise
            return False
        return True

    def fee_rate(self) -> int:
        """Return what is mined soon, in satoshi per virtual byte, rounded up."""
        rate = self._call("estimatesmartfee", CONFIRMATION_TARGET).get("feerate")
        if rate is None:
            return FEE_RATE_FALLBACK
        return max(1, -(-to_sat(rate) // VIRTUAL_BYTES_PER_RATE))

    def is_address(self, address: str) -> bool:
        return bool(self._call("validateaddress", address)["isvalid"])

    def output_sat(self, txid: str, vout: int) -> int:
        """Return what an unspent output of the chain holds; 0 if it is spent or was never there."""
        output = self._call("gettxout", txid, vout, False)
        return to_sat(output["value"]) if output else 0

    def give(self, wallet: str, address: str, amount_sat: int) -> str:
        """Have the node's own wallet pay test coins; return the transaction's id."""
        amount = f"{Decimal(amount_sat) / SATOSHI_PER_BTC:.8f}"
        return str(self._call("sendtoaddress", address, amount, path=f"/wallet/{wallet}"))

    def _call(self, method: str, *params: Any, path: str = "/") -> Any:
        body = {"jsonrpc": "1.0", "id": method, "method": method, "params": list(params)}
        try:
            response = self._http.post(path, json=body, auth=self._login())
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise NodeUnavailable(f"the Bitcoin node does not answer ({reason})") from None
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise NodeUnavailable("the Bitcoin node refuses our user and password")
        try:
            answer = read_answer(response)
        except ValueError:
            raise NodeUnavailable(f"the Bitcoin node answered {response.status_code}") from None
        if refusal := answer.get("error"):
            raise NodeRefusal(str(refusal["code"]), str(refusal["message"]))
        return answer.get("result")

    def _login(self) -> tuple[str, str]:
        if not self._cookie_file:
            return self._auth
        try:
            # Read anew each time: a real node writes another one at every start.
            user, _, password = Path(self._cookie_file).read_text().strip().partition(":")
        except OSError as error:
            raise NodeUnavailable(f"the node's cookie can't be read: {error}") from None
        return user, password


def read_answer(response: httpx.Response) -> dict[str, Any]:
    """Read an answer without letting amounts become floats."""
    answer = response.json(parse_float=Decimal)
    if not isinstance(answer, dict):
        raise ValueError("not an answer")
    return answer


def to_sat(amount: Decimal | int) -> int:
    """Return an amount of BTC in satoshi; Core never gives more than eight decimals."""
    return int(Decimal(amount) * SATOSHI_PER_BTC)
