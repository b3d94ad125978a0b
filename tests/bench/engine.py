"""The engine alone, with balances and fees, beside two public ones: `make bench NAME=engine`.

All get the same random flow: 60 % limit orders, 35 % cancellations, 5 % market orders. The peers
are installed by `make bench-peers`, in a folder of their own; they keep no balances and no fees.
"""

import gc
import multiprocessing
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from exchange_service.compiled import find_compiled
from exchange_service.domain.commands import (
    CancelOrder,
    Command,
    Kind,
    OpenAccount,
    PlaceOrder,
    SelfTrade,
    Side,
    TimeInForce,
)
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import Rejected
from exchange_service.domain.refusals import UNKNOWN_ORDER
from exchange_service.domain.symbol import STEP_RAO
from taonet.kit.garbage import GARBAGE_OBJECTS

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "build" / "peers"
PAGE = ROOT / "docs/benchmarks/engine.md"
ROUNDS = 15
"""Odd, and over minutes: a machine that others share gives now half of what it gave before."""
COMMANDS = 200_000
COMMANDS_OF_SLOW_PEER = 2_000
ACCOUNTS = 600
"""So many that nobody has more open orders than an account may have."""
LIMIT_PER_SECOND = 600_000
TIMES_FASTER = 5
SEED = 20211101


class Step(NamedTuple):
    """One command of the flow, for engines of any kind."""

    kind: str
    number: int
    account: int
    buying: bool
    price_ticks: int
    steps: int


class Result(NamedTuple):
    name: str
    commands: int
    per_second: list[float]
    trades: int


Run = Callable[[list[Step]], tuple[float, int]]
"""Puts a flow through an engine: the processor's seconds that took, and the number of trades."""


def make_flow(count: int) -> list[Step]:
    rng = random.Random(SEED)
    flow: list[Step] = []
    live: list[tuple[int, int]] = []
    number = 0
    while len(flow) < count:
        draw, account = rng.random(), rng.randrange(ACCOUNTS)
        if draw < 0.35 and live:
            place = rng.randrange(len(live))
            live[place], live[-1] = live[-1], live[place]
            flow.append(Step("cancel", *live.pop(), False, 0, 0))
            continue
        number += 1
        buying, steps = rng.random() < 0.5, rng.randint(1, 100)
        if draw < 0.95:
            away = rng.randint(-5, 40)
            price = 5_000 - away if buying else 5_000 + away
            flow.append(Step("limit", number, account, buying, price, steps))
            live.append((number, account))
        else:
            flow.append(Step("market", number, account, buying, 0, steps))
    return flow


def as_command(step: Step) -> Command:
    account = 1_001 + step.account
    if step.kind == "cancel":
        return CancelOrder(0, account, step.number, "")
    return PlaceOrder(
        time_ms=0,
        order_id=step.number,
        account_id=account,
        side=Side.BUY if step.buying else Side.SELL,
        kind=Kind.LIMIT if step.kind == "limit" else Kind.MARKET,
        price_sat=step.price_ticks * 100,
        quantity_rao=step.steps * STEP_RAO,
        quote_sat=0,
        time_in_force=TimeInForce.GTC,
        self_trade=SelfTrade.EXPIRE_MAKER,
        client_order_id=str(step.number),
    )


