"""I4 and failure mode 15: coins taken from a wallet show, coins on their way do not.

Looked at by hand, as often in a row as it takes to be believed.
"""

import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from tests.conftest import wait_until
from typer.testing import CliRunner

from exchange_service.auditing import Holdings
from exchange_service.commands import exchange_app
from exchange_service.funds.commands import describe_comparison
from exchange_service.reserves import reconciling
from exchange_service.reserves.reconciling import LOOKS_SHORT, Reconciler, Unsettled

from .bitcoin_desk import CONFIRMATIONS, STRANGER, BitcoinDesk, running_node
from .conftest import Box
from .test_funds import FEE_RAO, SOMEBODY, TAO, Desk, FakeChain


@pytest.fixture(scope="module")
def node(postgres_admin_url: str) -> Iterator[TestClient]:
    with running_node(postgres_admin_url) as http:
        yield http


@pytest.fixture
def btc_desk(box: Box, node: TestClient) -> BitcoinDesk:
    return BitcoinDesk(box, node)


class ReadableChain(FakeChain):
    """Blocks that can be read again, and a height that is the last one's."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Any] = []

    def __enter__(self) -> "ReadableChain":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def head(self) -> Any:
        return super().head().model_copy(update={"height": self.height - 1})

    def block(self, *gifts: Any) -> Any:
        if gifts and isinstance(gifts[0], int):
            return self.blocks[gifts[0]]
        self.blocks.append(super().block(*gifts))
        return self.blocks[-1]


@pytest.fixture
def tao_desk(box: Box, monkeypatch: pytest.MonkeyPatch) -> Desk:
    chain = ReadableChain()
    monkeypatch.setattr(reconciling, "ChainClient", lambda _: chain)
    desk = Desk(box, chain)
    # The genesis block, which a look that begins before it would ask for.
    desk.seal()
    return desk


def test_what_moves_under_every_attempt_to_look_is_no_loss(
    box: Any, btc_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much the books say meanwhile: no two readings of them were alike."""
    booked = count(10**12)
    monkeypatch.setattr(Reconciler, "_read_bitcoin_state", lambda *_: (0, 0, next(booked)))
    state = box.http.app.state
    reconciler = Reconciler(box.engine, state.pool, btc_desk, "", state.auditor.holdings)
    for _ in range(LOOKS_SHORT):
        with pytest.raises(Unsettled, match="moved under each look"):
            reconciler.look()
    assert box.audit().sound


def find_faults(box: Any, desk: Any, chain_url: str) -> list[str]:
    """Look until what is missing would be believed; return what the audit says of it."""
    state = box.http.app.state
    holdings = state.auditor.holdings
    reconciler = Reconciler(box.engine, state.pool, desk, chain_url, holdings)
    for _ in range(LOOKS_SHORT):
        reconciler.look()
    audit = box.public.audit()
    held = {one.name: one.holds for one in audit.invariants}
    assert held["I4"] == (not holdings.faults)
    assert held["I7"]
    assert audit.sound == (not holdings.faults)
    faults: list[str] = holdings.faults
    return faults


def look_at_btc(desk: BitcoinDesk) -> list[str]:
    return find_faults(desk.box, desk.desk, "")


def look_at_tao(desk: Desk) -> list[str]:
    return find_faults(desk.box, desk.box.http.app.state.funds_terms.desk, "somewhere")


def test_btc_that_is_stolen_from_the_node_shows(btc_desk: BitcoinDesk) -> None:
    desk = btc_desk
    ann = desk.trader("ann")
    assert look_at_btc(desk) == []
    with desk.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
        stolen = (ann.deposits()[0]["txId"],)
        conn.execute("UPDATE output SET spent_height = 1 WHERE txid = %s", stolen)
    assert look_at_btc(desk) == ["I4: the chain holds 0.00000000 BTC, the books say 1.00000000"]
    with desk.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
        conn.execute("UPDATE output SET spent_height = NULL WHERE txid = %s", stolen)
    assert look_at_btc(desk) == []


