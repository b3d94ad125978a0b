"""The chain as its users meet it: real processes, Postgres and Valkey."""

from itertools import islice, pairwise
from typing import Any

import httpx
import pytest
import redis
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.conftest import wait_until

from chain_service.client import ChainRefusal
from chain_service.domain.work import search_seal
from chain_service.schemas import Block, Extrinsic
from chain_service.signing import sign_extrinsic

ALICE, BOB = key("Alice"), key("Bob")
SERVER, VALIDATOR = key("server"), key("validator")


def signed(chain: RunningChain, **changes: Any) -> Extrinsic:
    head = chain.client.head()
    values: dict[str, Any] = {
        "genesis_hash": head.genesis_hash,
        "nonce": chain.client.account(ALICE.ss58_address).nonce,
        "last_valid_block": head.height + 5_000,
        "call": "transfer",
        "arguments": {"receiver": BOB.ss58_address, "amount_rao": 1000},
    }
    return sign_extrinsic(ALICE, **(values | changes))


def post(chain: RunningChain, body: Any) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{chain.port}/extrinsics", json=body)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_from_nothing_to_paid_to_spent(chain: RunningChain) -> None:
    client = chain.client
    assert client.supply(at=0).issuance_rao == 0

    uids = enrich(client, ALICE, SERVER, VALIDATOR)
    assert uids == [0, 1]
    axon = {"ip": "127.0.0.1", "port": 8091, "name": "oak"}
    client.execute(SERVER, "serve_axon", axon)
    metagraph = client.metagraph()
    assert [neuron.name for neuron in metagraph.neurons] == ["oak", ""]
    assert metagraph.neurons[0].axon is not None
    assert metagraph.neurons[0].incentive == 1.0
    take_out(client, ALICE, SERVER, 100_000_000)
    before = client.account(ALICE.ss58_address).free_rao

    sent = {"receiver": BOB.ss58_address, "amount_rao": "1000"}
    receipt = client.execute(ALICE, "transfer", sent)
    assert receipt.status == "included"
    assert receipt.height is not None
    block = client.block(receipt.height)
    transferred = [event for event in block.events if event.kind == "Transferred"]
    assert [(event.sender, event.amount_rao) for event in transferred] == [  # type: ignore[union-attr]
        (ALICE.ss58_address, 1000)
    ]
    assert client.account(BOB.ss58_address).free_rao == 1000
    assert client.account(ALICE.ss58_address).free_rao == before - 1000 - receipt.fee_rao
    supply = client.supply()
    assert supply.issuance_rao == supply.height * 10**9
    assert supply.free_rao + supply.stake_rao + supply.pot_rao == supply.issuance_rao


def test_a_neurons_priority_is_told(chain: RunningChain) -> None:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    wait_until(lambda: any(neuron.priority for neuron in chain.client.metagraph().neurons))
    chain.kill("author")

    stored = [row[0] for row in chain.query("SELECT priority FROM neuron ORDER BY uid")]
    assert [neuron.priority for neuron in chain.client.metagraph().neurons] == stored
    assert [chain.client.neuron(uid).priority for uid in range(len(stored))] == stored


def test_a_failed_call_tells_why_and_uses_up_its_nonce(chain: RunningChain) -> None:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    nonce = chain.client.account(VALIDATOR.ss58_address).nonce
    with pytest.raises(ChainRefusal, match="InvalidUid"):
        chain.client.execute(VALIDATOR, "set_weights", {"uids": [9], "values": [1]})
    assert chain.client.account(VALIDATOR.ss58_address).nonce == nonce + 1
    assert chain.query("SELECT FROM extrinsic WHERE error LIKE 'InvalidUid: %'") == [()]


def test_hostile_extrinsics_are_refused_and_change_nothing(chain: RunningChain) -> None:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 100_000_000)
    good = signed(chain).model_dump(mode="json")
    nonce = good["nonce"]

    def changed(**changes: Any) -> dict[str, Any]:
        return good | changes

    def resigned(**changes: Any) -> Any:
        return signed(chain, **changes).model_dump(mode="json")

    other = {"receiver": BOB.ss58_address, "amount_rao": "2000"}
    unreadable = {"receiver": "5" * 48, "amount_rao": "1"}
    cases = {
        "tampered": (changed(arguments=other), (401, "Unauthenticated")),
        "unsigned": (changed(signature="00" * 64), (401, "Unauthenticated")),
        "no signature": ({k: v for k, v in good.items() if k != "signature"}, (422, "Malformed")),
        "another's": (changed(signer=BOB.ss58_address), (401, "Unauthenticated")),
        "another chain's": (resigned(genesis_hash="00" * 32), (409, "WrongGenesis")),
        "expired": (resigned(last_valid_block=0), (409, "Expired")),
        "for ever": (resigned(last_valid_block=2**50), (409, "ValidTooLong")),
        "nonce ahead": (resigned(nonce=nonce + 1), (409, "WrongNonce")),
        "nonce behind": (resigned(nonce=nonce - 1), (409, "WrongNonce")),
        "unknown call": (changed(call="mint"), (422, "UnknownCall")),
        "no address": (changed(arguments=unreadable), (422, "Malformed")),
        "huge integer": (changed(arguments={"amount": 2**70}), (422, "Malformed")),
        "not JSON": ([], (422, "Malformed")),
        "a field too many": (changed(more=1), (422, "Malformed")),
    }
    for name, (body, expected) in cases.items():
        assert expected == refusal(post(chain, body)), name
    oversized = changed(arguments={"receiver": "5" * 2_000_000})
    assert refusal(post(chain, oversized)) == (413, "TooLarge")
    told = post(chain, resigned(nonce=nonce + 2)).json()["error"]
    assert told["message"] == f"expected {nonce}, got {nonce + 2}"
    assert told["next_nonce"] == nonce

    assert post(chain, good).status_code == 202
    wait_until(lambda: chain.client.account(BOB.ss58_address).free_rao == 1000)
    assert refusal(post(chain, good)) == (409, "WrongNonce")
    assert chain.client.account(BOB.ss58_address).free_rao == 1000