def start_clock() -> float:
    """Set what was made for the measurement apart from what the engines make; return the time.

    For all alike, and as the exchange itself does, the collector looks seldom at what lives.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    return time.process_time()


def run_ours(flow: list[Step]) -> tuple[float, int]:
    """Return the seconds taken and the number of trades; nothing may be lost or refused."""
    exchange = Exchange()
    for number in range(ACCOUNTS):
        exchange.apply(OpenAccount(0, 1_001 + number, f"t{number}", 1_000, 1_000, 10**15))
        exchange.accounts[1_001 + number].free_rao += 10**16
        exchange.accounts[3].free_rao -= 10**16
    commands = [as_command(step) for step in flow]
    refused = 0
    started = start_clock()
    for command in commands:
        first = exchange.apply(command)[0]
        if isinstance(first, Rejected) and first.reason is not UNKNOWN_ORDER:
            refused += 1
    taken = time.process_time() - started
    assert not refused, "only cancellations of what is gone may be refused"
    assert not sum(a.free_sat + a.locked_sat for a in exchange.accounts.values())
    return taken, exchange.last_trade_id


def run_light(flow: list[Step]) -> tuple[float, int]:
    from lightmatchingengine.lightmatchingengine import (  # type: ignore[import-not-found]
        LightMatchingEngine,
    )
    from lightmatchingengine.lightmatchingengine import Side as LightSide

    engine = LightMatchingEngine()
    resting: dict[int, Any] = {}
    trades = 0
    started = start_clock()
    for step in flow:
        if step.kind == "cancel":
            # It fails on what has traded already.
            if (order := resting.pop(step.number)).leaves_qty:
                engine.cancel_order(order.order_id, "TAOBTC")
            continue
        # It has no market orders: the worst price there is does the same.
        price = step.price_ticks or (10_000 if step.buying else 1)
        side = LightSide.BUY if step.buying else LightSide.SELL
        order, made = engine.add_order("TAOBTC", price, step.steps, side)
        trades += len(made)
        if step.kind == "limit":
            resting[step.number] = order
        elif order.leaves_qty:
            engine.cancel_order(order.order_id, "TAOBTC")
    return time.process_time() - started, trades // 2


def run_order_matching(flow: list[Step]) -> tuple[float, int]:
    from loguru import logger  # type: ignore[import-not-found]
    from order_matching.enums import Side as PeerSide  # type: ignore[import-not-found]
    from order_matching.matching_engine import MatchingEngine  # type: ignore[import-not-found]
    from order_matching.order import LimitOrder, MarketOrder  # type: ignore[import-not-found]
    from order_matching.orders import Orders  # type: ignore[import-not-found]

    logger.remove()
    engine, trades = MatchingEngine(seed=1), 0
    start, tick = datetime(2023, 1, 1), timedelta(microseconds=1)
    started = start_clock()
    for count, step in enumerate(flow):
        now = start + count * tick
        name = str(step.number)
        if step.kind == "cancel":
            if engine.unprocessed_orders.find_order_by_id(name) is not None:
                engine.cancel_order(name)
            continue
        side = PeerSide.BUY if step.buying else PeerSide.SELL
        fields: dict[str, Any] = {
            "side": side, "size": float(step.steps), "timestamp": now,
            "order_id": name, "trader_id": str(step.account),
        }  # fmt: skip
        if step.kind == "limit":
            order = LimitOrder(price=float(step.price_ticks), **fields)
        else:
            order = MarketOrder(**fields)
        engine.place(Orders([order]))
        trades += len(engine.match(timestamp=now).trades)
    return time.process_time() - started, trades


def measure() -> list[Result]:
    """Let all take turns, each in a fresh process: none works on a heap that another has left."""
    runs: list[tuple[str, Run, int]] = [
        ("taonet", run_ours, COMMANDS),
        ("lightmatchingengine 2019.1.4", run_light, COMMANDS),
        ("order-matching 0.12.0", run_order_matching, COMMANDS_OF_SLOW_PEER),
    ]
    results = [Result(name, count, [], 0) for name, _, count in runs]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh, max_tasks_per_child=1) as pool:
        for _ in tqdm(range(ROUNDS), desc="rounds"):
            for place, (_, run, count) in enumerate(runs):
                taken, trades = pool.submit(run_flow, run, count).result()
                results[place].per_second.append(count / taken)
                results[place] = results[place]._replace(trades=trades)
    return results


def run_flow(run: Run, count: int) -> tuple[float, int]:
    sys.path.append(str(PEERS))
    return run(make_flow(count))


def describe_load() -> str:
    """Say whether others used the machine during the measurement."""
    load = os.getloadavg()[0]
    if load < 2:
        return "otherwise idle"
    return f"shared (load average {load:.0f}), which slows down all three"


def write(results: Iterable[Result]) -> str:
    ours, *peers = results
    own = statistics.median(ours.per_second)
    lines = [
        f"| {one.name} | {one.commands:,} | {statistics.median(one.per_second):,.0f} | "
        f"{min(one.per_second):,.0f} – {max(one.per_second):,.0f} | {one.trades:,} | "
        f"{own / statistics.median(one.per_second):,.1f} |"
        for one in (ours, *peers)
    ]
    how = "compiled by mypyc (`make compile`)" if find_compiled() else "as plain Python"
    table = "\n".join(lines)
    return f"""# The engine alone

`make bench NAME=engine`. One flow for all: 60 % limit orders, 35 % cancellations, 5 % market
orders, seed {SEED}, on one core of {os.cpu_count()} ({platform.python_implementation()} \
{platform.python_version()}); processor time, median of {ROUNDS} rounds, all three in each round,
every run in a process of its own. Ours ran {how}: it checks and
locks balances, charges fees, prevents self-trades, and returns every fact with the money it moved.
The peers only match. `order-matching` slows down with every order in its book, so it gets fewer.
Self-trades are prevented by ours alone, hence other counts of trades. The machine was
{describe_load()}.

| engine | commands | commands/s | range | trades | ours is faster by |
| --- | --- | --- | --- | --- | --- |
{table}

Asked for: {LIMIT_PER_SECOND:,} commands/s, and {TIMES_FASTER} times each peer.
"""


def main() -> None:
    if not PEERS.is_dir():
        sys.exit("the engines to compare with are missing; run `make bench-peers` first")
    page = write(measure())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
