"""Each answer has the fields that Bitcoin Core's reference documents, of the types it says.

The tables are written from the reference of Core 28 (developer.bitcoin.org, bitcoincore.org).
Left out are fields it calls optional that only a node with peers, or an index, has something for.
"""

from typing import Any

import pytest
from tests.bitcoin_node.conftest import Node, RpcFailure
from tests.bitcoin_node.test_node import ADDRESS, COIN, fund, spend

from bitcoin_node.domain.assembly import disassemble

HEADER = {
    "hash": str, "confirmations": int, "height": int, "version": int, "versionHex": str,
    "merkleroot": str, "time": int, "mediantime": int, "nonce": int, "bits": str,
    "difficulty": float, "chainwork": str, "nTx": int, "previousblockhash": str,
}  # fmt: skip
BLOCK = {**HEADER, "size": int, "strippedsize": int, "weight": int, "tx": list}
TRANSACTION = {
    "txid": str, "hash": str, "version": int, "size": int, "vsize": int, "weight": int,
    "locktime": int, "vin": list, "vout": list, "hex": str,
}  # fmt: skip
CONFIRMED = {**TRANSACTION, "blockhash": str, "confirmations": int, "time": int, "blocktime": int}
INPUT = {"txid": str, "vout": int, "scriptSig": dict, "txinwitness": list, "sequence": int}
OUTPUT = {"value": float, "n": int, "scriptPubKey": dict}
SCRIPT = {"asm": str, "hex": str, "type": str, "address": str}
CHAIN = {
    "chain": str, "blocks": int, "headers": int, "bestblockhash": str, "difficulty": float,
    "time": int, "mediantime": int, "verificationprogress": (int, float), "chainwork": str,
    "initialblockdownload": bool, "size_on_disk": int, "pruned": bool, "warnings": str,
}  # fmt: skip
NETWORK = {
    "version": int, "subversion": str, "protocolversion": int, "localservices": str,
    "localservicesnames": list, "localrelay": bool, "timeoffset": int, "networkactive": bool,
    "connections": int, "networks": list, "relayfee": float, "incrementalfee": float,
    "localaddresses": list, "warnings": str,
}  # fmt: skip
WAITING = {
    "vsize": int, "weight": int, "time": int, "height": int, "descendantcount": int,
    "descendantsize": int, "ancestorcount": int, "ancestorsize": int, "wtxid": str, "fees": dict,
    "depends": list, "spentby": list, "bip125-replaceable": bool, "unbroadcast": bool,
}  # fmt: skip
FEES = {"base": float, "modified": float, "ancestor": float, "descendant": float}
UNSPENT = {
    "bestblock": str, "confirmations": int, "value": float, "scriptPubKey": dict, "coinbase": bool,
}  # fmt: skip
OWN = {
    "amount": float, "fee": float, "confirmations": int, "blockhash": str, "blockheight": int,
    "blocktime": int, "txid": str, "walletconflicts": list, "time": int, "timereceived": int,
    "bip125-replaceable": str, "details": list, "hex": str,
}  # fmt: skip
DETAIL = {
    "address": str, "category": str, "amount": float, "vout": int, "fee": float, "abandoned": bool,
}  # fmt: skip
RECEIPT = {
    "address": str, "category": str, "amount": float, "vout": int, "label": str,
    "confirmations": int, "blockhash": str, "blockheight": int, "blocktime": int, "txid": str,
    "walletconflicts": list, "time": int, "timereceived": int, "bip125-replaceable": str,
}  # fmt: skip
VALID = {
    "isvalid": bool, "address": str, "scriptPubKey": str, "isscript": bool, "iswitness": bool,
    "witness_version": int, "witness_program": str,
}  # fmt: skip


def check(answer: Any, documented: dict[str, Any]) -> None:
    wrong = {
        name: answer.get(name, "missing")
        for name, kind in documented.items()
        if not isinstance(answer.get(name), kind)
    }
    assert not wrong


def test_chain_and_blocks(node: Node) -> None:
    txid, _ = fund(node)
    tip = node.getbestblockhash()
    check(node.getblockchaininfo(), CHAIN)
    check(node.getnetworkinfo(), NETWORK)
    check(node.getblockheader(tip), HEADER)
    check(node.getblock(tip, 1), BLOCK)
    full = node.getblock(tip, 2)
    check(full, BLOCK)
    check(full["tx"][1], TRANSACTION)
    assert node.getblock(tip)["tx"][1] == full["tx"][1]["txid"] == txid
    below = node.getblockheader(full["previousblockhash"])
    assert below["nextblockhash"] == tip
    assert node.getblockcount() == full["height"] == below["height"] + 1
    assert len(node.getblockheader(tip, False)) == 160