def test_strangers_can_not_fill_blocks(chain: RunningChain) -> None:
    with pytest.raises(ChainRefusal, match="UnknownSigner"):
        chain.client.submit(BOB, "serve_axon", {"ip": "127.0.0.1", "port": 1})
    with pytest.raises(ChainRefusal, match="InsufficientBalance"):
        chain.client.submit(BOB, "transfer_all", {"receiver": ALICE.ss58_address})
    forged = {"block_number": 1, "nonce": 1, "seal": "00" * 32, "coldkey": BOB.ss58_address}
    with pytest.raises(ChainRefusal, match="InvalidSeal"):
        chain.client.submit(BOB, "register", {**forged, "block_number": chain.height()})


def test_a_stranger_brings_fresh_work_one_at_a_time(chain: RunningChain) -> None:
    """Work costs something once: kept for later, or sent again and again, it fills no mempool."""
    wait_until(lambda: chain.height() > 4)
    with pytest.raises(ChainRefusal, match="InvalidWorkBlock: the work is on block 1"):
        chain.client.submit(BOB, "register", find_work(chain, 1))
    chain.kill("author")
    work = find_work(chain, chain.height())
    chain.client.submit(BOB, "register", work)
    with pytest.raises(ChainRefusal, match="UnknownSigner: a registration of"):
        chain.client.submit(BOB, "register", work)
    chain.start_author()


def find_work(chain: RunningChain, height: int) -> dict[str, Any]:
    block_hash = bytes.fromhex(chain.client.block(height).header.block_hash)
    difficulty = chain.client.parameters().difficulty
    found = search_seal(block_hash, BOB.public_key or b"", difficulty, 0, 10**7)
    assert found is not None
    return {
        "block_number": height,
        "nonce": found[0],
        "seal": found[1].hex(),
        "coldkey": BOB.ss58_address,
    }


def test_a_restart_goes_on_with_the_same_chain(chain: RunningChain) -> None:
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    before = chain.client.block(chain.height())
    chain.kill("author")
    last = chain.height()
    chain.start_author()
    wait_until(lambda: chain.height() > last + 2)
    assert chain.client.block(before.height) == before
    heights = [row[0] for row in chain.query("SELECT height FROM block ORDER BY height")]
    assert heights == list(range(len(heights)))


def test_another_preset_is_refused(chain: RunningChain) -> None:
    chain.kill("author")
    chain.start_author("stranger", TAONET_PRESET="mainnet-2022", TAONET_CHAIN_PARAMETERS="{}")
    assert chain.processes.pop("stranger").wait(20) == 2
    assert "this chain was started with preset = 'box'" in chain.log("stranger")


def test_one_of_two_authors_writes(chain: RunningChain) -> None:
    chain.start_author("second")
    height = chain.height()
    wait_until(lambda: chain.height() > height + 10)
    assert "leading" not in chain.log("second")
    chain.kill("author")
    wait_until(lambda: "leading" in chain.log("second"))
    height = chain.height()
    wait_until(lambda: chain.height() > height + 3)


def test_the_stream_has_no_gap_and_no_repeat(chain: RunningChain) -> None:
    wait_until(lambda: chain.height() >= 5)
    blocks: list[Block] = []
    stream = chain.client.blocks(2)
    blocks.extend(islice(stream, 6))
    chain.kill("web")
    chain.start_web()
    blocks.extend(islice(stream, 10))
    assert [block.height for block in blocks] == list(range(2, 18))
    for parent, block in pairwise(blocks):
        assert block.header.parent_hash == parent.header.block_hash


def test_blocks_are_told_on_the_stream_of_redis(chain: RunningChain) -> None:
    wait_until(lambda: chain.height() >= 3)
    with redis.Redis.from_url(chain.redis_url) as client:
        wait_until(lambda: client.xlen("chain.blocks") >= 3)
        entries: Any = client.xrange("chain.blocks", count=3)
    assert [fields[b"kind"] for _, fields in entries] == [b"BlockSealed"] * 3


def test_metrics_and_readiness(chain: RunningChain) -> None:
    address = f"http://127.0.0.1:{chain.port}"
    assert httpx.get(f"{address}/readyz").status_code == 200
    wait_until(lambda: "taonet_chain_height 0.0" not in httpx.get(f"{address}/metrics").text)
    text = httpx.get(f"{address}/metrics").text
    assert "taonet_chain_block_interval_seconds_bucket" in text
    assert chain.client.parameters().difficulty == 50
    missing = httpx.get(f"{address}/blocks/999999")
    assert refusal(missing) == (404, "NoSuchBlock")
    assert refusal(httpx.get(f"{address}/neurons/5")) == (404, "NoSuchNeuron")
    assert refusal(httpx.get(f"{address}/accounts/nobody")) == (422, "Malformed")
    assert refusal(httpx.get(f"{address}/extrinsics/{'0' * 64}")) == (404, "NoSuchExtrinsic")
