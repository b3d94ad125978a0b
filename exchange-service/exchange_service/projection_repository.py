"""The tables that few batches of facts change: each row by a statement of its own."""

from collections.abc import Iterable

from psycopg import Connection

from exchange_service.domain.facts import (
    DepositReversed,
    FeeRatesSet,
    MatchPrevented,
    OrderAmended,
    PairDone,
    PairOpened,
    ShortfallMadeUp,
    WithdrawalFailed,
    WithdrawalSettled,
)
from exchange_service.domain.projection import Projection


def has_others(projection: Projection) -> bool:
    """Tell whether a batch changes a table that nearly none does."""
    return any(
        (
            projection.prevented,
            projection.amendments,
            projection.pairs,
            projection.pairs_done,
            projection.opened,
            projection.fee_rates,
            projection.deposits,
            projection.reversed,
            projection.made_up,
            projection.withdrawals,
            projection.settled,
            projection.failed,
        )
    )


def save_others(conn: Connection, projection: Projection) -> None:
    """Write what a batch changes besides orders, trades and money."""
    _insert_prevented(conn, projection.prevented)
    _insert_amendments(conn, projection.amendments)
    _insert_pairs(conn, projection.pairs)
    _close_pairs(conn, projection.pairs_done)
    _insert_accounts(conn, projection)
    _change_fee_rates(conn, projection.fee_rates)
    _insert_deposits(conn, projection)
    _reverse_deposits(conn, projection.reversed)
    _pay_shortfalls(conn, projection.made_up)
    _insert_withdrawals(conn, projection)
    _close_withdrawals(conn, projection.settled, "completed")
    _close_withdrawals(conn, projection.failed, "failed")


def _insert_prevented(conn: Connection, prevented: list[MatchPrevented]) -> None:
    for match in prevented:
        conn.execute(
            "INSERT INTO prevented_match (time_ms, prevented_id, account_id, taker_order_id,"
            " maker_order_id, price_sat, taker_rao, maker_rao, self_trade)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            match[:9],
        )


def _insert_amendments(conn: Connection, amendments: list[OrderAmended]) -> None:
    for amended in amendments:
        conn.execute(
            "INSERT INTO amendment (order_id, account_id, time_ms, previous_rao, quantity_rao,"
            " previous_client_order_id, client_order_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                amended.terms.order_id,
                amended.terms.account_id,
                amended.time_ms,
                amended.previous_rao,
                amended.quantity_rao,
                amended.previous_client_order_id,
                amended.terms.client_order_id,
            ),
        )


def _insert_pairs(conn: Connection, pairs: list[PairOpened]) -> None:
    for pair in pairs:
        conn.execute(
            "INSERT INTO order_pair (opened_ms, list_id, account_id, client_list_id,"
            " above_order_id, below_order_id) VALUES (%s, %s, %s, %s, %s, %s)",
            (*pair[:4], *pair.order_ids),
        )


def _close_pairs(conn: Connection, done: list[PairDone]) -> None:
    for pair in done:
        conn.execute(
            "UPDATE order_pair SET done_ms = %s WHERE list_id = %s", (pair.time_ms, pair.list_id)
        )


def _change_fee_rates(conn: Connection, changes: list[FeeRatesSet]) -> None:
    for change in changes:
        conn.execute(
            "UPDATE account SET maker_ppm = %s, taker_ppm = %s WHERE account_id = %s",
            (change.maker_ppm, change.taker_ppm, change.account_id),
        )


def _insert_accounts(conn: Connection, projection: Projection) -> None:
    for opened in projection.opened:
        conn.execute(
            "INSERT INTO account (account_id, name, maker_ppm, taker_ppm, opened_ms)"
            " VALUES (%s, %s, %s, %s, %s)",
            (
                opened.account_id,
                opened.name,
                opened.maker_ppm,
                opened.taker_ppm,
                opened.time_ms,
            ),
        )


def _insert_deposits(conn: Connection, projection: Projection) -> None:
    for deposit in projection.deposits:
        conn.execute(
            "INSERT INTO deposit (asset, height, event_index, account_id, amount, address,"
            " transaction_id, credited_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (asset, transaction_id, event_index) WHERE asset = 'BTC'"
            " DO UPDATE SET height = EXCLUDED.height, credited_ms = EXCLUDED.credited_ms,"
            "  reversed_ms = NULL",
            (
                deposit.asset,
                deposit.height,
                deposit.event_index,
                deposit.account_id,
                deposit.amount,
                deposit.address,
                deposit.transaction_id,
                deposit.time_ms,
            ),
        )


def _reverse_deposits(conn: Connection, reversed_deposits: list[DepositReversed]) -> None:
    for fact in reversed_deposits:
        conn.execute(
            "UPDATE deposit SET reversed_ms = %s"
            " WHERE asset = 'BTC' AND transaction_id = %s AND event_index = %s",
            (fact.time_ms, fact.transaction_id, fact.event_index),
        )
        conn.execute(
            "INSERT INTO shortfall (account_id, amount_sat) VALUES (%s, %s)"
            " ON CONFLICT (account_id) DO UPDATE"
            " SET amount_sat = shortfall.amount_sat + EXCLUDED.amount_sat",
            (fact.account_id, fact.shortfall),
        )


def _pay_shortfalls(conn: Connection, made_up: list[ShortfallMadeUp]) -> None:
    for fact in made_up:
        conn.execute(
            "UPDATE shortfall SET amount_sat = amount_sat - %s WHERE account_id = %s",
            (fact.amount, fact.account_id),
        )


def _insert_withdrawals(conn: Connection, projection: Projection) -> None:
    for request in projection.withdrawals:
        conn.execute(
            "INSERT INTO withdrawal (withdrawal_id, account_id, asset, amount, fee, address,"
            " client_withdrawal_id, status, requested_ms)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 'requested', %s)",
            (
                request.withdrawal_id,
                request.account_id,
                request.asset,
                request.amount,
                request.fee,
                request.address,
                request.client_withdrawal_id,
                request.time_ms,
            ),
        )


def _close_withdrawals(
    conn: Connection, closed: Iterable[WithdrawalSettled | WithdrawalFailed], status: str
) -> None:
    for fact in closed:
        conn.execute(
            "UPDATE withdrawal SET status = %s, completed_ms = %s WHERE withdrawal_id = %s",
            (status, fact.time_ms, fact.withdrawal_id),
        )
