"""The signer's whole interface: five questions, for the exchange alone."""

import dataclasses
import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request

from chain_service.schemas import Extrinsic
from exchange_service.signer.operations import Signer
from exchange_service.signer.schemas import (
    AddressRequest,
    AddressView,
    BitcoinRequest,
    ChainPlace,
    ChallengeRequest,
    ControlView,
    PaymentView,
    WalletView,
)
from taonet.kit.errors import Unauthenticated


def find_signer(request: Request, authorization: Annotated[str, Header()] = "") -> Signer:
    expected = f"Bearer {request.app.state.token}"
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise Unauthenticated("the signer answers its exchange alone; show its token")
    signer: Signer = request.app.state.signer
    return signer


TheSigner = Annotated[Signer, Depends(find_signer)]
router = APIRouter(tags=["signer"])


@router.get("/wallet")
def show_wallet(signer: TheSigner) -> WalletView:
    return signer.describe()


@router.post("/addresses")
def make_address(body: AddressRequest, signer: TheSigner) -> AddressView:
    return AddressView(address=signer.address(body.account_id, body.asset))


@router.post("/withdrawals/{withdrawal_id}/tao")
def sign_tao(withdrawal_id: int, body: ChainPlace, signer: TheSigner) -> Extrinsic:
    return signer.sign_tao(withdrawal_id, body)


@router.post("/withdrawals/{withdrawal_id}/btc")
def sign_bitcoin(withdrawal_id: int, body: BitcoinRequest, signer: TheSigner) -> PaymentView:
    if body.coins:
        payment = signer.sign_bitcoin(withdrawal_id, body.coins, body.fee_sat, body.height)
    else:
        payment = signer.bump_bitcoin(withdrawal_id, body.fee_sat, body.height)
    return PaymentView.model_validate(dataclasses.asdict(payment))


@router.post("/sweeps/{account_id}")
def sign_sweep(account_id: int, body: ChainPlace, signer: TheSigner) -> Extrinsic:
    return signer.sign_sweep(account_id, body)


@router.post("/proofs")
def prove(body: ChallengeRequest, signer: TheSigner) -> list[ControlView]:
    controls: list[dict[str, Any]] = [one._asdict() for one in signer.prove(body.challenge)]
    return [ControlView.model_validate(one) for one in controls]
