"""Budgets of addresses and accounts: weights, order counts, bans, and what Redis keeps of them."""

from typing import Any

import pytest
import redis

from exchange_service.domain.weights import find_weight
from exchange_service.errors import Throttled
from exchange_service.limits import Limits, make_budget, share
from exchange_service.settings import ExchangeSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def exchange_settings(exchange_settings: ExchangeSettings) -> ExchangeSettings:
    narrow = {"exchange_request_weight_per_minute": 100, "exchange_orders_per_10_seconds": 3}
    return exchange_settings.model_copy(update=narrow)


def test_answers_say_how_much_is_used(box: Any) -> None:
    answer = box.http.get("/api/v3/depth?symbol=TAOBTC&limit=500")
    assert answer.headers["x-mbx-used-weight-1m"] == "25"
    answer = box.http.get("/api/v3/nothing")
    assert answer.headers["x-mbx-used-weight-1m"] == "26"
    limits = box.http.get("/api/v3/exchangeInfo").json()["rateLimits"]
    assert {
        "rateLimitType": "ORDERS",
        "interval": "SECOND",
        "intervalNum": 10,
        "limit": 3,
    } in limits


def test_too_much_is_refused_and_then_banned(box: Any) -> None:
    for _ in range(4):
        assert box.http.get("/api/v3/trades?symbol=TAOBTC").status_code == 200
    refused = box.http.get("/api/v3/ping")
    assert (refused.status_code, refused.json()["code"]) == (429, -1003)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    statuses = [box.http.get("/api/v3/ping").status_code for _ in range(30)]
    assert statuses[-1] == 418
    banned = box.http.get("/api/v3/ping")
    assert "IP banned until" in banned.json()["msg"]
    assert int(banned.headers["retry-after"]) > 60
    # What is not the API goes on: whoever looks after the service is not locked out.
    assert box.http.get("/readyz").status_code == 200


def test_unfilled_orders_are_counted_by_account(box: Any) -> None:
    ann, bob = box.trader("ann", tao=10), box.trader("bob")
    for number in range(3):
        ann.limit_order("SELL", f"0.00{500 + number}", "1")
    with pytest.raises(Exception, match="-1015: Too many new orders; current limit is 3"):
        ann.limit_order("SELL", "0.0052", "1")
    assert bob.limit_order("BUY", "0.005", "0.5")["status"] == "FILLED"
    counts = ann._signed("GET", "/api/v3/rateLimit/order")
    assert [(one["interval"], one["limit"]) for one in counts] == [("SECOND", 3), ("DAY", 200_000)]


def test_orders_that_trade_no_longer_count() -> None:
    limits = Limits(make_budget(100, 100, 3, 1_000), Clock())
    limits.count(7, 3)
    limits.forgive(7, 1)
    assert limits.count(7, 1) == [
        (b"x-mbx-order-count-10s", b"3"),
        (b"x-mbx-order-count-1d", b"3"),
    ]
    limits.forgive(7, 5)
    assert [one["count"] for one in limits.count_orders(7)] == [0, 0]


def test_windows_end_and_bans_double() -> None:
    clock = Clock()
    limits = Limits(make_budget(10, 1_000, 3, 3), clock)
    waits = []
    for _ in range(3):
        limits.charge("a", 10)
        for _ in range(25):
            with pytest.raises(Throttled) as refused:
                limits.charge("a", 1)
        assert refused.value.status == 418
        waits.append(refused.value.wait_seconds)
        limits.charge("b", 1)
        clock.now += refused.value.wait_seconds + 60
    assert waits == [121, 241, 481]


def test_processes_share_one_budget_through_redis(redis_url: str) -> None:
    clock = Clock()
    one, two = (Limits(make_budget(100, 1_000, 3, 3), clock) for _ in range(2))
    with redis.Redis.from_url(redis_url) as client:
        one.charge("a", 60)
        share(one, client, one.take_unshared())
        two.charge("a", 30)
        share(two, client, two.take_unshared())
        assert two.used(two.budget.weight, "a") == 90
        with pytest.raises(Throttled):
            two.charge("a", 30)


def test_without_redis_each_process_counts_alone(box: Any) -> None:
    """The box of these tests has no Redis at all."""
    assert box.http.get("/api/v3/ping").headers["x-mbx-used-weight-1m"] == "1"
    assert box.trader("ann").limit_order("BUY", "0.004", "1")["status"] == "NEW"


@pytest.mark.parametrize(
    ("verb", "path", "asked", "weight"),
    [
        ("GET", "/api/v3/depth", {"limit": "100"}, 5),
        ("GET", "/api/v3/depth", {"limit": "5000"}, 250),
        ("GET", "/api/v3/depth", {"limit": "١"}, 5),
        ("GET", "/api/v3/ticker/24hr", {}, 80),
        ("GET", "/api/v3/ticker/24hr", {"symbol": "TAOBTC"}, 2),
        ("GET", "/api/v3/myTrades", {"orderId": "1"}, 5),
        ("GET", "/api/v3/openOrders", {}, 80),
        ("GET", "/nowhere", {}, 1),
    ],
)
def test_weights(verb: str, path: str, asked: dict[str, str], weight: int) -> None:
    assert weight == find_weight(verb, path, asked)