def test_sizes_and_times_are_what_the_bytes_say(node: Node) -> None:
    fund(node)
    tip = node.getbestblockhash()
    block = node.getblock(tip, 2)
    assert block["size"] == len(node.getblock(tip, 0)) // 2
    assert block["weight"] == 3 * block["strippedsize"] + block["size"]
    # Bytes before the transactions weigh four times as much as any others.
    assert block["weight"] == 4 * 81 + sum(one["weight"] for one in block["tx"])
    for one in block["tx"]:
        assert one["vsize"] == -(-one["weight"] // 4)
        assert one["hash"] != one["txid"]  # Each has a witness, the coinbase, too.
    times = [node.getblockheader(node.getblockhash(block["height"] - n))["time"] for n in range(11)]
    assert block["mediantime"] == sorted(times)[5]


def test_transactions(node: Node) -> None:
    txid, number = fund(node)
    shown = node.getrawtransaction(txid, 1)
    check(shown, CONFIRMED)
    check(shown["vin"][0], INPUT)
    check(shown["vout"][number], OUTPUT)
    check(shown["vout"][number]["scriptPubKey"], SCRIPT)
    check(node.decoderawtransaction(shown["hex"]), TRANSACTION)
    check(node.gettxout(txid, number), UNSPENT)
    assert node.gettxout(txid, 99) is None
    coinbase = node.getblock(node.getbestblockhash(), 2)["tx"][0]["vin"][0]
    check(coinbase, {"coinbase": str, "sequence": int, "txinwitness": list})


def test_the_mempool_knows_who_stands_on_whom(node: Node) -> None:
    coin = fund(node)
    first = node.sendrawtransaction(spend(coin, COIN, COIN - 1_000), 0)
    payment = node.sendtoaddress(ADDRESS, 1)
    number = next(o["n"] for o in node.getrawtransaction(payment, 1)["vout"] if o["value"] == 1)
    child = node.sendrawtransaction(spend((payment, number), COIN, COIN - 5_000), 0)
    alone, parent, last = (node.getmempoolentry(txid) for txid in (first, payment, child))
    check(alone, WAITING)
    check(alone["fees"], FEES)
    assert (alone["ancestorcount"], alone["descendantcount"], alone["depends"]) == (1, 1, [])
    assert (parent["spentby"], parent["descendantcount"]) == ([child], 2)
    assert (last["depends"], last["ancestorcount"]) == ([payment], 2)
    assert last["ancestorsize"] == parent["vsize"] + last["vsize"]
    both = parent["fees"]["base"] + last["fees"]["base"]
    assert last["fees"]["ancestor"] == parent["fees"]["descendant"] == pytest.approx(both)


def test_a_fee_above_the_most_is_refused_and_nothing_stays(node: Node) -> None:
    raw = spend(fund(node), COIN, COIN // 2)
    with pytest.raises(RpcFailure, match="-25: Fee exceeds maximum configured by user"):
        node.sendrawtransaction(raw)
    assert node.getrawmempool() == []
    for nonsense in ("NaN", "much", -1, "1e400"):
        with pytest.raises(RpcFailure, match="-3"):
            node.sendrawtransaction(raw, nonsense)
    assert node.sendrawtransaction(raw, 0) == node.getrawmempool()[0]


def test_the_wallet(node: Node) -> None:
    txid, _ = fund(node, 0.5)
    paid = node.gettransaction(txid)
    check(paid, OWN)
    (detail,) = paid["details"]
    check(detail, DETAIL)
    assert (paid["amount"], detail["category"], detail["address"]) == (-0.5, "send", ADDRESS)
    assert paid["fee"] == detail["fee"] < 0
    assert paid["decoded"]["txid"] == txid
    mined = node.getblock(node.getbestblockhash())["tx"][0]
    assert node.gettransaction(mined)["generated"]
    since = node.listsinceblock(node.getblockhash(node.getblockcount() - 1))
    check(since, {"transactions": list, "removed": list, "lastblock": str})
    for receipt in since["transactions"]:
        check(receipt, RECEIPT)
    foreign = node.sendrawtransaction(spend(fund(node), COIN, COIN - 1_000))
    with pytest.raises(RpcFailure, match="-5: Invalid or non-wallet transaction id"):
        node.gettransaction(foreign)
    check({"balance": node.getbalance(), "new": node.getnewaddress("", "bech32")},
          {"balance": float, "new": str})  # fmt: skip
    with pytest.raises(RpcFailure, match="-5: Unknown address type 'legacy'"):
        node.getnewaddress("", "legacy")


def test_addresses_and_fees(node: Node) -> None:
    check(node.validateaddress(ADDRESS), VALID)
    invalid = node.validateaddress("bcrt1nonsense")
    check(invalid, {"isvalid": bool, "error": str, "error_locations": list})
    assert not invalid["isvalid"]
    check(node.estimatesmartfee(2), {"feerate": float, "blocks": int})
    assert node.generatetoaddress(1, ADDRESS) == [node.getbestblockhash()]
    assert node.invalidateblock(node.getbestblockhash()) is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("0014" + "ab" * 20, "0 " + "ab" * 20),
        ("5120" + "cd" * 32, "1 " + "cd" * 32),
        (
            "76a914" + "ef" * 20 + "88ac",
            f"OP_DUP OP_HASH160 {'ef' * 20} OP_EQUALVERIFY OP_CHECKSIG",
        ),
        ("a914" + "01" * 20 + "87", f"OP_HASH160 {'01' * 20} OP_EQUAL"),
        ("6a04deadbeef", "OP_RETURN -1874767326"),
        ("4c05" + "0102030405", "0102030405"),
        ("05aa", "[error]"),
        ("", ""),
    ],
)
def test_scripts_are_read_as_core_reads_them(script: str, words: str) -> None:
    assert disassemble(bytes.fromhex(script)) == words
