"""Balances, deposits and withdrawals in Binance's words."""

from datetime import UTC, datetime
from typing import Any, Final

from exchange_service.domain.commands import Asset
from exchange_service.formats import RAO_PLACES, btc, decimal, tao
from exchange_service.funds.repository import Deposit, Withdrawal
from exchange_service.repository import Balance

NETWORKS: Final = {Asset.TAO: "TAO", Asset.BTC: "BTC"}
NAMES: Final = {Asset.TAO: "Tao", Asset.BTC: "Test bitcoin"}
DEPOSIT_DONE: Final = 1
WITHDRAWAL_STATUSES: Final = {"requested": 2, "signed": 4, "completed": 6, "failed": 5}
"""Binance's numbers: awaiting approval, processing, completed, failure."""
ADDRESS_PATTERN: Final = "^5[1-9A-HJ-NP-Za-km-z]{46,48}$"


def write_account(
    balance: Balance, maker_ppm: int, taker_ppm: int, now_ms: int, omit_zero: bool
) -> dict[str, Any]:
    rows = [
        (Asset.BTC, btc(balance.free_sat), btc(balance.locked_sat), balance[1:3]),
        (Asset.TAO, tao(balance.free_rao), tao(balance.locked_rao), balance[3:5]),
    ]
    return {
        "makerCommission": maker_ppm // 100,
        "takerCommission": taker_ppm // 100,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": write_rate(maker_ppm),
            "taker": write_rate(taker_ppm),
            "buyer": write_rate(0),
            "seller": write_rate(0),
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": True,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": free, "locked": locked}
            for asset, free, locked, amounts in rows
            if any(amounts) or not omit_zero
        ],
        "permissions": ["SPOT"],
        "uid": balance.account_id,
    }


def write_rate(ppm: int) -> str:
    """Write a fee rate as a share of one."""
    return decimal(ppm * 100, 8)


def write_coin(asset: Asset, balance: Balance, fee_rao: int, confirmations: int) -> dict[str, Any]:
    """Return what `capital/config/getall` says about a coin; test BTC has no network yet."""
    on_chain = asset is Asset.TAO
    free, locked = (
        (tao(balance.free_rao), tao(balance.locked_rao))
        if on_chain
        else (btc(balance.free_sat), btc(balance.locked_sat))
    )
    return {
        "coin": asset,
        "name": NAMES[asset],
        "free": free,
        "locked": locked,
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "depositAllEnable": on_chain,
        "withdrawAllEnable": on_chain,
        "networkList": [
            {
                "coin": asset,
                "network": NETWORKS[asset],
                "name": NAMES[asset],
                "isDefault": True,
                "depositEnable": on_chain,
                "withdrawEnable": on_chain,
                "withdrawFee": tao(fee_rao) if on_chain else "0",
                "withdrawMin": tao(fee_rao * 2) if on_chain else "0",
                "withdrawMax": tao(10**6 * 10**RAO_PLACES) if on_chain else "0",
                "withdrawIntegerMultiple": tao(1) if on_chain else btc(1),
                "minConfirm": confirmations,
                "unLockConfirm": confirmations,
                "addressRegex": ADDRESS_PATTERN if on_chain else "",
                "memoRegex": "",
                "sameAddress": False,
            }
        ],
    }


def write_deposit(deposit: Deposit, confirmations: int) -> dict[str, Any]:
    asset = Asset(deposit.asset)
    return {
        "id": f"{deposit.height}-{deposit.event_index}",
        "amount": write_amount(asset, deposit.amount),
        "coin": asset,
        "network": NETWORKS[asset],
        "status": DEPOSIT_DONE,
        "address": deposit.address,
        "addressTag": "",
        "txId": deposit.transaction_id,
        "insertTime": deposit.credited_ms,
        "completeTime": deposit.credited_ms,
        "transferType": 0,
        "confirmTimes": f"{confirmations}/{confirmations}",
        "unlockConfirm": confirmations,
        "walletType": 0,
    }


def write_withdrawal(withdrawal: Withdrawal) -> dict[str, Any]:
    asset = Asset(withdrawal.asset)
    answer = {
        "id": str(withdrawal.withdrawal_id),
        "amount": write_amount(asset, withdrawal.amount - withdrawal.fee),
        "transactionFee": write_amount(asset, withdrawal.fee),
        "coin": asset,
        "status": WITHDRAWAL_STATUSES[withdrawal.status],
        "address": withdrawal.address,
        "txId": withdrawal.extrinsic_hash or "",
        "applyTime": write_moment(withdrawal.requested_ms),
        "network": NETWORKS[asset],
        "transferType": 0,
        "withdrawOrderId": withdrawal.client_withdrawal_id,
        "confirmNo": 0,
        "walletType": 0,
    }
    if withdrawal.completed_ms is not None:
        answer["completeTime"] = write_moment(withdrawal.completed_ms)
    return answer


def write_amount(asset: Asset, amount: int) -> str:
    return tao(amount) if asset is Asset.TAO else btc(amount)


def write_moment(time_ms: int) -> str:
    """Write a time as these endpoints do, `2026-01-31 23:59:59` in UTC."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
