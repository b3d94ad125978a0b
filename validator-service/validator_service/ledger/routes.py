"""Keys and accounts over HTTP."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from taonet.kit import signing
from taonet.kit.db import Transaction
from taonet.kit.errors import Forbidden
from validator_service.domain.keys import PREFIX, SECRET_BYTES
from validator_service.ledger import key_repository, operations, repository, usage_repository
from validator_service.ledger.access import Access, AccountHolder, SigningAccount
from validator_service.ledger.deposits import derive_deposit_keypair
from validator_service.ledger.key_repository import KeyRules
from validator_service.ledger.schemas import (
    AccountView,
    CallView,
    GatewayView,
    KeyRequest,
    KeyView,
    NewKey,
    UsageView,
)

router = APIRouter(prefix="/v1", tags=["account"])

KEYS_PATH = "/v1/keys"
HOURS_MAX = 24 * 31
CALLS_MAX = 100


@router.get("/gateway")
def show_gateway(request: Request) -> GatewayView:
    access: Access = request.app.state.access
    return GatewayView(
        name=access.name,
        hotkey=access.hotkey,
        price_input_rao=access.prices.default.input_rao,
        price_output_rao=access.prices.default.output_rao,
    )


@router.post("/keys", status_code=201)
def create_key(body: KeyRequest, request: Request, conn: Transaction) -> NewKey:
    """Make an API key for the account that signed for it."""
    access: Access = request.app.state.access
    signer = signing.verify_request(
        body.proof, "POST", KEYS_PATH, body.account.encode(), access.hotkey
    )
    if signer != body.account:
        raise Forbidden("the proof is signed by another key than the account's own")
    signing.claim_nonce(access.redis, signer, body.proof[signing.NONCE])
    account = operations.open_account(conn, body.account)
    deposit_address = derive_deposit_keypair(access.deposit_seed, account.number).ss58_address
    api_key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    rules = KeyRules(
        body.label, body.expires_in_seconds, body.cap_rao, tuple(body.scopes), body.sampled
    )
    key_id = operations.add_key(conn, account, deposit_address, api_key, rules)
    return NewKey(id=key_id, api_key=api_key, deposit_address=deposit_address)


@router.get("/keys")
def show_keys(account: SigningAccount, conn: Transaction) -> list[KeyView]:
    """The keys of the account that signed this request."""
    return [KeyView(**vars(key)) for key in key_repository.list_keys(conn, account)]


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(
    key_id: Annotated[str, Path(pattern="^[0-9a-f]{16}$")],
    request: Request,
    account: SigningAccount,
    conn: Transaction,
) -> None:
    """Revoke a key of the account that signed this request; calls under way are finished."""
    operations.revoke_key(conn, account, key_id)
    access: Access = request.app.state.access
    access.forget(key_id)


@router.get("/account")
def show_account(who: AccountHolder, conn: Transaction) -> AccountView:
    account = repository.load_account(conn, who.account)
    return AccountView(
        account=account.address,
        balance_rao=account.balance_rao,
        reserved_rao=account.reserved_rao,
        deposit_address=account.deposit_address or "",
    )


@router.get("/account/keys")
def show_own_keys(who: AccountHolder, conn: Transaction) -> list[KeyView]:
    """The keys of the account that one of them belongs to; to revoke one takes a signature."""
    return [KeyView(**vars(key)) for key in key_repository.list_keys(conn, who.account)]


@router.get("/account/usage")
def show_usage(
    who: AccountHolder,
    conn: Transaction,
    hours: Annotated[int, Query(ge=1, le=HOURS_MAX)] = 24,
) -> list[UsageView]:
    """What the account used in each hour in which it used something, the oldest first."""
    rows = usage_repository.list_hours(conn, who.account, hours)
    return [UsageView(**vars(row)) for row in rows]


@router.get("/account/calls")
def show_calls(
    who: AccountHolder,
    conn: Transaction,
    limit: Annotated[int, Query(ge=1, le=CALLS_MAX)] = 20,
) -> list[CallView]:
    """The account's last calls with what they cost and who answered, the newest first."""
    rows = usage_repository.list_calls(conn, who.account, limit)
    return [CallView(**vars(row)) for row in rows]
