"""What waits and what the wallet did, as Bitcoin Core's JSON has it."""

from typing import Any

from embit.transaction import Transaction
from psycopg import Connection

from bitcoin_node import operations, repository, views
from bitcoin_node.domain.errors import NotFound
from bitcoin_node.domain.transactions import (
    hash_with_witness,
    is_coinbase,
    list_inputs,
    measure_weight,
    name_transaction,
    parse_transaction,
    write_address,
)
from bitcoin_node.repository import Waiting, WalletOutput
from bitcoin_node.wallet import to_btc


def show_waiting(conn: Connection, waiting: Waiting) -> dict[str, Any]:
    """Return a transaction of the mempool: its size, its fees, and which others it goes with."""
    transaction = parse_transaction(waiting.raw)
    pool = {one.txid: one for one in repository.list_waiting(conn)}
    descendants = repository.list_dependents(conn, waiting.txid)
    ancestors = list_ancestors(waiting, pool)
    parents = {txid for txid, _ in list_inputs(transaction)} & pool.keys()
    children = [
        one.txid
        for one in descendants
        if waiting.txid in {txid for txid, _ in list_inputs(parse_transaction(one.raw))}
    ]
    return {
        "vsize": waiting.virtual_bytes,
        "weight": measure_weight(transaction),
        "time": waiting.arrived_s,
        "height": operations.tip_of(conn).height,
        "descendantcount": len(descendants),
        "descendantsize": sum(one.virtual_bytes for one in descendants),
        "ancestorcount": len(ancestors),
        "ancestorsize": sum(one.virtual_bytes for one in ancestors),
        "wtxid": hash_with_witness(transaction),
        "fees": {
            "base": to_btc(waiting.fee_sat),
            "modified": to_btc(waiting.fee_sat),
            "ancestor": to_btc(sum(one.fee_sat for one in ancestors)),
            "descendant": to_btc(sum(one.fee_sat for one in descendants)),
        },
        "depends": sorted(parents),
        "spentby": sorted(children),
        "bip125-replaceable": True,
        "unbroadcast": False,
    }


def list_ancestors(waiting: Waiting, pool: dict[str, Waiting]) -> list[Waiting]:
    """Return a waiting transaction and all that it stands on."""
    found, to_see = {waiting.txid: waiting}, [waiting]
    while to_see:
        for txid, _ in list_inputs(parse_transaction(to_see.pop().raw)):
            if txid in pool and txid not in found:
                found[txid] = pool[txid]
                to_see.append(pool[txid])
    return list(found.values())


def show_wallet_transaction(conn: Connection, raw: bytes, block_hash: str | None) -> dict[str, Any]:
    """Return what a transaction did to the wallet; raises NotFound if nothing."""
    transaction = parse_transaction(raw)
    spent_sat = sum_own_inputs(conn, transaction)
    own = [o for o in transaction.vout if is_own(conn, o.script_pubkey.data)]
    if not own and not spent_sat:
        raise NotFound("Invalid or non-wallet transaction id")
    paid_sat = sum(output.value for output in transaction.vout)
    # Who pays the fee says so: all inputs are the wallet's, for nobody else's keys are here.
    fee_sat = paid_sat - spent_sat if spent_sat else 0
    amount_sat = sum(output.value for output in own) - spent_sat - fee_sat
    shown = {
        "amount": to_btc(amount_sat),
        **({"fee": to_btc(fee_sat)} if spent_sat else {}),
        **show_life(conn, raw, block_hash),
        "details": list_details(conn, transaction, spent_sat, fee_sat),
        "hex": raw.hex(),
        "decoded": views.show_transaction(transaction),
    }
    return {**shown, "generated": True} if is_coinbase(transaction) else shown


def show_life(conn: Connection, raw: bytes, block_hash: str | None) -> dict[str, Any]:
    """Return where a transaction stands and since when."""
    txid = name_transaction(parse_transaction(raw))
    place = views.show_place(conn, block_hash)
    waiting = repository.find_waiting(conn, txid)
    time_s = waiting.arrived_s if waiting else place["blocktime"]
    return {
        **place,
        "txid": txid,
        "walletconflicts": [],
        "time": time_s,
        "timereceived": time_s,
        "bip125-replaceable": "yes" if waiting else "no",
    }


def list_details(
    conn: Connection, transaction: Transaction, spent_sat: int, fee_sat: int
) -> list[dict[str, Any]]:
    """Return an entry for each output that was paid, and for each that was received."""
    details: list[dict[str, Any]] = []
    for number, output in enumerate(transaction.vout):
        script = bytes(output.script_pubkey.data)
        entry = {"address": write_address(script), "label": "", "vout": number}
        own = is_own(conn, script)
        if spent_sat and not own:
            amount = {"amount": -to_btc(output.value), "fee": to_btc(fee_sat)}
            details.append({**entry, "category": "send", **amount, "abandoned": False})
        elif own and not spent_sat:
            category = "generate" if is_coinbase(transaction) else "receive"
            details.append({**entry, "category": category, "amount": to_btc(output.value)})
    return details


def show_receipt(conn: Connection, receipt: WalletOutput) -> dict[str, Any]:
    """Return one output that the wallet received, as `listsinceblock` does."""
    waiting = repository.find_waiting(conn, receipt.txid)
    confirmed = repository.find_confirmed(conn, receipt.txid)
    raw = waiting.raw if waiting else confirmed[0] if confirmed else b""
    return {
        "address": write_address(receipt.script),
        "category": "generate" if receipt.coinbase else "receive",
        "amount": to_btc(receipt.amount_sat),
        "label": "",
        "vout": receipt.vout,
        **show_life(conn, raw, confirmed[1] if confirmed else None),
    }


def is_own(conn: Connection, script: bytes) -> bool:
    return repository.find_wallet_number(conn, bytes(script)) is not None


def sum_own_inputs(conn: Connection, transaction: Transaction) -> int:
    """Return what the wallet gave, in satoshi."""
    if is_coinbase(transaction):
        return 0
    total_sat = 0
    for txid, number in list_inputs(transaction):
        raw = repository.find_raw(conn, txid)
        output = Transaction.parse(raw).vout[number] if raw else None
        if output is not None and is_own(conn, output.script_pubkey.data):
            total_sat += output.value
    return total_sat
