"""A follower: reaches the author's root from nothing, through kills, and refuses what is wrong."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.conftest import free_port, wait_until

from chain_service import ledger_repository
from chain_service.client import ChainRefusal
from chain_service.domain.headers import Header
from chain_service.feed_repository import load_sealed
from chain_service.follower import Follower, Halted, resume
from chain_service.ledger_repository import try_to_lead
from chain_service.sealed import NONE_TRUSTED, TrustedBlock, check_chunks, cut_chunks
from taonet.kit.keys import Keypair, load_hotkey

ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")
Alter = Callable[[dict[str, Any], Keypair], None]


def live(chain: RunningChain) -> None:
    """Let things happen: registrations, weights, payouts, transfers, one that fails."""
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 100_000_000)
    for _ in range(2):
        chain.client.execute(ALICE, "transfer", {"receiver": BOB.ss58_address, "amount_rao": 1000})
    with pytest.raises(ChainRefusal):
        chain.client.execute(ALICE, "transfer", {"receiver": ALICE.ss58_address, "amount_rao": 1})


def live_and_tell(chain: RunningChain) -> tuple[list[dict[str, Any]], int, Keypair]:
    """Return the blocks that came of it, the first with a transfer, and the author's key."""
    live(chain)
    with psycopg.connect(chain.database_url) as conn:
        lines = [json.loads(line) for line in load_sealed(conn, 0)]
    first = next(at for at, told in enumerate(lines) if any(map(is_transfer, told["extrinsics"])))
    return lines, first, load_hotkey(str(chain.wallets), "default", "default")


def follow(follower: RunningChain, chain: RunningChain, **settings: str) -> None:
    follower.start_author("follower", TAONET_CHAIN_FOLLOW=chain.url, **settings)


def wait_for_same_root(follower: RunningChain, chain: RunningChain) -> None:
    height = chain.height()
    wait_until(lambda: follower.height() >= height)
    assert follower.client.block(height) == chain.client.block(height)


def stand_still_together(follower: RunningChain, chain: RunningChain) -> None:
    """Have the chain live for a moment, and end its author; the follower has all of it then."""
    live(chain)
    follow(follower, chain)
    follower.start_web(TAONET_CHAIN_FOLLOW=chain.url)
    wait_until(follower.height)
    chain.kill("author")
    wait_for_same_root(follower, chain)


def test_a_follower_from_nothing_reaches_the_authors_root_and_serves_all_reads(
    chain: RunningChain, follower: RunningChain
) -> None:
    stand_still_together(follower, chain)
    address = ALICE.ss58_address
    ours, theirs = follower.client, chain.client
    assert ours.account(address) == theirs.account(address)
    assert ours.account_proof(address).leaf == theirs.account_proof(address).leaf
    assert ours.block(3) == theirs.block(3)
    assert ours.supply(5) == theirs.supply(5)
    for table in ("account", "account_page", "weights", "extrinsic", "event"):
        rows = "SELECT * FROM " + table + " ORDER BY 1, 2"
        assert follower.query(rows) == chain.query(rows)
    with pytest.raises(ChainRefusal, match=chain.url) as refused:
        ours.execute(ALICE, "transfer", {"receiver": BOB.ss58_address, "amount_rao": 1})
    assert (refused.value.code, refused.value.details["leader"]) == ("FollowsOnly", chain.url)


def test_a_killed_follower_goes_on_where_it_was(
    chain: RunningChain, follower: RunningChain
) -> None:
    follower.start_web()
    for _ in range(2):
        follow(follower, chain)
        height = chain.height()
        wait_until(lambda height=height: follower.height() > height)  # type: ignore[misc]
        chain.client.register_by_work(key(f"n{height}"), ALICE.ss58_address)
        follower.kill("follower")
    follow(follower, chain)
    wait_for_same_root(follower, chain)
    chain.kill("web")
    wait_until(lambda: "begins again" in follower.log("follower"))
    chain.start_web()
    wait_until(chain.height)
    wait_for_same_root(follower, chain)


