"""`/exchange/v1`: our own part of the API: accounts, keys, the audit."""

from fastapi import APIRouter, Request

from exchange_service.funds import operations as funds
from exchange_service.funds.routes import Terms
from exchange_service.keys import operations, repository
from exchange_service.keys.schemas import AuditView, KeyRequest, KeyView, MarketMakerView
from exchange_service.web import RunningEngine
from taonet.kit.db import Transaction
from taonet.kit.errors import NotFound

MARKET_MAKER = "market-maker"

router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


@router.post("/keys", status_code=201)
def create_key(body: KeyRequest, request: Request, engine: RunningEngine, terms: Terms) -> KeyView:
    state = request.app.state
    rates = operations.FeeRates(terms.maker_ppm, terms.taker_ppm)
    return operations.open_account(engine, state.pool, state.keyring, rates, body.name, body.funded)


@router.get("/audit")
def show_audit(conn: Transaction, engine: RunningEngine) -> AuditView:
    return operations.audit(conn, engine)


@router.get("/market-maker")
def show_market_maker(
    request: Request, conn: Transaction, engine: RunningEngine
) -> MarketMakerView:
    account_id = repository.find_account(conn, MARKET_MAKER)
    if account_id is None:
        raise NotFound("the market maker has not opened its account yet; ask again in a moment")
    balance = engine.market.balance(account_id)
    return MarketMakerView(
        deposit_address=funds.find_deposit_address(conn, request.app.state.wallet, account_id),
        tao_rao=balance.free_rao + balance.locked_rao,
        btc_sat=balance.free_sat + balance.locked_sat,
    )
