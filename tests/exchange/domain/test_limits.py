"""What an account, an order and a pair may come to at most; and what a replay makes of it."""

import orjson
import pytest

from exchange_service.domain.accounts import Account
from exchange_service.domain.commands import (
    AmendOrder,
    CancelOrder,
    Kind,
    PlaceOrder,
    PlaceOrderPair,
    ReplaceMode,
    ReplaceOrder,
    Restriction,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.facts import Fact, OrderAmended, OrderExpired, PairOpened, Rejected
from exchange_service.domain.journal import settle_command
from exchange_service.domain.refusals import (
    AMEND_LARGER,
    DUPLICATE_ORDER,
    MAX_NUM_ALGO_ORDERS,
    MAX_NUM_ICEBERG_ORDERS,
    MAX_NUM_ORDER_AMENDS,
    MAX_NUM_ORDERS,
    MAX_POSITION,
    NOTIONAL,
    Reason,
)
from exchange_service.domain.snapshot import (
    calculate_fingerprint,
    hash_snapshot,
    read_snapshot,
    write_snapshot,
)
from exchange_service.domain.symbol import (
    ICEBERG_ORDERS_MAX,
    OPEN_ORDERS_MAX,
    ORDER_AMENDS_MAX,
    POSITION_RAO_MAX,
    STOP_ORDERS_MAX,
)

from .test_failure_modes import ANN, BEN, BUY, PRICE, SELL, STEP, Market, trades


def reason_of(facts: list[Fact]) -> Reason | None:
    first = facts[0]
    return first.reason if isinstance(first, Rejected) else None


def amend(market: Market, number: int, steps: int, name: str = "") -> list[Fact]:
    return market.exchange.apply(AmendOrder(0, ANN, number, steps * STEP, "", name))


def iceberg(market: Market) -> PlaceOrder:
    number = next(market.orders)
    return PlaceOrder(
        0, number, ANN, SELL, Kind.LIMIT, PRICE, 10 * STEP, 0, TimeInForce.GTC,
        SelfTrade.EXPIRE_MAKER, f"o{number}", 0, STEP,
    )  # fmt: skip


def pair(market: Market, stops: int = 1) -> PlaceOrderPair:
    """A sale that takes its profit at twice the price, or stops its loss below it."""
    first, second = next(market.orders), next(market.orders)
    profit = Kind.TAKE_PROFIT if stops == 2 else Kind.LIMIT_MAKER
    above, below = (
        PlaceOrder(
            0, number, ANN, SELL, kind, 0 if stop_sat else 2 * PRICE, STEP, 0, TimeInForce.GTC,
            SelfTrade.EXPIRE_MAKER, f"o{number}", stop_sat, 0, first,
        )
        for number, kind, stop_sat in (
            (first, profit, 2 * PRICE if stops == 2 else 0),
            (second, Kind.STOP_LOSS, PRICE // 2),
        )
    )  # fmt: skip
    return PlaceOrderPair(0, first, ANN, f"list-{first}", above, below)


def account_of(market: Market) -> Account:
    return market.exchange.accounts[ANN]


def test_an_amendment_may_keep_the_name_of_its_order() -> None:
    market = Market()
    for _ in range(2):
        market.place(ANN, SELL, 5, PRICE)
    (amended,) = amend(market, 1, 4, "o1")
    assert isinstance(amended, OrderAmended)
    assert amended.terms.client_order_id == amended.previous_client_order_id == "o1"
    assert account_of(market).orders["o1"].leaves_rao == 4 * STEP
    assert reason_of(amend(market, 1, 3, "o2")) == DUPLICATE_ORDER


def test_an_amendment_is_held_to_the_filters() -> None:
    market = Market()
    market.place(ANN, SELL, 10, 20_000)
    assert reason_of(amend(market, 1, 11)) == AMEND_LARGER
    assert reason_of(amend(market, 1, 4)) == NOTIONAL
    assert reason_of(amend(market, 1, 5)) is None
    market.place(ANN, SELL, 10, kind=Kind.STOP_LOSS, stop_sat=20_000)
    assert reason_of(amend(market, 2, 4)) == NOTIONAL


def test_an_order_is_amended_so_often_also_after_a_restart() -> None:
    market = Market()
    market.place(ANN, BUY, 50, PRICE)
    for count in range(ORDER_AMENDS_MAX):
        assert reason_of(amend(market, 1, 49 - count)) is None
        before = calculate_fingerprint(market.exchange)
        market.exchange = read_snapshot(write_snapshot(market.exchange))
        assert calculate_fingerprint(market.exchange) == before
    assert reason_of(amend(market, 1, 30)) == MAX_NUM_ORDER_AMENDS
    assert tuple(MAX_NUM_ORDER_AMENDS) == (-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    assert account_of(market).bid_rao == 40 * STEP


def test_a_snapshot_from_before_amendments_were_counted_is_read() -> None:
    market = Market()
    market.place(ANN, BUY, 50, PRICE)
    assert reason_of(amend(market, 1, 49)) is None
    state = orjson.loads(write_snapshot(market.exchange))
    assert state.pop("amended") == [[1, 1]]
    older = orjson.dumps(state)
    assert calculate_fingerprint(read_snapshot(older)) == hash_snapshot(older)


def test_a_pair_counts_as_two_orders() -> None:
    market = Market()
    market.exchange.last_price_sat = PRICE
    for _ in range(OPEN_ORDERS_MAX - 1):
        market.place(ANN, SELL, 1, PRICE)
    assert reason_of(market.exchange.apply(pair(market))) == MAX_NUM_ORDERS
    market.exchange.apply(CancelOrder(0, ANN, 1, ""))
    assert isinstance(market.exchange.apply(pair(market))[0], PairOpened)
    assert len(account_of(market).orders) == OPEN_ORDERS_MAX


def test_the_stops_of_a_pair_count_together() -> None:
    market = Market()
    market.exchange.last_price_sat = PRICE
    for _ in range(STOP_ORDERS_MAX - 1):
        market.place(ANN, SELL, 1, kind=Kind.STOP_LOSS, stop_sat=PRICE // 2)
    assert reason_of(market.exchange.apply(pair(market, stops=2))) == MAX_NUM_ALGO_ORDERS
    assert reason_of(market.exchange.apply(pair(market))) is None


def test_icebergs_are_counted() -> None:
    market = Market()
    for _ in range(ICEBERG_ORDERS_MAX):
        assert reason_of(market.exchange.apply(iceberg(market))) is None
    assert reason_of(market.exchange.apply(iceberg(market))) == MAX_NUM_ICEBERG_ORDERS
    assert reason_of(market.place(ANN, SELL, 1, PRICE)) is None
    market.exchange.last_price_sat = PRICE
    wanted = pair(market)
    wanted = wanted._replace(above=wanted.above._replace(iceberg_rao=STEP))
    assert reason_of(market.exchange.apply(wanted)) == MAX_NUM_ICEBERG_ORDERS


def test_nobody_bids_for_more_than_there_is() -> None:
    market = Market()
    account = account_of(market)
    held = account.free_rao + account.locked_rao
    steps = (POSITION_RAO_MAX - held) // STEP // 100
    for _ in range(100):
        assert reason_of(market.place(ANN, BUY, steps, 100)) is None
    assert account.bid_rao + held == POSITION_RAO_MAX
    assert reason_of(market.place(ANN, BUY, 1_000, 100)) == MAX_POSITION
    assert reason_of(market.place(ANN, SELL, 1_000, 200)) is None
    market.exchange.apply(CancelOrder(0, ANN, 1, ""))
    assert reason_of(market.place(ANN, BUY, 1_000, 100)) is None


def test_a_replay_asks_no_limit_that_came_later() -> None:
    """What older journals hold was accepted, and so it is again."""
    market = Market()
    market.exchange.enforcing = False
    for _ in range(ICEBERG_ORDERS_MAX + 1):
        assert reason_of(market.exchange.apply(iceberg(market))) is None
    market.place(BEN, BUY, 1, 10_000)
    market.place(ANN, SELL, 2 * ORDER_AMENDS_MAX, 20_000)
    for steps in range(2 * ORDER_AMENDS_MAX - 1, 0, -1):
        assert reason_of(amend(market, ICEBERG_ORDERS_MAX + 3, steps)) is None


def test_the_journal_keeps_a_replacement_that_only_cancelled_as_a_cancellation() -> None:
    """For a replay would place the order that a limit has refused."""
    market, replica = Market(), Market()
    replica.exchange.enforcing = False
    for one in (market, replica):
        one.place(ANN, BUY, 5, PRICE // 2)
        for _ in range(ICEBERG_ORDERS_MAX):
            one.exchange.apply(iceberg(one))
    command = ReplaceOrder(
        7, ANN, 1, "", Restriction.ONLY_NEW, ReplaceMode.STOP_ON_FAILURE, iceberg(market)
    )
    facts = market.exchange.apply(command)
    written = settle_command(command, facts)
    assert written == CancelOrder(7, ANN, 1, "", Restriction.ONLY_NEW)
    assert replica.exchange.apply(written) == facts[:-1]
    same = calculate_fingerprint
    assert same(replica.exchange) == same(market.exchange)


def market_by_quote(market: Market, side: Side, quote_sat: int) -> list[Fact]:
    number = next(market.orders)
    return market.exchange.apply(
        PlaceOrder(
            0, number, ANN, side, Kind.MARKET, 0, 0, quote_sat, TimeInForce.GTC,
            SelfTrade.EXPIRE_TAKER, f"o{number}",
        )
    )  # fmt: skip


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_quote_that_the_book_cannot_use_up_expires(side: Side) -> None:
    market = Market()
    other = SELL if side is BUY else BUY
    market.place(BEN, other, 3, PRICE)
    facts = market_by_quote(market, side, 5 * PRICE // 100 + 200)
    ended = facts[-1]
    assert isinstance(ended, OrderExpired)
    assert (ended.quantity_rao, ended.executed_rao) == (5 * STEP, 3 * STEP)
    assert [fact.taker_leaves_rao for fact in trades(facts)] == [2 * STEP]
    market.place(BEN, other, 3, PRICE)
    facts = market_by_quote(market, side, 3 * PRICE // 100 + 200)
    assert [fact.taker_leaves_rao for fact in trades(facts)] == [0]
    assert not isinstance(facts[-1], OrderExpired), "what is left buys no step"


def test_a_quote_ends_before_an_order_of_its_own() -> None:
    market = Market()
    market.place(BEN, SELL, 3, PRICE)
    market.place(ANN, SELL, 3, PRICE)
    facts = market_by_quote(market, BUY, 5 * PRICE // 100 + 200)
    assert isinstance(facts[-1], OrderExpired)
    assert account_of(market).orders["o2"].leaves_rao == 3 * STEP