def test_btc_on_its_way_is_not_missing(btc_desk: BitcoinDesk) -> None:
    """Waiting, in a block that is not booked, and booked: at no stage is anything missing."""
    desk = btc_desk
    ann = desk.trader("ann")
    desk.call("sendtoaddress", ann.deposit_address("BTC"), "0.5")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    assert look_at_btc(desk) == []
    for _ in range(CONFIRMATIONS):
        desk.mine()
        assert look_at_btc(desk) == []
    assert ann.withdrawals()[0]["status"] == 6


def test_tao_that_is_stolen_shows(tao_desk: Desk) -> None:
    desk = tao_desk
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    assert look_at_tao(desk) == []
    desk.chain.move(ann.deposit_address(), SOMEBODY, TAO)
    assert look_at_tao(desk) == ["I4: the chain holds 4.000000000 TAO, the books say 5.000000000"]


def test_tao_on_its_way_is_not_missing(tao_desk: Desk) -> None:
    desk = tao_desk
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    ann.withdraw("2", SOMEBODY)
    desk.payer.step()
    # The sweep's own fee is booked when its block is seen; here it went without a block.
    desk.chain.free[desk.wallet.address] += FEE_RAO
    # The payment, then a deposit, are in blocks that nobody has booked.
    blocks = [desk.chain.block()]
    assert look_at_tao(desk) == []
    blocks.append(desk.chain.block((ann.deposit_address(), TAO)))
    assert look_at_tao(desk) == []
    for block in blocks:
        desk.bookkeeper.book(block)
        assert look_at_tao(desk) == []
    assert ann.withdrawals()[0]["status"] == 6


def test_while_a_chain_is_away_the_last_comparison_grows_old(
    tao_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tao_desk.box
    state = box.http.app.state
    # The exchange's own look comes first, then for a while nobody's but this test's.
    wait_until(lambda: state.auditor.holdings.compared_ms is not None)
    holdings = Holdings()
    state.auditor.holdings = holdings
    assert box.public.audit().holdings_compared_ms is None
    started = read_compared_seconds()
    assert abs(time.time() - started) < 60
    reconciler = Reconciler(box.engine, state.pool, state.funds_terms.desk, "x", holdings)
    reconciler.look()
    compared_ms = box.public.audit().holdings_compared_ms
    assert compared_ms is not None
    compared = read_compared_seconds()
    assert started < compared == pytest.approx(compared_ms / 1_000, abs=1)

    monkeypatch.setattr(tao_desk.chain, "head", is_away)
    with pytest.raises(ConnectionError):
        reconciler.look()
    assert box.public.audit().holdings_compared_ms == compared_ms
    assert read_compared_seconds() == compared


def test_the_command_says_when_the_chains_were_last_compared(exchange: str) -> None:
    told = CliRunner().invoke(exchange_app, ["audit", "--url", exchange])
    assert re.fullmatch(
        r"the books are sound\nlast compared with the chains at \d{4}-[-\d]+ [:\d]+ UTC\n",
        told.stdout,
    )
    assert describe_comparison(None) == "not compared with the chains since the exchange started"


def is_away() -> None:
    raise ConnectionError


def read_compared_seconds() -> float:
    seconds = REGISTRY.get_sample_value("taonet_audit_timestamp_seconds", {"audit": "I4"})
    assert seconds is not None
    return seconds


def test_one_look_alone_says_nothing(tao_desk: Desk) -> None:
    desk = tao_desk
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    desk.chain.move(ann.deposit_address(), SOMEBODY, TAO)
    state = desk.box.http.app.state
    reconciler = Reconciler(
        desk.box.engine, state.pool, state.funds_terms.desk, "x", state.auditor.holdings
    )
    for _ in range(LOOKS_SHORT - 1):
        reconciler.look()
    assert state.auditor.holdings.faults == []
