"""Failure mode 3: credited at one depth, unlocked at a second, taken back if gone in between."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.conftest import wait_until

from exchange_service.bitcoin import repository as bitcoin_repository
from exchange_service.client import ExchangeRefusal
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.snapshot import read_snapshot, write_snapshot
from exchange_service.feed import Commit
from exchange_service.funds.repository import ACCOUNT_LOCK, lock_account
from exchange_service.streams.reports import Reporter

from .bitcoin_desk import CONFIRMATIONS, STRANGER, BitcoinDesk, running_node
from .conftest import Box
from .test_bitcoin import Killed
from .test_funds import SOMEBODY

UNLOCK = CONFIRMATIONS + 2


@pytest.fixture(scope="module")
def node(postgres_admin_url: str) -> Iterator[TestClient]:
    with running_node(postgres_admin_url) as http:
        yield http


@pytest.fixture
def desk(box: Box, node: TestClient) -> BitcoinDesk:
    return BitcoinDesk(box, node, UNLOCK)


def btc(client: Any) -> str:
    free: str = client.balances()["BTC"][0]
    return free


def reorganise_away(desk: BitcoinDesk, deposit: dict[str, Any]) -> str:
    """Have the chain go on without a deposit; return the transaction, to be sent again."""
    block_hash = desk.call("getrawtransaction", deposit["txId"], 1)["blockhash"]
    raw: str = desk.call("getrawtransaction", deposit["txId"])
    desk.call("invalidateblock", block_hash)
    desk.forget_waiting()
    desk.mine(UNLOCK + 3)
    return raw


def sell_for_all_btc(desk: BitcoinDesk, seller: Any, buyer: Any) -> None:
    seller.limit_order("SELL", "0.005", "100")
    buyer.limit_order("BUY", "0.005", "100")


def test_a_credited_deposit_is_traded_and_not_withdrawn_until_it_is_unlocked(
    desk: BitcoinDesk,
) -> None:
    ann = desk.trader("ann")
    desk.box.deposit(1001, 10)
    assert btc(ann) == "1.00000000"
    for coin, amount, address in (("BTC", "0.4", STRANGER), ("TAO", "5", SOMEBODY)):
        if coin == "TAO":
            ann.limit_order("BUY", "0.005", "1")
        with pytest.raises(ExchangeRefusal, match="-4015"):
            ann.withdraw(amount, address, coin=coin)
    ann.cancel_all()
    desk.mine(UNLOCK - CONFIRMATIONS)
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert ann.withdrawals()[0]["status"] == 6
    desk.check_reserves()


def test_a_deposit_shows_how_deep_it_is(desk: BitcoinDesk) -> None:
    ann = desk.box.trader("ann")
    seen = []
    for _ in range(UNLOCK):
        desk.mine()
        desk.restart()
        desk.read()
        (row,) = ann.deposits()
        seen.append((row["status"], row["confirmTimes"], row["unlockConfirm"]))
    assert seen == [(0, "1/3", 5), (0, "2/3", 5), (6, "3/3", 5), (6, "3/3", 5), (1, "3/3", 5)]
    (coin,) = [one for one in ann._signed("GET", "/sapi/v1/capital/config/getall")
               if one["coin"] == "BTC"]  # fmt: skip
    network = coin["networkList"][0]
    assert (network["minConfirm"], network["unLockConfirm"]) == (3, 5)


def test_a_pending_deposit_that_vanishes_is_shown_no_longer(desk: BitcoinDesk) -> None:
    ann = desk.box.trader("ann")
    (block_hash,) = desk.mine()
    assert [row["status"] for row in ann.deposits()] == [0]
    desk.call("invalidateblock", block_hash)
    desk.forget_waiting()
    desk.mine(2)
    assert ann.deposits() == []


def test_what_was_unlocked_before_may_leave(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    desk.mine(UNLOCK)
    desk.call("sendtoaddress", ann.deposit_address("BTC"), "0.5")
    desk.mine(CONFIRMATIONS)
    assert btc(ann) == "1.50000000"
    with pytest.raises(ExchangeRefusal, match="-4015"):
        ann.withdraw("1.1", STRANGER, coin="BTC")
    ann.withdraw("1", STRANGER, coin="BTC")


def test_a_deposit_that_vanishes_before_its_unlock_is_taken_back(desk: BitcoinDesk) -> None:
    ann, bob = desk.trader("ann"), desk.box.trader("bob", funded=False)
    raw = reorganise_away(desk, ann.deposits()[0])
    assert btc(ann) == "0.00000000"
    assert [(row["status"], row["confirmTimes"]) for row in ann.deposits()] == [(2, "0/3")]
    desk.check_reserves()
    for _ in range(3):
        desk.restart()
        desk.read()
    assert btc(ann) == "0.00000000"
    # Nobody else is held up, and mined again it counts again, once.
    assert bob.balances()["BTC"][0] == "0.00000000"
    desk.call("sendrawtransaction", raw)
    desk.mine(UNLOCK)
    assert btc(ann) == "1.00000000"
    assert [row["status"] for row in ann.deposits()] == [1]
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.check_reserves()


def test_what_is_taken_back_is_told_on_the_stream(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    heard = listen(desk)
    reorganise_away(desk, ann.deposits()[0])
    moved, position = heard
    assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "BTC", "-1.00000000")
    assert position["e"] == "outboundAccountPosition"
    assert position["B"][0] == {"a": "BTC", "f": "0.00000000", "l": "0.00000000"}


def test_what_was_traded_away_is_owed_until_it_is_made_up(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    bob = desk.box.trader("bob", funded=False, tao=200)
    sell_for_all_btc(desk, bob, ann)
    assert btc(ann) == "0.49950000"
    reorganise_away(desk, ann.deposits()[0])
    assert btc(ann) == "0.00000000"
    assert find_shortfall(desk) == 50_050_000
    with pytest.raises(ExchangeRefusal, match=r"-4015.*reorganised"):
        ann.withdraw("50", SOMEBODY)
    assert not ann._signed("GET", "/api/v3/account")["canWithdraw"]
    assert_sound(desk)

    # It sells what it bought: half is taken at the next look, the rest once there is more.
    bob.limit_order("BUY", "0.004", "50")
    ann.limit_order("SELL", "0.004", "50")
    desk.read()
    assert btc(ann) == "0.00000000"
    assert find_shortfall(desk) == 50_050_000 - 19_980_000
    desk.call("sendtoaddress", ann.deposit_address("BTC"), "1")
    desk.mine(UNLOCK)
    assert find_shortfall(desk) == 0
    assert btc(ann) == "0.69930000"
    ann.withdraw("10", SOMEBODY)
    desk.check_reserves()
    assert_sound(desk)


def test_killed_between_taking_back_and_noting_it_takes_once(
    desk: BitcoinDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = desk.trader("ann")
    desk.mine(UNLOCK)
    desk.call("sendtoaddress", ann.deposit_address("BTC"), "0.5")
    desk.mine(CONFIRMATIONS)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(bitcoin_repository, "forget_coin", die)
        with pytest.raises(Killed):
            reorganise_away(desk, ann.deposits()[0])
    assert btc(ann) == "1.00000000"
    for _ in range(2):
        desk.restart()
        desk.read()
    assert btc(ann) == "1.00000000"
    assert find_shortfall(desk) == 0
    desk.check_reserves()


def test_no_deposit_is_credited_while_a_withdrawal_looks_at_what_is_locked(
    desk: BitcoinDesk,
) -> None:
    """Else one credited in between could leave: the withdrawal would not know of it."""
    ann = desk.box.trader("ann")
    desk.call("generatetoaddress", CONFIRMATIONS, desk.call("getnewaddress"))
    reading = threading.Thread(target=desk.read)
    with desk.pool.connection() as conn:
        lock_account(conn, 1001)
        reading.start()
        wait_until(lambda: count_waiting(desk) == 1)
        assert btc(ann) == "0.00000000"
    reading.join(30)
    assert btc(ann) == "1.00000000"


def test_what_is_owed_is_in_the_snapshot(desk: BitcoinDesk) -> None:
    def forth_and_back(exchange: Exchange) -> tuple[bytes, bytes]:
        written = write_snapshot(exchange)
        return written, write_snapshot(read_snapshot(written))

    ann = desk.trader("ann")
    bob = desk.box.trader("bob", funded=False, tao=200)
    before, again = desk.box.engine.ask(forth_and_back).result(10)
    assert before == again
    assert b"shortfalls" not in before, "a snapshot of before there were any is the same"
    sell_for_all_btc(desk, bob, ann)
    reorganise_away(desk, ann.deposits()[0])
    bob.withdraw("1", SOMEBODY)
    before, again = desk.box.engine.ask(forth_and_back).result(10)
    assert before == again
    assert b'"shortfalls":[[1001,50050000]]' in before


def listen(desk: BitcoinDesk) -> list[dict[str, Any]]:
    """Return what the first account is told from now on, as it comes."""
    engine = desk.box.engine
    heard: list[dict[str, Any]] = []
    reporter = engine.ask(lambda exchange: Reporter(exchange, lambda *_: None)).result(10)

    def take(commit: Commit) -> None:
        heard.extend(event for _, event in reporter.report(commit, {1001}, 0))

    engine._listeners.append(take)
    return heard


def assert_sound(desk: BitcoinDesk) -> None:
    audit = desk.box.audit()
    assert audit.sound, audit.faults


def count_waiting(desk: BitcoinDesk) -> int:
    """Return how many wait for an account's lock in this exchange's database."""
    with desk.pool.connection() as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND classid = %s AND objid = 1001"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (ACCOUNT_LOCK,),
        ).fetchone()
    return int(row[0])


def find_shortfall(desk: BitcoinDesk) -> int:
    with desk.pool.connection() as conn:
        row = conn.execute("SELECT COALESCE(sum(amount_sat), 0) FROM shortfall").fetchone()
    return int(row[0])
