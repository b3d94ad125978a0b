"""The books, for everybody to see: whether they balance, and who was paid for what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from taonet.kit.db import Transaction
from validator_service.payouts import statement_repository
from validator_service.payouts.audit import Auditor
from validator_service.payouts.schemas import AuditView, PayoutView, Statement

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
