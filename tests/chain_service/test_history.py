"""The chain's past, newest first and in pages; each list is checked against the blocks."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import httpx
import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out

from chain_service.events import Paid
from chain_service.history_client import HistoryClient
from chain_service.rows import tag_account
from chain_service.schemas import Block, SignedLine

ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")
TRANSFERS = 7
T = TypeVar("T")


def ask(chain: RunningChain, question: Callable[[HistoryClient], Coroutine[Any, Any, T]]) -> T:
    async def asking() -> T:
        async with HistoryClient(chain.url) as client:
            return await question(client)

    return asyncio.run(asking())


@pytest.fixture
def rich(chain: RunningChain) -> RunningChain:
    """A chain on which Alice earned, took out, paid Bob seven times, and failed once."""
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 500_000_000)
    transfer = {"receiver": BOB.ss58_address, "amount_rao": 1000}
    beyond = {"receiver": BOB.ss58_address, "amount_rao": 10**18}
    for answer in chain.client.submit_many(
        ALICE, [("transfer", transfer)] * TRANSFERS + [("transfer", beyond)]
    ):
        chain.client.wait(str(answer))
    return chain


def all_blocks(chain: RunningChain) -> list[Block]:
    return [chain.client.block(height) for height in range(1, chain.height() + 1)]


def check_blocks_at_a_glance_count_what_they_hold(rich: RunningChain) -> None:
    blocks = all_blocks(rich)
    newest = len(blocks)
    told = ask(rich, lambda client: client.summaries(newest, 100))
    expected = [
        (
            block.height,
            block.header.block_hash,
            len(block.extrinsics),
            len(block.events),
            sum(getattr(e, "amount_rao", 0) for e in block.events if e.kind == "Paid"),
        )
        for block in reversed(blocks)
    ]

    seen = [(s.height, s.block_hash, s.extrinsics, s.events, s.paid_rao) for s in told]
    assert seen == expected[:100]
    assert told[0].issuance_rao == rich.client.supply(at=newest).issuance_rao
    found = ask(rich, lambda client: client.find_block(blocks[2].header.block_hash))
    assert found.height == 3
    assert [s.height for s in ask(rich, lambda c: c.summaries(2, 10))] == [2, 1]


def check_payouts_tell_what_each_step_gave(rich: RunningChain) -> None:
    blocks = all_blocks(rich)
    steps = {
        block.height: {e.uid: e.amount_rao for e in block.events if isinstance(e, Paid)}
        for block in blocks
        if any(isinstance(e, Paid) for e in block.events)
    }
    told = ask(rich, lambda client: client.payouts(len(blocks), 20))

    seen = {p.height: dict(zip(p.uids, p.amounts_rao, strict=True)) for p in told}
    newest_first = sorted(steps, reverse=True)[:20]
    assert list(seen) == newest_first
    assert seen == {height: steps[height] for height in newest_first}
    older = ask(rich, lambda client: client.payouts(newest_first[0] - 1, 1))
    assert [p.height for p in older] == newest_first[1:2]


def read_signed(chain: RunningChain, address: str, page: int) -> list[SignedLine]:
    """Read all that an account signed, so many at a time."""
    lines: list[SignedLine] = []
    while True:
        before = f"{lines[-1].height}-{lines[-1].index}" if lines else None
        more = ask(
            chain, partial(HistoryClient.signed_by, address=address, before=before, limit=page)
        )
        if not more:
            return lines
        lines += more


def check_an_account_lists_what_it_signed_page_by_page(rich: RunningChain) -> None:
    address = ALICE.ss58_address
    lines = read_signed(rich, address, page=3)
    expected = [
        (block.height, item.hash, item.status, item.extrinsic.call)
        for block in reversed(all_blocks(rich))
        for item in reversed(block.extrinsics)
        if item.extrinsic.signer == address
    ]

    assert [(x.height, x.hash, x.status, x.call) for x in lines] == expected
    assert lines[0].status == "failed"
    assert lines[1].arguments == {"receiver": BOB.ss58_address, "amount_rao": "1000"}
    assert len(lines) == TRANSFERS + 2


def check_an_account_lists_what_came_to_it(rich: RunningChain) -> None:
    bob, alice = BOB.ss58_address, ALICE.ss58_address
    first = ask(rich, lambda client: client.events_of(bob, None, 4))
    place = f"{first[-1].event.height}-{first[-1].event.index}"
    rest = ask(rich, lambda client: client.events_of(bob, place, 100))
    places = [(line.event.height, line.event.index) for line in first + rest]

    assert len(places) == TRANSFERS
    assert places == sorted(set(places), reverse=True)
    kinds = [line.event.kind for line in ask(rich, lambda c: c.events_of(alice, None, 100))]
    assert kinds == ["StakeRemoved", "Registered", "Registered"]
    stakes = ask(rich, lambda client: client.stakes(alice))
    assert sorted(stake.uid for stake in stakes) == [0, 1]
    assert all(stake.stake_rao > 0 for stake in stakes)


def check_an_extrinsic_is_told_whole(rich: RunningChain) -> None:
    line = ask(rich, lambda client: client.signed_by(ALICE.ss58_address, None, 2))[1]
    told = ask(rich, lambda client: client.extrinsic(line.hash))

    assert (told.height, told.index, told.status) == (line.height, line.index, "included")
    assert told.extrinsic.signer == ALICE.ss58_address
    assert [event.kind for event in told.events] == ["Transferred"]
    assert told.time_ms == rich.client.block(line.height).header.time_ms


def check_the_lookups_use_their_indexes(rich: RunningChain) -> None:
    """At a million blocks a page must not be found by reading all of them."""
    names = {row[0] for row in rich.query("SELECT indexname FROM pg_indexes")}
    assert {"extrinsic_of_signer", "event_of_receiver", "event_of_account"} <= names
    signers = rich.query("SELECT DISTINCT body ->> 'signer', signer_tag FROM extrinsic")
    receivers = rich.query(
        "SELECT DISTINCT body ->> 'receiver', receiver_tag FROM event WHERE kind = 'Transferred'"
    )
    assert {(address, tag_account(address)) for address, _ in signers} == {*signers}
    assert {(address, tag_account(address)) for address, _ in receivers} == {*receivers}
    assert signers
    assert receivers


def test_the_past_is_told_as_the_blocks_hold_it(rich: RunningChain) -> None:
    """One chain for all of them: it takes longer to earn money than to look it up."""
    for check in CHECKS:
        check(rich)


CHECKS = (
    check_blocks_at_a_glance_count_what_they_hold,
    check_payouts_tell_what_each_step_gave,
    check_an_account_lists_what_it_signed_page_by_page,
    check_an_account_lists_what_came_to_it,
    check_an_extrinsic_is_told_whole,
    check_the_lookups_use_their_indexes,
)


REFUSED = [
    ("/headers?limit=101", 422),
    (f"/headers/{'0' * 64}", 404),
    (f"/extrinsics/{'0' * 64}/whole", 404),
    ("/accounts/nobody/extrinsics", 422),
    (f"/accounts/{ALICE.ss58_address}/events?before=soon", 422),
    ("/payouts?limit=21", 422),
]


def test_what_cannot_be_looked_up_is_refused(chain: RunningChain) -> None:
    answered = [(path, httpx.get(f"{chain.url}{path}").status_code) for path, _ in REFUSED]

    assert answered == REFUSED
