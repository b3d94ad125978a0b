"""Many extrinsics at once: each answered by itself, durable, in the order of tips and nonces."""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc8785 import dumps
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.conftest import wait_until

from chain_service import mempool_repository, operations
from chain_service.async_client import AsyncChainClient
from chain_service.client import ChainRefusal
from chain_service.domain.encoding import encode_canonically
from chain_service.intake import Answer, Gathered, Intake
from chain_service.orders import PLAIN, read_order
from chain_service.schemas import Submitted
from chain_service.signing import sign_extrinsic, sign_many
from chain_service.verifying import SHARE, Verifiers

ALICE, BOB = key("Alice"), key("Bob")
SERVER, VALIDATOR = key("server"), key("validator")
TRANSFER = ("transfer", {"receiver": BOB.ss58_address, "amount_rao": 1000})

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_the_fast_writer_is_the_canonical_one(value: dict[str, Any]) -> None:
    assert encode_canonically(value) == dumps(value)


@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_an_extrinsic_is_hashed_over_its_canonical_bytes(arguments: dict[str, Any]) -> None:
    arguments = {"receiver": BOB.ss58_address, "amount_rao": "1"} | arguments
    extrinsic = sign_extrinsic(ALICE, "0" * 64, 0, 9, *TRANSFER, tip_rao=7).model_copy(
        update={"arguments": arguments}
    )
    told = extrinsic.model_dump(mode="json", exclude={"signature"})
    assert extrinsic.payload() == told
    flat = PLAIN.issuperset(map(type, arguments.values()))
    assert encode_canonically(told, may_hold_floats=not flat) == dumps(told)


@pytest.fixture
def rich(chain: RunningChain) -> RunningChain:
    """A chain where Alice has money."""
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 900_000_000)
    return chain


def test_many_are_answered_one_by_one(rich: RunningChain) -> None:
    client = rich.client
    head, nonce = client.head(), client.account(ALICE.ss58_address).nonce
    good = [
        entry.model_dump(mode="json") for entry in sign_many(ALICE, head, nonce, [TRANSFER] * 3)
    ]
    forged = good[1] | {"signature": "00" * 64}
    body = [good[0], forged, 7, good[1], good[1], good[2], {"call": "transfer"}]
    answers = httpx.post(f"http://127.0.0.1:{rich.port}/extrinsics/batch", json=body).json()
    told = [answer["error"]["code"] if "error" in answer else "taken" for answer in answers]
    expected = [
        "taken",
        "Unauthenticated",
        "Malformed",
        "taken",
        "WrongNonce",
        "taken",
        "Malformed",
    ]
    assert told == expected
    assert answers[4]["error"]["next_nonce"] == nonce + 2
    wait_until(lambda: client.account(BOB.ss58_address).free_rao == 3000)
    wrongs: list[Any] = [{}, [], [1] * 1001, "x"]
    for wrong in wrongs:
        answer = httpx.post(f"http://127.0.0.1:{rich.port}/extrinsics/batch", json=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "Malformed")


def test_submit_many_survives_the_death_of_a_verifying_process(rich: RunningChain) -> None:
    count = 3 * SHARE
    assert all(isinstance(sent, str) for sent in rich.client.submit_many(ALICE, [TRANSFER] * count))
    for pid in children(rich.processes["web"].pid):
        os.kill(pid, signal.SIGKILL)
    assert all(isinstance(sent, str) for sent in rich.client.submit_many(ALICE, [TRANSFER] * count))
    wait_until(lambda: rich.client.account(BOB.ss58_address).free_rao == 2000 * count)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


async def submit_asynchronously(url: str) -> list[str | ChainRefusal]:
    async with AsyncChainClient(url) as client:
        return await client.submit_many(ALICE, [TRANSFER] * 2)


def test_the_asynchronous_client_submits_many(rich: RunningChain) -> None:
    answers = asyncio.run(submit_asynchronously(f"http://127.0.0.1:{rich.port}"))
    assert [type(answer) for answer in answers] == [str, str]


