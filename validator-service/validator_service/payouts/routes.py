"""The books, for everybody to see; and for consumers the way to have a balance back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from taonet.kit.db import Transaction, begin
from validator_service.ledger.access import AccountHolder, SigningAccount
from validator_service.payouts import refund_repository, statement_repository
from validator_service.payouts.audit import Auditor
from validator_service.payouts.refunding import Fees, request_refund
from validator_service.payouts.schemas import (
    AuditView,
    PayoutView,
    RefundRequest,
    RefundView,
    Statement,
)

PAGE_MAX = 100
PAGE = 20

router = APIRouter(prefix="/v1", tags=["books"])


@router.get("/audit")
async def show_audit(request: Request) -> AuditView:
    """The books against themselves, and against the chain balances of this gateway's addresses."""
    auditor: Auditor = request.app.state.auditor
    return await auditor.audit()


@router.get("/payouts")
def show_payouts(
    conn: Transaction,
    coldkey: Annotated[str | None, Query(pattern="^[0-9A-Za-z]{1,60}$")] = None,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
) -> Statement:
    """Payouts to Servers, the newest first, each with the calls that it pays."""
    rows = statement_repository.list_payouts(conn, coldkey, before, limit)
    payouts = [
        PayoutView(**vars(row), calls=statement_repository.list_calls(conn, row.id)) for row in rows
    ]
    return Statement(payouts=payouts, next_before=rows[-1].id if len(rows) == limit else None)


@router.post("/account/refund", status_code=202)
async def create_refund(
    body: RefundRequest, request: Request, account: SigningAccount
) -> RefundView:
    """Send the balance, or a part of it, to the account that signed this request."""
    auditor: Auditor = request.app.state.auditor
    parameters = await auditor.chain.parameters()
    fees = Fees(
        parameters.transfer_fee_rao,
        parameters.fee_rao_per_byte,
        parameters.existential_deposit_rao,
    )

    def book() -> RefundView:
        with begin(request.app.state.pool) as conn:
            request_refund(conn, account, body.amount_rao, fees)
            return RefundView(**vars(refund_repository.list_refunds(conn, account, 1)[0]))

    return await run_in_threadpool(book)


@router.get("/account/refunds")
def show_refunds(who: AccountHolder, conn: Transaction) -> list[RefundView]:
    """The account's refunds, the newest first."""
    rows = refund_repository.list_refunds(conn, who.account, PAGE_MAX)
    return [RefundView(**vars(row)) for row in rows]
