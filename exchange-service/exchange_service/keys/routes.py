"""`/exchange/v1`: our own part of the API: accounts, keys, the audit."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import ValidationError

from exchange_service.domain.commands import Asset
from exchange_service.funds import operations as funds
from exchange_service.funds.routes import Terms
from exchange_service.keys import operations, repository
from exchange_service.keys.schemas import (
    AuditView,
    KeyLine,
    KeyRequest,
    KeyTerms,
    KeyView,
    MarketMakerView,
    write_key,
)
from exchange_service.parameters import Parameters
from exchange_service.web import RunningEngine, Signed, Trading, check_operator, now_ms
from taonet.kit.db import Transaction, begin
from taonet.kit.errors import Malformed, NotFound

MARKET_MAKER = "market-maker"
LABEL_MAX = 48

router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


@router.post("/keys", status_code=201)
def create_key(body: KeyRequest, request: Request, engine: RunningEngine, terms: Terms) -> KeyView:
    state = request.app.state
    rates = operations.FeeRates(terms.maker_ppm, terms.taker_ppm)
    return operations.open_account(engine, state.pool, state.keyring, rates, body, terms.desk)


@router.post("/account/keys", status_code=201)
def add_key(signed: Trading, request: Request) -> KeyView:
    """Make another key; parameters `label`, `permissions`, `addresses` (commas), `publicKey`."""
    wanted, label = read_key_terms(signed.parameters)
    state = request.app.state
    with begin(state.pool) as conn:
        key, view = operations.add_key(conn, state.keyring, signed.key, wanted, label, now_ms())
    state.keyring.add(key)
    return view


@router.get("/account/keys")
def list_keys(signed: Signed, conn: Transaction) -> list[KeyLine]:
    return [write_key(row) for row in repository.load_keys(conn, signed.account_id)]


@router.delete("/account/keys")
def revoke_key(signed: Trading, request: Request) -> dict[str, str]:
    """Revoke the key named by the parameter `apiKey`, at once and for good."""
    api_key = signed.parameters.text("apiKey")
    with begin(request.app.state.pool) as conn:
        operations.revoke_key(conn, signed.key, api_key, now_ms())
    request.app.state.keyring.remove(api_key)
    return {"revoked": api_key}


@router.get("/audit")
def show_audit(
    request: Request,
    conn: Transaction,
    engine: RunningEngine,
    deep: bool = False,
    authorization: Annotated[str, Header()] = "",
) -> AuditView:
    """Tell which invariants hold; `deep`, the operator's: compare all tables with each other."""
    if deep:  # The engine takes no orders for as long as it fingerprints its whole state.
        check_operator(request, authorization)
    auditor = request.app.state.auditor
    while auditor.check():
        pass
    return operations.audit(conn, engine, auditor, deep)


@router.get("/market-maker")
def show_market_maker(conn: Transaction, engine: RunningEngine, terms: Terms) -> MarketMakerView:
    account_id = repository.find_account(conn, MARKET_MAKER)
    if account_id is None:
        raise NotFound("the market maker has not opened its account yet; ask again in a moment")
    balance = engine.market.balance(account_id)
    return MarketMakerView(
        deposit_address=funds.find_deposit_address(conn, terms.desk, account_id, Asset.TAO),
        tao_rao=balance.free_rao + balance.locked_rao,
        btc_sat=balance.free_sat + balance.locked_sat,
    )


def read_key_terms(parameters: Parameters) -> tuple[KeyTerms, str]:
    """Return what another key shall be good for: reading and trading, unless said."""
    wanted = {
        "permissions": parameters.optional_text("permissions", "read,trade").split(","),
        "addresses": [part for part in parameters.optional_text("addresses").split(",") if part],
        "public_key": parameters.optional_text("publicKey") or None,
    }
    try:
        return KeyTerms.model_validate(wanted), parameters.optional_text("label")[:LABEL_MAX]
    except ValidationError as error:
        first = error.errors()[0]
        raise Malformed(f"{first['loc'][0]}: {first['msg']}") from None