def test_tips_go_first_and_nonces_in_order(quiet_chain: RunningChain) -> None:
    chain = quiet_chain
    chain.start_author()
    chain.start_web()
    chain.wait_ready()
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 900_000_000)
    chain.client.execute(ALICE, "transfer", {"receiver": BOB.ss58_address, "amount_rao": 10**8})
    chain.kill("author")
    head = chain.client.head()
    alice, bob = (chain.client.account(who.ss58_address).nonce for who in (ALICE, BOB))

    def sign(who: Any, nonce: int, tip_rao: int) -> Any:
        arguments = {"receiver": VALIDATOR.ss58_address, "amount_rao": 500}
        valid = head.height + 5_000
        return sign_extrinsic(
            who, head.genesis_hash, nonce, valid, *("transfer", arguments), tip_rao
        )

    sent = [
        sign(ALICE, alice, 0),
        sign(ALICE, alice + 1, 9),
        sign(BOB, bob, 5),
        sign(BOB, bob + 1, 1),
    ]
    hashes = chain.client.send_many(sent)
    chain.start_author()
    receipts = [chain.client.wait(str(one)) for one in hashes]
    block = chain.client.block(receipts[0].height or 0)
    order = [entry.extrinsic.tip_rao for entry in block.extrinsics]
    assert order == [5, 1, 0, 9]  # Alice's tip of 9 waits behind her own first one


def test_what_waits_must_be_able_to_pay_its_fees(rich: RunningChain) -> None:
    """One fee's worth of money does not fill blocks for nothing."""
    fee = rich.client.parameters().transfer_fee_rao
    arguments = {"receiver": BOB.ss58_address, "amount_rao": 2 * fee}
    rich.client.execute(ALICE, "transfer", arguments)
    rich.kill("author")
    answers = rich.client.submit_many(
        BOB, [("transfer", {"receiver": ALICE.ss58_address, "amount_rao": 1})] * 3
    )
    codes = [getattr(answer, "code", "taken") for answer in answers]
    assert codes == ["taken", "InsufficientBalance", "WrongNonce"]


def test_what_expired_may_come_again(rich: RunningChain) -> None:
    """The same bytes, still valid, wait again and are carried out once."""
    client = rich.client
    rich.kill("author")
    head, nonce = client.head(), client.account(ALICE.ss58_address).nonce
    short = sign_extrinsic(ALICE, head.genesis_hash, nonce, head.height + 1, *TRANSFER)
    long = sign_extrinsic(ALICE, head.genesis_hash, nonce + 1, head.height + 5_000, *TRANSFER)
    hashes = [str(one) for one in client.send_many([short, long])]
    execute(
        rich,
        "UPDATE mempool SET body = jsonb_set(body::jsonb, '{last_valid_block}', '0') "
        "WHERE nonce = %s",
        nonce,
    )
    rich.start_author()
    wait_until(lambda: client.receipt(hashes[1]).status == "expired")
    assert measure(rich) == (0, 0)
    again = sign_extrinsic(ALICE, head.genesis_hash, nonce, head.height + 5_000, *TRANSFER)
    assert [type(one) for one in client.send_many([again, long])] == [str, str]
    assert client.wait(hashes[1]).status == "included"


def execute(chain: RunningChain, statement: LiteralString, *values: Any) -> None:
    with psycopg.connect(chain.database_url) as conn:
        conn.execute(statement, values)


@pytest.mark.parametrize(
    ("extrinsics", "size", "words"),
    [
        (operations.WAITING_MAX - 2, 0, "100000 extrinsics wait already"),
        (
            0,
            operations.WAITING_BYTES_MAX - 800,
            r"25599\d{4} bytes wait already, and 256000000 may",
        ),
    ],
)
def test_a_full_mempool_says_so(rich: RunningChain, extrinsics: int, size: int, words: str) -> None:
    rich.kill("author")
    execute(
        rich,
        "UPDATE mempool_count SET extrinsics = extrinsics + %s, bytes = bytes + %s "
        "WHERE what = 'arrived'",
        *(extrinsics, size),
    )
    # Two have room, whether each is sent by itself or all together.
    rich.client.submit(ALICE, *TRANSFER)
    taken, *refused = rich.client.submit_many(ALICE, [TRANSFER] * 3)
    assert isinstance(taken, str)
    assert isinstance(refused[0], ChainRefusal)
    with pytest.raises(ChainRefusal, match=f"MempoolFull.*{words}"):
        rich.client.submit(ALICE, *TRANSFER)


