"""The node keeps Bitcoin's books: blocks, mempool, fees, replacements and reorganisations."""

import hashlib
from typing import Any

import pytest
from embit import bip32, ec, script
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from fastapi.testclient import TestClient

from bitcoin_node.app import create_app
from bitcoin_node.domain.blocks import calculate_subsidy_sat
from bitcoin_node.domain.transactions import REGTEST
from bitcoin_node.settings import NodeSettings

from .conftest import LOGIN, Node, RpcFailure

COIN = 100_000_000
KEY = ec.PrivateKey(hashlib.sha256(b"ann").digest())
OWN = script.p2wpkh(KEY.get_public_key())
ADDRESS = OWN.address(REGTEST)
OTHER = script.p2wpkh(ec.PrivateKey(hashlib.sha256(b"bob").digest()).get_public_key())


def fund(node: Node, amount: float = 1.0) -> tuple[str, int]:
    """Give Ann a confirmed coin and return where it is."""
    txid = node.sendtoaddress(ADDRESS, amount)
    node.mine()
    outputs = node.getrawtransaction(txid, 1)["vout"]
    (number,) = [o["n"] for o in outputs if o["scriptPubKey"].get("address") == ADDRESS]
    return txid, number


def spend(coin: tuple[str, int], amount_sat: int, pay_sat: int, key: Any = KEY) -> str:
    transaction = Transaction(
        2, [TransactionInput(bytes.fromhex(coin[0]), coin[1])], [TransactionOutput(pay_sat, OTHER)]
    )
    message = transaction.sighash_segwit(0, script.p2pkh_from_p2wpkh(OWN), amount_sat)
    transaction.vin[0].witness = script.witness_p2wpkh(key.sign(message), KEY.get_public_key())
    return str(transaction.serialize().hex())


def test_a_fresh_chain_has_coins_to_give(node: Node) -> None:
    info = node.getblockchaininfo()
    assert (info["chain"], info["blocks"]) == ("regtest", 110)
    assert node.getblockhash(110) == info["bestblockhash"]
    assert node.getbalance() == 50.0 * 11  # Blocks 1 to 10, and 11, whose time comes next.
    assert [calculate_subsidy_sat(height) for height in (0, 149, 150, 300)] == [
        50 * COIN, 50 * COIN, 25 * COIN, 1250000000,
    ]  # fmt: skip


def test_blocks_are_bitcoins_own_bytes(node: Node) -> None:
    fund(node)
    block = node.getblock(node.getbestblockhash(), 2)
    raw = bytes.fromhex(node.getblock(block["hash"], 0))
    header = raw[:80]
    name = hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1].hex()
    assert name == block["hash"]
    coinbase, payment = block["tx"]
    leaves = [bytes.fromhex(one["txid"])[::-1] for one in (coinbase, payment)]
    root = hashlib.sha256(hashlib.sha256(b"".join(leaves)).digest()).digest()
    assert header[36:68] == root == bytes.fromhex(block["merkleroot"])[::-1]
    assert raw.endswith(bytes.fromhex(coinbase["hex"]) + bytes.fromhex(payment["hex"]))
    assert coinbase["vout"][1]["scriptPubKey"]["hex"].startswith("6a24aa21a9ed")


def test_a_payment_waits_then_confirms(node: Node) -> None:
    txid = node.sendtoaddress(ADDRESS, 0.5)
    assert node.getrawmempool() == [txid]
    assert node.getmempoolentry(txid)["fees"]["base"] > 0
    assert node.gettransaction(txid)["confirmations"] == 0
    node.mine(3)
    assert node.gettransaction(txid)["confirmations"] == 3
    assert node.getrawmempool() == []
    with pytest.raises(RpcFailure, match="-27"):
        node.sendrawtransaction(node.getrawtransaction(txid))


def test_value_is_conserved_and_signatures_are_checked(node: Node) -> None:
    coin = fund(node)
    stranger = ec.PrivateKey(hashlib.sha256(b"eve").digest())
    with pytest.raises(RpcFailure, match="-26: bad-txns-in-belowout"):
        node.sendrawtransaction(spend(coin, COIN, COIN + 1))
    with pytest.raises(RpcFailure, match="-26: mandatory-script"):
        node.sendrawtransaction(spend(coin, COIN, COIN - 1_000, key=stranger))
    with pytest.raises(RpcFailure, match="-26: mandatory-script"):
        node.sendrawtransaction(spend(coin, COIN - 1, COIN - 1_000))
    with pytest.raises(RpcFailure, match="-26: min relay fee not met"):
        node.sendrawtransaction(spend(coin, COIN, COIN - 50))
    with pytest.raises(RpcFailure, match="-26: dust"):
        node.sendrawtransaction(spend(coin, COIN, 100))
    with pytest.raises(RpcFailure, match="-25"):
        node.sendrawtransaction(spend(("ab" * 32, 0), COIN, COIN - 1_000))
    node.sendrawtransaction(spend(coin, COIN, COIN - 1_000))
    node.mine()
    with pytest.raises(RpcFailure, match="-25"):
        node.sendrawtransaction(spend(coin, COIN, COIN - 2_000))


