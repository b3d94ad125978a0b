"""How the exchange reaches its signer."""

from typing import Any, Final, Protocol

import httpx

from chain_service.schemas import Extrinsic
from exchange_service.domain.commands import Asset
from exchange_service.signer.schemas import (
    AddressView,
    ChainPlace,
    ControlView,
    Outpoint,
    PaymentView,
    WalletView,
)
from taonet.kit.errors import RemoteRefusal, Unavailable

TIMEOUT_SECONDS: Final = 10.0


class Signing(Protocol):
    """What the exchange may ask of whoever holds the keys."""

    def describe(self) -> Any: ...

    def address(self, account_id: int, asset: Asset) -> str: ...

    def sign_tao(self, withdrawal_id: int, place: ChainPlace) -> Extrinsic: ...

    def sign_sweep(self, account_id: int, place: ChainPlace) -> Extrinsic: ...

    def sign_bitcoin(
        self, withdrawal_id: int, outpoints: list[Outpoint], fee_sat: int, height: int
    ) -> Any: ...

    def bump_bitcoin(self, withdrawal_id: int, fee_sat: int, height: int) -> Any: ...

    def prove(self, challenge: str) -> Any: ...


class SignerClient:
    """The signer at an address; raises its refusals, or Unavailable."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        self._http.close()

    def describe(self) -> WalletView:
        return WalletView.model_validate(self._ask("GET", "/wallet"))

    def address(self, account_id: int, asset: Asset) -> str:
        answer = self._ask("POST", "/addresses", {"account_id": account_id, "asset": asset})
        return AddressView.model_validate(answer).address

    def sign_tao(self, withdrawal_id: int, place: ChainPlace) -> Extrinsic:
        answer = self._ask("POST", f"/withdrawals/{withdrawal_id}/tao", place.model_dump())
        return Extrinsic.model_validate(answer)

    def sign_sweep(self, account_id: int, place: ChainPlace) -> Extrinsic:
        answer = self._ask("POST", f"/sweeps/{account_id}", place.model_dump())
        return Extrinsic.model_validate(answer)

    def sign_bitcoin(
        self, withdrawal_id: int, outpoints: list[Outpoint], fee_sat: int, height: int
    ) -> PaymentView:
        coins = [outpoint.model_dump() for outpoint in outpoints]
        body = {"coins": coins, "fee_sat": str(fee_sat), "height": height}
        answer = self._ask("POST", f"/withdrawals/{withdrawal_id}/btc", body)
        return PaymentView.model_validate(answer)

    def bump_bitcoin(self, withdrawal_id: int, fee_sat: int, height: int) -> PaymentView:
        return self.sign_bitcoin(withdrawal_id, [], fee_sat, height)

    def prove(self, challenge: str) -> list[ControlView]:
        answer = self._ask("POST", "/proofs", {"challenge": challenge})
        return [ControlView.model_validate(one) for one in answer]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the exchange's signer does not answer ({reason})") from None
        if not response.is_error:
            return response.json()
        try:
            refusal = response.json()["error"]
        except (ValueError, KeyError):
            raise Unavailable(f"the exchange's signer answered {response.status_code}") from None
        raise RemoteRefusal(refusal["code"], refusal["message"], response.status_code)
