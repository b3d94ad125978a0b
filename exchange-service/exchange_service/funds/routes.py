"""`/api/v3/account` and `/sapi/v1`: balances, deposit addresses, deposits, withdrawals."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from exchange_service.domain.commands import Asset, RequestWithdrawal
from exchange_service.domain.symbol import SYMBOL
from exchange_service.formats import RAO_PLACES, SAT_PLACES
from exchange_service.funds import deposit_repository, operations, repository
from exchange_service.funds.operations import Desk
from exchange_service.funds.repository import WithdrawalAddress
from exchange_service.funds.schemas import (
    NETWORKS,
    write_account,
    write_asset,
    write_coin,
    write_deposit,
    write_rate,
    write_withdrawal,
    write_withdrawal_address,
)
from exchange_service.orders.repository import find_fee_rates
from exchange_service.parameters import TIME_MAX, Parameters, not_valid
from exchange_service.web import PAGE_MAX, RunningEngine, Signed, Withdrawing, now_ms
from taonet.kit.db import Transaction

PLACES: Final = {Asset.TAO: RAO_PLACES, Asset.BTC: SAT_PLACES}
LABEL_MAX: Final = 48

account_router = APIRouter(prefix="/api/v3", tags=["funds"])
router = APIRouter(prefix="/sapi/v1", tags=["funds"])
own_router = APIRouter(prefix="/exchange/v1", tags=["exchange"])


class Truth(StrEnum):
    """How a yes or no is written; anything else is refused, for it may have meant the other."""

    YES = "true"
    NO = "false"


@dataclass(frozen=True)
class FundsTerms:
    """What the house asks of who brings or takes coins; and of whoever opens an account."""

    desk: Desk
    maker_ppm: int
    taker_ppm: int


def find_terms(request: Request) -> FundsTerms:
    terms: FundsTerms = request.app.state.funds_terms
    return terms


Terms = Annotated[FundsTerms, Depends(find_terms)]


@account_router.get("/account")
def show_account(signed: Signed, engine: RunningEngine, conn: Transaction) -> dict[str, Any]:
    balance = engine.market.balance(signed.account_id)
    omit_zero = signed.parameters.optional_text("omitZeroBalances") == "true"
    rates = find_fee_rates(conn, signed.account_id)
    owes = deposit_repository.owes_shortfall(conn, signed.account_id)
    return write_account(balance, rates, owes, now_ms(), omit_zero)


@router.get("/system/status")
async def show_status() -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


@router.get("/spot/delist-schedule")
async def show_delistings() -> list[dict[str, Any]]:
    """Nothing leaves this market: clients look here each day."""
    return []


@router.get("/account/status")
async def show_account_status(signed: Signed) -> dict[str, str]:
    return {"data": "Normal"}


@router.get("/asset/assetDetail")
async def show_assets(signed: Signed, terms: Terms) -> dict[str, Any]:
    wanted = signed.parameters.choice("asset", Asset) if "asset" in signed.parameters else None
    chosen = [asset for asset in Asset if wanted in (None, asset)]
    return {asset: write_asset(asset, terms.desk) for asset in chosen}


@router.get("/asset/tradeFee")
def show_trade_fee(signed: Signed, conn: Transaction) -> list[dict[str, str]]:
    signed.parameters.check_optional_symbol()
    maker_ppm, taker_ppm = find_fee_rates(conn, signed.account_id)
    return [
        {
            "symbol": SYMBOL,
            "makerCommission": write_rate(maker_ppm),
            "takerCommission": write_rate(taker_ppm),
        }
    ]


@router.get("/capital/config/getall")
def show_coins(signed: Signed, engine: RunningEngine, terms: Terms) -> list[dict[str, Any]]:
    balance = engine.market.balance(signed.account_id)
    return [write_coin(asset, balance, terms.desk) for asset in Asset]


@router.get("/capital/deposit/address")
def show_deposit_address(signed: Signed, conn: Transaction, terms: Terms) -> dict[str, str]:
    asset = read_coin_on_its_network(signed.parameters)
    address = operations.find_deposit_address(conn, terms.desk, signed.account_id, asset)
    return {"address": address, "coin": asset, "tag": "", "url": ""}


@router.get("/capital/deposit/hisrec")
def show_deposits(signed: Signed, conn: Transaction, terms: Terms) -> list[dict[str, Any]]:
    parameters = signed.parameters
    deposits = deposit_repository.list_deposits(
        conn,
        signed.account_id,
        read_coin(parameters),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_MAX, PAGE_MAX),
    )
    return [write_deposit(deposit, terms.desk) for deposit in deposits]


@router.post("/capital/withdraw/apply")
def request_withdrawal(
    signed: Withdrawing, request: Request, engine: RunningEngine, terms: Terms
) -> dict[str, str]:
    parameters = signed.parameters
    asset = read_coin_on_its_network(parameters)
    command = RequestWithdrawal(
        time_ms=0,
        withdrawal_id=0,
        account_id=signed.account_id,
        asset=asset,
        amount=parameters.amount("amount", PLACES[asset]),
        fee=terms.desk.fees[asset],
        address=parameters.text("address"),
        client_withdrawal_id=parameters.client_id("withdrawOrderId"),
    )
    pool = request.app.state.pool
    withdrawal_id = operations.request_withdrawal(engine, pool, terms.desk, command, now_ms())
    return {"id": str(withdrawal_id)}


@router.get("/capital/withdraw/history")
def show_withdrawals(signed: Signed, conn: Transaction, terms: Terms) -> list[dict[str, Any]]:
    parameters = signed.parameters
    withdrawals = repository.list_withdrawals(
        conn,
        signed.account_id,
        read_coin(parameters),
        parameters.optional_text("withdrawOrderId"),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_MAX, PAGE_MAX),
    )
    return [write_withdrawal(withdrawal, terms.desk) for withdrawal in withdrawals]


@own_router.delete("/withdrawals")
def cancel_withdrawal(signed: Withdrawing, conn: Transaction) -> dict[str, str]:
    """Take back the withdrawal named by `id`, as long as it is held or waits."""
    withdrawal_id = signed.parameters.integer("id")
    operations.cancel_withdrawal(conn, signed.account_id, withdrawal_id)
    return {"cancelled": str(withdrawal_id)}


@own_router.get("/withdrawal-addresses")
def list_withdrawal_addresses(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
    rows = repository.list_withdrawal_addresses(conn, signed.account_id)
    return [write_withdrawal_address(row) for row in rows]


@own_router.post("/withdrawal-addresses", status_code=201)
def add_withdrawal_address(signed: Withdrawing, conn: Transaction, terms: Terms) -> dict[str, Any]:
    """Put `address` of a `coin` on the allow-list, with an optional `label`."""
    parameters = signed.parameters
    asset = parameters.choice("coin", Asset)
    label = parameters.optional_text("label")[:LABEL_MAX]
    row = WithdrawalAddress(signed.account_id, asset, parameters.text("address"), label, now_ms())
    operations.add_withdrawal_address(conn, terms.desk, row)
    return write_withdrawal_address(row)


@own_router.delete("/withdrawal-addresses")
def remove_withdrawal_address(signed: Withdrawing, conn: Transaction) -> dict[str, str]:
    asset, address = signed.parameters.choice("coin", Asset), signed.parameters.text("address")
    operations.remove_withdrawal_address(conn, signed.account_id, asset, address)
    return {"removed": address}


@own_router.put("/allow-list")
def enforce_allow_list(signed: Withdrawing, conn: Transaction) -> dict[str, bool]:
    """Pay listed addresses only (`enforced=true`); switching it off takes the usual delay."""
    enforced = signed.parameters.choice("enforced", Truth) is Truth.YES
    repository.enforce_allow_list(conn, signed.account_id, enforced, now_ms())
    return {"enforced": enforced}


def read_coin_on_its_network(parameters: Parameters) -> Asset:
    """Return the coin that must be named; refuse a `network` that is not the coin's own."""
    asset = parameters.choice("coin", Asset)
    if parameters.optional_text("network", NETWORKS[asset]) != NETWORKS[asset]:
        raise not_valid("network")
    return asset


def read_coin(parameters: Parameters) -> str:
    """Return the coin asked for; an empty text stands for all."""
    return parameters.choice("coin", Asset) if "coin" in parameters else ""
