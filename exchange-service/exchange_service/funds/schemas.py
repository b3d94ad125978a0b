"""Balances, deposits and withdrawals in Binance's words."""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from exchange_service.domain.commands import Asset
from exchange_service.domain.payout import calculate_due_ms
from exchange_service.formats import btc, decimal, tao
from exchange_service.funds.deposit_repository import Deposit
from exchange_service.funds.operations import WITHDRAWAL_MAX, Desk
from exchange_service.funds.repository import Withdrawal, WithdrawalAddress
from exchange_service.repository import Balance

NETWORKS: Final = {Asset.TAO: "TAO", Asset.BTC: "BTC"}
NAMES: Final = {Asset.TAO: "Tao", Asset.BTC: "Test bitcoin"}
DEPOSIT_PENDING: Final = 0
DEPOSIT_DONE: Final = 1
DEPOSIT_REJECTED: Final = 2
DEPOSIT_LOCKED: Final = 6
"""Credited: it may be traded, and not withdrawn yet."""
WITHDRAWAL_STATUSES: Final = {
    "requested": 2,
    "cancelling": 1,
    "signed": 4,
    "completed": 6,
    "failed": 5,
    "cancelled": 1,
}
"""Binance's numbers: awaiting approval, cancelled, processing, completed, failure, cancelled."""
ADDRESS_PATTERNS: Final = {
    Asset.TAO: "^5[1-9A-HJ-NP-Za-km-z]{46,48}$",
    Asset.BTC: "^bcrt1[02-9ac-hj-np-z]{11,71}$",
}


def write_account(
    balance: Balance, rates: tuple[int, int], owes: bool, now_ms: int, omit_zero: bool
) -> dict[str, Any]:
    """Return what `account` says; who owes a deposit that was taken back can't withdraw."""
    maker_ppm, taker_ppm = rates
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
        "canWithdraw": not owes,
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


def write_coin(asset: Asset, balance: Balance, desk: Desk) -> dict[str, Any]:
    """Return what `capital/config/getall` says about a coin."""
    on_chain, amount = desk.is_on_chain(asset), partial(write_amount, asset)
    free, locked = balance[1:3] if asset is Asset.BTC else balance[3:5]
    confirmations = desk.confirmations[asset]
    return {
        "coin": asset,
        "name": NAMES[asset],
        "free": amount(free),
        "locked": amount(locked),
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
                "withdrawFee": amount(desk.fees[asset]),
                "withdrawMin": amount(desk.minimum(asset)),
                "withdrawMax": amount(WITHDRAWAL_MAX[asset]),
                "withdrawIntegerMultiple": amount(1),
                "minConfirm": confirmations,
                "unLockConfirm": desk.unlock(asset),
                "addressRegex": ADDRESS_PATTERNS[asset],
                "memoRegex": "",
                "sameAddress": False,
            }
        ],
    }


def write_asset(asset: Asset, desk: Desk) -> dict[str, Any]:
    """Return what `asset/assetDetail` says about a coin."""
    on_chain = desk.is_on_chain(asset)
    return {
        "minWithdrawAmount": write_amount(asset, desk.minimum(asset)),
        "depositStatus": on_chain,
        "withdrawFee": write_amount(asset, desk.fees[asset]),
        "withdrawStatus": on_chain,
    }


def write_deposit(deposit: Deposit, desk: Desk) -> dict[str, Any]:
    asset = Asset(deposit.asset)
    answer = {
        "id": f"{deposit.height}-{deposit.event_index}",
        "amount": write_amount(asset, deposit.amount),
        "coin": asset,
        "network": NETWORKS[asset],
        "status": find_deposit_status(deposit),
        "address": deposit.address,
        "addressTag": "",
        "txId": deposit.transaction_id,
        "insertTime": deposit.seen_ms,
        "transferType": 0,
        "confirmTimes": write_confirmations(deposit, desk.confirmations[asset]),
        "unlockConfirm": desk.unlock(asset),
        "walletType": 0,
    }
    if deposit.credited_ms is not None:
        answer["completeTime"] = deposit.credited_ms
    return answer


def find_deposit_status(deposit: Deposit) -> int:
    if deposit.reversed_ms is not None:
        return DEPOSIT_REJECTED
    if deposit.credited_ms is None:
        return DEPOSIT_PENDING
    return DEPOSIT_DONE if deposit.unlocked else DEPOSIT_LOCKED


def write_confirmations(deposit: Deposit, needed: int) -> str:
    """Write how deep a deposit is, up to what credits it."""
    if deposit.reversed_ms is not None:
        return f"0/{needed}"
    if deposit.credited_ms is not None or deposit.tip is None:
        return f"{needed}/{needed}"
    return f"{min(max(deposit.tip - deposit.height + 1, 0), needed)}/{needed}"


def write_withdrawal(withdrawal: Withdrawal, desk: Desk) -> dict[str, Any]:
    """Return a withdrawal; one that failed unsigned was taken back by its owner."""
    asset = Asset(withdrawal.asset)
    status = withdrawal.status
    if status == "failed" and withdrawal.extrinsic is None:
        status = "cancelled"
    held_ms = calculate_due_ms(desk.rules, asset, withdrawal.amount, withdrawal.requested_ms)
    answer = {
        "id": str(withdrawal.withdrawal_id),
        "amount": write_amount(asset, withdrawal.amount - withdrawal.fee),
        "transactionFee": write_amount(asset, withdrawal.fee),
        "coin": asset,
        "status": WITHDRAWAL_STATUSES[status],
        "address": withdrawal.address,
        "txId": withdrawal.extrinsic_hash or "",
        "applyTime": write_moment(withdrawal.requested_ms),
        "network": NETWORKS[asset],
        "transferType": 0,
        "withdrawOrderId": withdrawal.client_withdrawal_id,
        "confirmNo": 0,
        "walletType": 0,
    }
    if withdrawal.status == "requested" and held_ms > withdrawal.requested_ms:
        answer["info"] = f"held until {write_moment(held_ms)}; it can be taken back until then"
    if withdrawal.completed_ms is not None:
        answer["completeTime"] = write_moment(withdrawal.completed_ms)
    return answer


def write_withdrawal_address(row: WithdrawalAddress) -> dict[str, Any]:
    return {
        "coin": row.asset,
        "address": row.address,
        "label": row.label,
        "addedTime": row.added_ms,
    }


def write_amount(asset: Asset, amount: int) -> str:
    return tao(amount) if asset is Asset.TAO else btc(amount)


def write_moment(time_ms: int) -> str:
    """Write a time as these endpoints do, `2026-01-31 23:59:59` in UTC."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
