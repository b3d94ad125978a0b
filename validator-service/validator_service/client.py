"""How others reach a gateway for keys and accounts; for inference there is any OpenAI client."""

from collections.abc import Sequence
from typing import Any, Self

import httpx

from taonet.kit import signing
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair
from validator_service.ledger.schemas import AccountView, GatewayView, KeyView, NewKey
from validator_service.payouts.schemas import AuditView, RefundRequest, RefundView, Statement

TIMEOUT_SECONDS = 10.0
KEYS_PATH = "/v1/keys"
REFUND_PATH = "/v1/account/refund"


class GatewayRefusal(Refusal):
    """The gateway said no, or did not answer; the message says what to do."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class GatewayClient:
    """A gateway at an address."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def gateway(self) -> GatewayView:
        return GatewayView.model_validate(self._request("GET", "/v1/gateway"))

    def create_key(
        self,
        account_keypair: Keypair,
        *,
        label: str = "",
        expires_in_seconds: int | None = None,
        cap_rao: int | None = None,
        scopes: Sequence[str] | None = None,
        sampled: bool = True,
    ) -> NewKey:
        """Make an API key for an account, proved by its own key; `scopes` are all by default."""
        account = account_keypair.ss58_address
        receiver = self.gateway().hotkey
        proof = signing.sign_request(account_keypair, "POST", KEYS_PATH, account.encode(), receiver)
        body: dict[str, Any] = {"account": account, "proof": proof, "label": label}
        if expires_in_seconds is not None:
            body["expires_in_seconds"] = expires_in_seconds
        if cap_rao is not None:
            body["cap_rao"] = str(cap_rao)
        if scopes is not None:
            body["scopes"] = list(scopes)
        body["sampled"] = sampled
        return NewKey.model_validate(self._request("POST", KEYS_PATH, json=body))

    def keys(self, account_keypair: Keypair) -> list[KeyView]:
        """An account's keys, proved by its own key."""
        shown = self._request("GET", KEYS_PATH, headers=self._sign(account_keypair, "GET"))
        return [KeyView.model_validate(key) for key in shown]

    def revoke_key(self, account_keypair: Keypair, key_id: str) -> None:
        path = f"{KEYS_PATH}/{key_id}"
        self._request("DELETE", path, headers=self._sign(account_keypair, "DELETE", path))

    def account(self, api_key: str) -> AccountView:
        headers = {"authorization": f"Bearer {api_key}"}
        return AccountView.model_validate(self._request("GET", "/v1/account", headers=headers))

    def refund(self, account_keypair: Keypair, amount_rao: int | None = None) -> RefundView:
        """Ask for the balance, or a part of it, to be sent to the account's own address."""
        wanted = RefundRequest(amount_rao=amount_rao).model_dump_json(exclude_none=True).encode()
        headers = self._sign(account_keypair, "POST", REFUND_PATH, wanted)
        headers["content-type"] = "application/json"
        return RefundView.model_validate(
            self._request("POST", REFUND_PATH, content=wanted, headers=headers)
        )

    def refunds(self, api_key: str) -> list[RefundView]:
        headers = {"authorization": f"Bearer {api_key}"}
        shown = self._request("GET", "/v1/account/refunds", headers=headers)
        return [RefundView.model_validate(refund) for refund in shown]

    def audit(self) -> AuditView:
        return AuditView.model_validate(self._request("GET", "/v1/audit"))

    def payouts(self, coldkey: str | None = None, limit: int = 20) -> Statement:
        """The newest payouts to Servers, each with the calls that it pays."""
        params = {"limit": limit} | ({} if coldkey is None else {"coldkey": coldkey})
        return Statement.model_validate(self._request("GET", "/v1/payouts", params=params))

    def close(self) -> None:
        self._http.close()

    def _sign(
        self, keypair: Keypair, method: str, path: str = KEYS_PATH, body: bytes = b""
    ) -> dict[str, str]:
        return signing.sign_request(keypair, method, path, body, self.gateway().hotkey)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise GatewayRefusal(
                f"the gateway at {self.url} does not answer ({error}); is it running?", 503
            ) from None
        if response.is_error:
            raise GatewayRefusal(read_reason(response), response.status_code)
        return response.json() if response.content else None


def read_reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {response.status_code} without a reason"
