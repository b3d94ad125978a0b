"""Blocks and transactions as Bitcoin Core's JSON has them."""

from typing import Any, Final

from embit.script import Script
from embit.transaction import Transaction
from psycopg import Connection

from bitcoin_node import operations, repository
from bitcoin_node.domain.assembly import disassemble
from bitcoin_node.domain.blocks import Header, decode_header, encode_block
from bitcoin_node.domain.transactions import (
    hash_with_witness,
    is_coinbase,
    measure_bare_bytes,
    measure_virtual_bytes,
    measure_weight,
    name_transaction,
    write_address,
)
from bitcoin_node.repository import StoredBlock
from bitcoin_node.wallet import to_btc

DIFFICULTY: Final = 4.6565423739069247e-10
"""Regtest's, beside the easiest target of the main network."""
MEDIAN_BLOCKS: Final = 11


def show_header(conn: Connection, block: StoredBlock) -> dict[str, Any]:
    header: Header = decode_header(block.header)
    following = repository.find_block_at(conn, block.height + 1) if block.active else None
    shown: dict[str, Any] = {
        "hash": block.hash,
        "confirmations": repository.count_confirmations(conn, block),
        "height": block.height,
        "version": header.version,
        "versionHex": f"{header.version:08x}",
        "merkleroot": header.merkle_root,
        "time": header.time_s,
        "mediantime": find_median_time(conn, block),
        "nonce": header.nonce,
        "bits": f"{header.bits:08x}",
        "difficulty": DIFFICULTY,
        "chainwork": write_work(block.height),
        "nTx": len(repository.list_block_transactions(conn, block.hash)),
    }
    if block.height:
        shown["previousblockhash"] = block.previous_hash
    if following is not None:
        shown["nextblockhash"] = following.hash
    return shown


def find_median_time(conn: Connection, block: StoredBlock) -> int:
    """Return the median of the last eleven blocks' times (BIP 113)."""
    headers = repository.list_last_headers(conn, block.hash, MEDIAN_BLOCKS)
    times = sorted(decode_header(header).time_s for header in headers)
    return times[len(times) // 2]


def write_work(height: int) -> str:
    """Return the hashes that a chain so high takes on average: two a block, at regtest's bits."""
    return f"{2 * (height + 1):064x}"


def show_block(conn: Connection, block: StoredBlock, verbosity: int) -> Any:
    """Return a block as hex (0), with its transactions' ids (1), or with all of them (2)."""
    transactions = [
        Transaction.parse(raw) for raw in repository.list_block_transactions(conn, block.hash)
    ]
    if verbosity == 0:
        return encode_block(block.header, transactions).hex()
    whole = len(encode_block(block.header, transactions))
    witnesses = sum(len(one.serialize()) - measure_bare_bytes(one) for one in transactions)
    shown = show_header(conn, block)
    shown["size"], shown["strippedsize"] = whole, whole - witnesses
    shown["weight"] = 4 * whole - 3 * witnesses
    shown["tx"] = [
        name_transaction(one) if verbosity == 1 else show_transaction(one) for one in transactions
    ]
    return shown


def show_transaction(transaction: Transaction) -> dict[str, Any]:
    raw = transaction.serialize()
    return {
        "txid": name_transaction(transaction),
        "hash": hash_with_witness(transaction),
        "version": transaction.version,
        "size": len(raw),
        "vsize": measure_virtual_bytes(transaction),
        "weight": measure_weight(transaction),
        "locktime": transaction.locktime,
        "vin": [_show_input(transaction, number) for number in range(len(transaction.vin))],
        "vout": [
            {
                "value": to_btc(output.value),
                "n": number,
                "scriptPubKey": show_script(output.script_pubkey.data),
            }
            for number, output in enumerate(transaction.vout)
        ],
        "hex": raw.hex(),
    }


def show_script(data: bytes) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "asm": disassemble(data),
        "hex": data.hex(),
        "type": _kind_of(data),
    }
    address = write_address(data)
    if address is not None:
        shown["address"] = address
    return shown


def show_place(conn: Connection, block_hash: str | None) -> dict[str, Any]:
    """Return where a transaction stands: its block and how deep that is."""
    if block_hash is None:
        return {"confirmations": 0}
    block = repository.find_block(conn, block_hash)
    assert block is not None
    time_s = decode_header(block.header).time_s
    return {
        "confirmations": repository.count_confirmations(conn, block),
        "blockhash": block_hash,
        "blockheight": block.height,
        "blocktime": time_s,
        "time": time_s,
    }


def show_chain(conn: Connection) -> dict[str, Any]:
    tip = operations.tip_of(conn)
    header = decode_header(tip.header)
    return {
        "chain": "regtest",
        "blocks": tip.height,
        "headers": tip.height,
        "bestblockhash": tip.hash,
        "difficulty": DIFFICULTY,
        "time": header.time_s,
        "mediantime": find_median_time(conn, tip),
        "verificationprogress": 1,
        "initialblockdownload": False,
        "chainwork": write_work(tip.height),
        "size_on_disk": repository.measure_blocks(conn),
        "pruned": False,
        "warnings": "",
    }


def _show_input(transaction: Transaction, number: int) -> dict[str, Any]:
    one = transaction.vin[number]
    witness = [item.hex() for item in one.witness.items]
    if is_coinbase(transaction):
        coinbase = {"coinbase": one.script_sig.data.hex(), "sequence": one.sequence}
        return {**coinbase, "txinwitness": witness}
    data = bytes(one.script_sig.data)
    return {
        "txid": one.txid.hex(),
        "vout": one.vout,
        "scriptSig": {"asm": disassemble(data), "hex": data.hex()},
        "txinwitness": witness,
        "sequence": one.sequence,
    }


def _kind_of(data: bytes) -> str:
    kinds = {
        "p2pkh": "pubkeyhash",
        "p2sh": "scripthash",
        "p2wpkh": "witness_v0_keyhash",
        "p2wsh": "witness_v0_scripthash",
        "p2tr": "witness_v1_taproot",
    }
    known = kinds.get(str(Script(data).script_type()))
    return known or ("nulldata" if data[:1] == b"\x6a" else "nonstandard")
