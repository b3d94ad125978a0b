"""`/api/v3/account` and `/sapi/v1`: balances, deposit addresses, deposits, withdrawals."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from exchange_service.domain.commands import Asset, RequestWithdrawal
from exchange_service.domain.facts import WithdrawalRequested
from exchange_service.domain.symbol import SYMBOL
from exchange_service.engine import execute
from exchange_service.formats import RAO_PLACES
from exchange_service.funds import operations, repository
from exchange_service.funds.schemas import (
    write_account,
    write_coin,
    write_deposit,
    write_rate,
    write_withdrawal,
)
from exchange_service.funds.wallet import Wallet
from exchange_service.parameters import TIME_MAX, Parameters
from exchange_service.web import PAGE_MAX, RunningEngine, Signed, Withdrawing, now_ms
from taonet.kit.db import Transaction

account_router = APIRouter(prefix="/api/v3", tags=["funds"])
router = APIRouter(prefix="/sapi/v1", tags=["funds"])


@dataclass(frozen=True)
class FundsTerms:
    """What the house asks of who brings or takes coins."""

    wallet: Wallet
    maker_ppm: int
    taker_ppm: int
    withdrawal_fee_rao: int
    confirmations: int


def find_terms(request: Request) -> FundsTerms:
    terms: FundsTerms = request.app.state.funds_terms
    return terms


Terms = Annotated[FundsTerms, Depends(find_terms)]


@account_router.get("/account")
def show_account(signed: Signed, engine: RunningEngine, terms: Terms) -> dict[str, Any]:
    balance = engine.market.balance(signed.account_id)
    omit_zero = signed.parameters.optional_text("omitZeroBalances") == "true"
    return write_account(balance, terms.maker_ppm, terms.taker_ppm, now_ms(), omit_zero)


@router.get("/system/status")
async def show_status() -> dict[str, Any]:
    return {"status": 0, "msg": "normal"}


@router.get("/asset/tradeFee")
async def show_trade_fee(signed: Signed, terms: Terms) -> list[dict[str, str]]:
    signed.parameters.check_optional_symbol()
    return [
        {
            "symbol": SYMBOL,
            "makerCommission": write_rate(terms.maker_ppm),
            "takerCommission": write_rate(terms.taker_ppm),
        }
    ]


@router.get("/capital/config/getall")
def show_coins(signed: Signed, engine: RunningEngine, terms: Terms) -> list[dict[str, Any]]:
    balance = engine.market.balance(signed.account_id)
    fee_rao, confirmations = terms.withdrawal_fee_rao, terms.confirmations
    return [write_coin(asset, balance, fee_rao, confirmations) for asset in Asset]


@router.get("/capital/deposit/address")
def show_deposit_address(signed: Signed, conn: Transaction, terms: Terms) -> dict[str, str]:
    asset = signed.parameters.choice("coin", Asset)
    operations.check_on_chain(asset)
    address = operations.find_deposit_address(conn, terms.wallet, signed.account_id)
    return {"address": address, "coin": asset, "tag": "", "url": ""}


@router.get("/capital/deposit/hisrec")
def show_deposits(signed: Signed, conn: Transaction, terms: Terms) -> list[dict[str, Any]]:
    parameters = signed.parameters
    deposits = repository.list_deposits(
        conn,
        signed.account_id,
        read_coin(parameters),
        parameters.optional_integer("startTime", 0),
        parameters.optional_integer("endTime", TIME_MAX),
        parameters.limit(PAGE_MAX, PAGE_MAX),
    )
    return [write_deposit(deposit, terms.confirmations) for deposit in deposits]


@router.post("/capital/withdraw/apply")
async def request_withdrawal(
    signed: Withdrawing, engine: RunningEngine, terms: Terms
) -> dict[str, str]:
    parameters = signed.parameters
    command = RequestWithdrawal(
        time_ms=0,
        withdrawal_id=0,
        account_id=signed.account_id,
        asset=parameters.choice("coin", Asset),
        amount=parameters.amount("amount", RAO_PLACES),
        fee=terms.withdrawal_fee_rao,
        address=parameters.text("address"),
        client_withdrawal_id=parameters.client_id("withdrawOrderId"),
    )
    operations.check_withdrawal(command, terms.wallet)
    (requested,) = await execute(engine, command)
    assert isinstance(requested, WithdrawalRequested)
    return {"id": str(requested.withdrawal_id)}


@router.get("/capital/withdraw/history")
def show_withdrawals(signed: Signed, conn: Transaction) -> list[dict[str, Any]]:
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
    return [write_withdrawal(withdrawal) for withdrawal in withdrawals]


def read_coin(parameters: Parameters) -> str:
    """Return the coin asked for; an empty text stands for all."""
    return parameters.choice("coin", Asset) if "coin" in parameters else ""