def sign(told: dict[str, Any], author: Keypair) -> None:
    """Sign an altered header as only the author could."""
    header = Header(**told["header"])
    block_hash = bytes.fromhex(replace(header, signature="").block_hash)
    told["header"]["signature"] = bytes(author.sign(block_hash)).hex()


def alter_amount(told: dict[str, Any], author: Keypair) -> None:
    told["extrinsics"][0]["arguments"]["amount_rao"] = "1001"


def leave_out(told: dict[str, Any], author: Keypair) -> None:
    told["extrinsics"].clear()


def alter_state_root(told: dict[str, Any], author: Keypair) -> None:
    told["header"]["state_root"] = "00" * 32
    sign(told, author)


def alter_time(told: dict[str, Any], author: Keypair) -> None:
    told["header"]["time_ms"] += 1


def sign_as_another(told: dict[str, Any], author: Keypair) -> None:
    told["header"]["author"] = BOB.ss58_address
    sign(told, BOB)


def sign_wrongly(told: dict[str, Any], author: Keypair) -> None:
    sign(told, BOB)


def skip(told: dict[str, Any], author: Keypair) -> None:
    told["header"]["height"] += 1
    sign(told, author)


def turn_back(told: dict[str, Any], author: Keypair) -> None:
    told["header"]["parent_hash"] = "ab" * 32
    sign(told, author)


def repeat(told: dict[str, Any], author: Keypair) -> None:
    told["extrinsics"].append(told["extrinsics"][0])


def scribble(told: dict[str, Any], author: Keypair) -> None:
    told["extrinsics"][0]["nonce"] = "seven"


KINDS: dict[Alter, str] = {
    alter_amount: "is not as it was signed: the signature is not",
    leave_out: "the state root should be",
    alter_state_root: f"the state root should be .* the block says {'00' * 32}",
    alter_time: "is not as it was signed: the signature is not",
    sign_as_another: "the author should be",
    sign_wrongly: "is not as it was signed: the signature is not",
    skip: "the height should be",
    turn_back: "the parent's hash should be",
    repeat: "the next nonce of .* should be",
    scribble: "is not as it was signed",
}