def test_an_author_that_starts_counts_anew(rich: RunningChain) -> None:
    """Else what was once in the mempool would count for ever, and nothing be let in."""
    rich.client.execute(ALICE, *TRANSFER)
    rich.kill("author")
    rich.client.submit_many(ALICE, [TRANSFER] * 2)
    [(length,)] = rich.query("SELECT sum(length) FROM mempool")
    assert measure(rich) == (2, length)
    execute(rich, "UPDATE mempool_count SET extrinsics = 5, bytes = 7")
    rich.start_author()
    wait_until(lambda: rich.query("SELECT FROM mempool") == [])
    assert measure(rich) == (0, 0)
    height = rich.height()
    wait_until(lambda: rich.height() > height + 2)
    assert measure(rich) == (0, 0)


def measure(chain: RunningChain) -> tuple[int, int]:
    with psycopg.connect(chain.database_url) as conn:
        return mempool_repository.measure_waiting(conn)


def test_one_signer_can_not_fill_the_mempool_with_large_extrinsics(rich: RunningChain) -> None:
    rich.kill("author")
    uids = list(range(4096))
    weights = {"uids": uids, "values": [2**32 - 1] * 4096, "version_key": 0}
    answers = rich.client.submit_many(ALICE, [("set_weights", weights)] * 40)
    codes = [getattr(answer, "code", "taken") for answer in answers]
    taken = codes.count("taken")
    [(waiting,)] = rich.query("SELECT sum(length) FROM mempool")
    assert codes[taken] == "MempoolFull"
    assert waiting <= operations.WAITING_BYTES_PER_SIGNER_MAX < waiting * (taken + 1) / taken


class PickyIntake(Intake):
    """Stands in for a transaction that a request of somebody else makes fail."""

    def __init__(self) -> None: ...

    def _write(self, group: Sequence[Gathered]) -> list[Answer]:
        hashes = [order.order.hash for entry in group for order in entry.signed]
        if "bad" in hashes:
            raise ValueError("nobody thought of this")
        return [Submitted(hash=name) for name in hashes]


async def settle_together(*names: str) -> list[list[Answer] | BaseException]:
    make_future = asyncio.get_running_loop().create_future
    orders = [read_order(sign_extrinsic(ALICE, "0" * 64, 0, 9, *TRANSFER)) for _ in names]
    group = [
        Gathered([signed._replace(order=signed.order._replace(hash=name))], make_future())
        for name, signed in zip(names, orders, strict=True)
    ]
    await PickyIntake()._settle_group(group)
    return await asyncio.gather(*(entry.answers for entry in group), return_exceptions=True)


def test_what_one_request_brings_fails_no_other() -> None:
    first, bad, last = asyncio.run(settle_together("first", "bad", "last"))
    assert isinstance(bad, ValueError)
    assert (first, last) == ([Submitted(hash="first")], [Submitted(hash="last")])


def test_verifiers_keep_the_order() -> None:
    verifiers = Verifiers(processes=2)
    try:
        answers = verifiers.judge([{"number": number} for number in range(2 * SHARE + 1)])
    finally:
        verifiers.close()
    assert len(answers) == 2 * SHARE + 1


def test_what_waits_is_known_without_counting(rich: RunningChain) -> None:
    fee_rao = rich.client.execute(ALICE, *TRANSFER).fee_rao
    rich.kill("author")
    assert all(isinstance(sent, str) for sent in rich.client.submit_many(ALICE, [TRANSFER] * 4))
    with psycopg.connect(rich.database_url) as conn:
        assert mempool_repository.measure_waiting(conn).extrinsics == 4
        standings = mempool_repository.load_standings(conn, [ALICE.ss58_address, BOB.ss58_address])
    alice, bob = standings[ALICE.ss58_address], standings[BOB.ss58_address]
    assert (alice.waiting, bob.waiting, bob.fees_rao) == (4, 0, 0)
    assert abs(alice.fees_rao - 4 * fee_rao) <= 4, "a nonce of another length costs a rao"
    rich.start_author()
    wait_until(lambda: rich.query("SELECT FROM mempool") == [])
    with psycopg.connect(rich.database_url) as conn:
        assert mempool_repository.measure_waiting(conn) == (0, 0)
        after = mempool_repository.load_standings(conn, [ALICE.ss58_address])
    assert (after[ALICE.ss58_address].waiting, after[ALICE.ss58_address].fees_rao) == (0, 0)
    assert after[ALICE.ss58_address].next_nonce == alice.next_nonce