def test_only_a_dearer_transaction_replaces_one_that_waits(node: Node) -> None:
    coin = fund(node)
    first = node.sendrawtransaction(spend(coin, COIN, COIN - 1_000))
    with pytest.raises(RpcFailure, match="insufficient fee"):
        node.sendrawtransaction(spend(coin, COIN, COIN - 1_001))
    second = node.sendrawtransaction(spend(coin, COIN, COIN - 2_000))
    assert node.getrawmempool() == [second] != [first]
    assert node.gettxout(coin[0], coin[1]) is None
    assert node.gettxout(coin[0], coin[1], False) is not None


def test_a_reorganisation_lets_payments_wait_again(node: Node) -> None:
    coin = fund(node)
    before = node.getblockcount()
    txid = node.sendrawtransaction(spend(coin, COIN, COIN - 1_000))
    (block_hash, _) = node.mine(2)
    node.invalidateblock(block_hash)
    assert node.getblockcount() == before
    assert node.getrawmempool() == [txid]
    assert node.getblockheader(block_hash)["confirmations"] == -1
    # A double spend takes its place: the first can never come back on this branch.
    other = node.sendrawtransaction(spend(coin, COIN, COIN - 5_000))
    node.mine(1)
    assert node.getrawmempool() == []
    with pytest.raises(RpcFailure, match="-5"):
        node.getrawtransaction(txid)
    # The old branch is longer by one block: once it counts again, it wins.
    node.reconsiderblock(block_hash)
    assert node.getblockcount() == before + 2
    assert node.getrawtransaction(txid, 1)["confirmations"] == 2
    with pytest.raises(RpcFailure, match="-5"):
        node.getrawtransaction(other)


def test_sums_hold_through_many_reorganisations(node: Node) -> None:
    """All that was minted is unspent, whatever was taken back on the way."""
    for number in range(4):
        node.sendtoaddress(ADDRESS, 0.25)
        hashes = node.mine(number + 1)
        node.invalidateblock(hashes[0])
        node.mine(2)
    height = node.getblockcount()
    minted = sum(calculate_subsidy_sat(h) for h in range(1, height + 1))
    with node.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
        row = conn.execute(
            "SELECT sum(amount_sat) FROM output WHERE spent_height IS NULL AND height > 0"
        ).fetchone()
    assert row == (minted,)


def test_the_chain_outlives_its_process(node_settings: NodeSettings) -> None:
    with TestClient(create_app(node_settings)) as http:
        node = Node(http)
        waiting = node.sendtoaddress(ADDRESS, 0.1)
        tip = node.getbestblockhash()
    with TestClient(create_app(node_settings)) as http:
        node = Node(http)
        assert node.getbestblockhash() == tip
        assert node.getrawmempool() == [waiting]


def test_a_stranger_is_turned_away(node: Node) -> None:
    body = {"method": "getblockcount", "id": 1}
    assert node.http.post("/", json=body).status_code == 401
    assert node.http.post("/", json=body, auth=("taonet", "wrong")).status_code == 401
    assert node.http.post("/wallet/faucet", json=body, auth=LOGIN).json()["result"] == 110


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("getblockhash", [9_999], -8),
        ("getblockhash", ["one"], -8),
        ("getblockhash", [], -8),
        ("getblock", ["zz"], -5),
        ("sendrawtransaction", ["zz"], -22),
        ("sendrawtransaction", ["00" * 60], -22),
        ("sendtoaddress", [ADDRESS, 10_000_000], -6),
        ("sendtoaddress", [ADDRESS, 0.000000001], -8),
        ("sendtoaddress", [ADDRESS, "NaN"], -8),
        ("sendtoaddress", ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", 1], -5),
        ("getrawtransaction", ["ff" * 32], -5),
        ("stop", [], -32601),
    ],
)
def test_bad_calls_are_answered_in_cores_numbers(
    node: Node, method: str, params: list[Any], code: int
) -> None:
    with pytest.raises(RpcFailure, match=f"^{code}:"):
        getattr(node, method)(*params)


def test_what_is_not_json_rpc_is_refused(node: Node) -> None:
    for content in (b"{", b"[]", b"7", b'{"method": 7}', b'{"method": "x", "params": 3}'):
        answer = node.http.post("/", content=content, auth=LOGIN)
        assert answer.status_code in (200, 400, 500)


def test_addresses_are_checked(node: Node) -> None:
    assert node.validateaddress(ADDRESS)["isvalid"]
    wrong = ADDRESS[:-1] + ("q" if ADDRESS[-1] != "q" else "p")
    assert not node.validateaddress(wrong)["isvalid"]
    assert not node.validateaddress("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")["isvalid"]
    taproot = bip32.HDKey.from_seed(b"1" * 32).key.xonly()
    assert node.validateaddress(Script(b"\x51\x20" + taproot).address(REGTEST))["isvalid"]
