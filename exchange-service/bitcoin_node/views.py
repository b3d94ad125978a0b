"""Blocks and transactions as Bitcoin Core's JSON has them."""

from typing import Any

from embit.script import Script
from embit.transaction import Transaction
from psycopg import Connection

from bitcoin_node import operations, repository
from bitcoin_node.domain.blocks import Header, decode_header, encode_block
from bitcoin_node.domain.transactions import (
    is_coinbase,
    measure_virtual_bytes,
    name_transaction,
    write_address,
)
from bitcoin_node.repository import StoredBlock
from bitcoin_node.wallet import to_btc


def show_header(conn: Connection, block: StoredBlock) -> dict[str, Any]:
    header: Header = decode_header(block.header)
    following = repository.find_block_at(conn, block.height + 1) if block.active else None
    shown: dict[str, Any] = {
        "hash": block.hash,
        "confirmations": repository.count_confirmations(conn, block),
        "height": block.height,
        "version": header.version,
        "merkleroot": header.merkle_root,
        "time": header.time_s,
        "mediantime": header.time_s,
        "nonce": header.nonce,
        "bits": f"{header.bits:08x}",
        "chainwork": f"{2 * (block.height + 1):064x}",
    }
    if block.height:
        shown["previousblockhash"] = block.previous_hash
    if following is not None:
        shown["nextblockhash"] = following.hash
    return shown


def show_block(conn: Connection, block: StoredBlock, verbosity: int) -> Any:
    """Return a block as hex (0), with its transactions' ids (1), or with all of them (2)."""
    transactions = [
        Transaction.parse(raw) for raw in repository.list_block_transactions(conn, block.hash)
    ]
    if verbosity == 0:
        return encode_block(block.header, transactions).hex()
    shown = show_header(conn, block)
    shown["nTx"] = len(transactions)
    shown["tx"] = [
        name_transaction(one) if verbosity == 1 else show_transaction(one) for one in transactions
    ]
    return shown


def show_transaction(transaction: Transaction) -> dict[str, Any]:
    raw = transaction.serialize()
    return {
        "txid": name_transaction(transaction),
        "version": transaction.version,
        "size": len(raw),
        "vsize": measure_virtual_bytes(transaction),
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
    shown: dict[str, Any] = {"hex": data.hex(), "type": _kind_of(data)}
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
        "difficulty": 4.6565423739069247e-10,
        "time": header.time_s,
        "mediantime": header.time_s,
        "verificationprogress": 1,
        "initialblockdownload": False,
        "pruned": False,
        "warnings": "",
    }


def _show_input(transaction: Transaction, number: int) -> dict[str, Any]:
    one = transaction.vin[number]
    witness = [item.hex() for item in one.witness.items]
    if is_coinbase(transaction):
        return {"coinbase": one.script_sig.data.hex(), "sequence": one.sequence}
    shown = {"txid": one.txid.hex(), "vout": one.vout, "sequence": one.sequence}
    return {**shown, "scriptSig": {"hex": one.script_sig.data.hex()}, "txinwitness": witness}


def _kind_of(data: bytes) -> str:
    kinds = {
        "p2pkh": "pubkeyhash",
        "p2sh": "scripthash",
        "p2wpkh": "witness_v0_keyhash",
        "p2wsh": "witness_v0_scripthash",
        "p2tr": "witness_v1_taproot",
    }
    return kinds.get(str(Script(data).script_type()), "nulldata" if data[:1] == b"\x6a" else "")