def test_every_kind_of_corrupted_block_stops_a_follower_for_good(
    chain: RunningChain, database: Callable[[str], str]
) -> None:
    lines, bad, author = live_and_tell(chain)
    with psycopg.connect(database("chain_service"), autocommit=True) as conn:
        assert try_to_lead(conn, 10)
        take(conn, lines[: bad // 2])
        for alter, reason in KINDS.items():
            altered = json.loads(json.dumps(lines[bad]))
            alter(altered, author)
            with pytest.raises(Halted, match=reason) as halted:
                take(conn, [*lines[:bad], altered, *lines[bad + 1 :]])
            assert f"block {altered['header']['height'] if alter is skip else bad}" in str(
                halted.value
            ) or alter in (skip, scribble)
            assert ledger_repository.load_header(conn).height == bad - 1
            with pytest.raises(Halted, match=reason):
                Follower(conn)
            assert resume(conn)
        take(conn, [*lines[:bad], *lines[bad + 1 :]], "the height should be")
        assert resume(conn)
        take(conn, lines)
        assert ledger_repository.load_header(conn) == Header(**lines[-1]["header"])


def test_up_to_a_trusted_block_its_hash_stands_for_the_signatures(
    chain: RunningChain, database: Callable[[str], str]
) -> None:
    lines, signed, author = live_and_tell(chain)
    head = Header(**lines[-1]["header"])
    trusted = TrustedBlock(head.height, head.block_hash)
    with psycopg.connect(database("chain_service"), autocommit=True) as conn:
        assert try_to_lead(conn, 10)
        for alter, believed, reason in (
            (alter_amount, trusted, "the state root should be"),
            (spoil_signature, NONE_TRUSTED, "the signature is not"),
            (spoil_signature, TrustedBlock(signed - 1, parent_of(lines[signed])), "signature is"),
            (leave_as_it_is, TrustedBlock(head.height, "ab" * 32), f"hash is {head.block_hash}"),
        ):
            altered = json.loads(json.dumps(lines))
            alter(altered[signed], author)
            take(conn, altered, reason, believed)
            assert resume(conn)
    with psycopg.connect(database("chain_service"), autocommit=True) as conn:
        assert try_to_lead(conn, 10)
        spoil_signature(lines[signed], author)
        take(conn, lines, None, trusted)
        assert ledger_repository.load_header(conn) == head


def spoil_signature(told: dict[str, Any], author: Keypair) -> None:
    told["extrinsics"][0]["signature"] = "00" * 64


def leave_as_it_is(told: dict[str, Any], author: Keypair) -> None:
    pass


def parent_of(told: dict[str, Any]) -> str:
    return str(told["header"]["parent_hash"])


def is_transfer(extrinsic: dict[str, Any]) -> bool:
    return bool(extrinsic["call"] == "transfer")


def take(
    conn: psycopg.Connection,
    lines: list[dict[str, Any]],
    refused: str | None = None,
    trusted: TrustedBlock = NONE_TRUSTED,
) -> None:
    """Offer blocks to a follower that is started anew, from where it is on."""
    follower = Follower(conn)
    feed = b"".join(json.dumps(told).encode() + b"\n" for told in lines[follower.height + 1 :])
    pieces = (feed[at : at + 1000] for at in range(0, len(feed), 1000))
    blocks = check_chunks(cut_chunks(pieces, 5000), 0, trusted)
    if refused is None:
        follower.take(blocks, threading.Event())
    else:
        with pytest.raises(Halted, match=refused):
            follower.take(blocks, threading.Event())


def test_a_halted_follower_stays_so_until_its_operator_acts(
    chain: RunningChain, follower: RunningChain
) -> None:
    follow(follower, chain)
    follower.start_web(TAONET_CHAIN_FOLLOW=chain.url)
    wait_until(lambda: follower.height() > 3)
    follower.kill("follower")
    height = follower.height()
    wait_until(lambda: chain.height() > height + 1)
    forge = "UPDATE block SET state_root = %s WHERE height = %s"
    with psycopg.connect(chain.database_url) as conn:
        right = ledger_repository.load_header(conn, height + 1).state_root
        conn.execute(forge, ("00" * 32, height + 1))
    listen = f"127.0.0.1:{free_port()}"
    for starts in (1, 2):
        follow(follower, chain, TAONET_METRICS_LISTEN=listen)
        wait_until(lambda starts=starts: count_stops(follower) == starts)  # type: ignore[misc]
        wait_until(lambda: shows_halt(listen) == 1)
        assert follower.processes["follower"].poll() is None
        if starts == 1:
            follower.kill("follower")
    assert "resume" in follower.log("follower")
    assert follower.height() == height
    with psycopg.connect(chain.database_url) as conn:
        conn.execute(forge, (right, height + 1))
    with psycopg.connect(follower.database_url) as conn:
        assert resume(conn)
    wait_for_same_root(follower, chain)
    assert shows_halt(listen) == 0


def count_stops(follower: RunningChain) -> int:
    return follower.log("follower").count("THE FOLLOWED CHAIN IS WRONG")


def shows_halt(listen: str) -> float:
    """Return what the follower's own process tells Prometheus."""
    page = httpx.get(f"http://{listen}/metrics").raise_for_status().text
    return float(page.partition("\ntaonet_chain_halted ")[2].partition("\n")[0])


def test_a_follower_refuses_an_author_it_was_not_told_of(
    chain: RunningChain, follower: RunningChain
) -> None:
    follower.start_author(
        "follower",
        TAONET_CHAIN_FOLLOW=chain.url,
        TAONET_CHAIN_FOLLOW_AUTHOR=BOB.ss58_address,
    )
    wait_until(lambda: count_stops(follower) == 1)
    assert f"the author should be {BOB.ss58_address}" in follower.log("follower")
    assert follower.query("SELECT count(*) FROM block") == [(0,)]
