"""`/exchange/v1/reserves`: the proof for all, and for each user the path of its own balances."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from exchange_service.reserves.operations import Prover
from exchange_service.reserves.schemas import PathView, ReservesView
from exchange_service.web import Signed

router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


def find_prover(request: Request) -> Prover:
    prover: Prover = request.app.state.prover
    return prover


TheProver = Annotated[Prover, Depends(find_prover)]


@router.get("/reserves")
def show_reserves(prover: TheProver) -> ReservesView:
    return prover.prove()


@router.get("/reserves/path")
def show_path(signed: Signed, prover: TheProver) -> PathView:
    """Return the signer's path in the proof with this `root`."""
    return prover.find_path(signed.account_id, signed.parameters.text("root"))
