"""What happens to chain and memory pool: sending, mining, reorganising. Each in one transaction."""

import time
from typing import Final

from embit.transaction import Transaction
from psycopg import Connection

from bitcoin_node import repository
from bitcoin_node.domain.blocks import (
    NO_HASH,
    calculate_subsidy_sat,
    decode_header,
    hash_header,
    make_coinbase,
    mine_header,
)
from bitcoin_node.domain.errors import AlreadyInChain, NotFound, Rejected, RpcError
from bitcoin_node.domain.transactions import (
    RELAY_SAT_PER_VIRTUAL_BYTE,
    Output,
    check_transaction,
    is_coinbase,
    list_inputs,
    measure_virtual_bytes,
    name_transaction,
    parse_transaction,
)
from bitcoin_node.repository import StoredBlock, Waiting

BLOCK_VIRTUAL_BYTES_MAX: Final = 950_000
GENESIS_SCRIPT: Final = bytes.fromhex("0014" + "00" * 20)
"""Nobody's: what genesis mints can't be spent, as everywhere."""
GENESIS_TIME_S: Final = 1_296_688_602


def ensure_genesis(conn: Connection) -> None:
    """Begin the chain, the same on every machine, if it has not begun."""
    repository.lock_node(conn)
    if repository.find_tip(conn) is None:
        coinbase = make_coinbase(0, calculate_subsidy_sat(0), GENESIS_SCRIPT, [])
        _append(conn, NO_HASH, 0, [coinbase], GENESIS_TIME_S)


def tip_of(conn: Connection) -> StoredBlock:
    tip = repository.find_tip(conn)
    assert tip is not None, "genesis is there since the start"
    return tip


def send(conn: Connection, raw: bytes) -> str:
    """Take a transaction into the memory pool and return its id; once there, it is there."""
    repository.lock_node(conn)
    transaction = parse_transaction(raw)
    txid = name_transaction(transaction)
    if repository.find_waiting(conn, txid) is not None:
        return txid
    if repository.find_confirmed(conn, txid) is not None:
        raise AlreadyInChain("Transaction outputs already in utxo set")
    _admit(conn, transaction, int(time.time()))
    return txid


def mine(
    conn: Connection, reward_script: bytes, fee_rate_min: float = 0.0, time_s: int | None = None
) -> str:
    """Put what waits, dearest first, into a block on top of the chain; return its hash."""
    repository.lock_node(conn)
    tip = tip_of(conn)
    chosen = _choose(conn, fee_rate_min)
    transactions = [parse_transaction(waiting.raw) for waiting in chosen]
    height = tip.height + 1
    reward_sat = calculate_subsidy_sat(height) + sum(waiting.fee_sat for waiting in chosen)
    coinbase = make_coinbase(height, reward_sat, reward_script, transactions)
    # A block's time may not go backwards.
    moment_s = max(time_s or int(time.time()), decode_header(tip.header).time_s + 1)
    return _append(conn, tip.hash, height, [coinbase, *transactions], moment_s)


def invalidate(conn: Connection, block_hash: str) -> None:
    """Call a block invalid: the chain goes on from below it, or along the best other branch."""
    repository.lock_node(conn)
    block = repository.find_block(conn, block_hash)
    if block is None:
        raise NotFound("Block not found")
    if block.height == 0:
        raise RpcError("the genesis block can't be called invalid")
    repository.mark_valid(conn, block_hash, False)
    dropped = _disconnect_from(conn, block.height) if block.active else []
    _follow_best_branch(conn, dropped)


def reconsider(conn: Connection, block_hash: str) -> None:
    """Take `invalidate` back; the highest chain wins."""
    repository.lock_node(conn)
    if repository.find_block(conn, block_hash) is None:
        raise NotFound("Block not found")
    repository.mark_valid(conn, block_hash, True)
    _follow_best_branch(conn, [])


def _follow_best_branch(conn: Connection, dropped: list[bytes]) -> None:
    branch = repository.find_best_branch(conn)
    if branch:
        dropped = _disconnect_from(conn, branch[0].height) + dropped
        for block in branch:
            _connect(conn, block)
    _readmit(conn, dropped)


def _admit(conn: Connection, transaction: Transaction, now_s: int) -> None:
    """Check a transaction against chain and pool, and let it wait."""
    inputs = list_inputs(transaction)
    if is_coinbase(transaction):
        raise Rejected("coinbase")
    spent = [repository.find_output(conn, outpoint) for outpoint in inputs]
    fee_sat = check_transaction(transaction, spent, tip_of(conn).height + 1)
    virtual_bytes = measure_virtual_bytes(transaction)
    _replace_conflicts(conn, inputs, fee_sat, virtual_bytes)
    repository.insert_waiting(
        conn,
        Waiting(
            name_transaction(transaction), transaction.serialize(), fee_sat, virtual_bytes, now_s
        ),
        inputs,
        [(output.value, output.script_pubkey.data) for output in transaction.vout],
    )


def _replace_conflicts(
    conn: Connection, inputs: list[tuple[str, int]], fee_sat: int, virtual_bytes: int
) -> None:
    """Let a dearer transaction take the place of those that spend the same (BIP 125, full)."""
    spenders = {repository.find_waiting_spender(conn, outpoint) for outpoint in inputs} - {None}
    replaced = {
        waiting.txid: waiting
        for txid in spenders
        for waiting in repository.list_dependents(conn, txid or "")
    }
    if not replaced:
        return
    if any(txid in replaced for txid, _ in inputs):
        raise Rejected("bad-txns-spends-conflicting-tx")
    replaced_sat = sum(waiting.fee_sat for waiting in replaced.values())
    if fee_sat < replaced_sat + RELAY_SAT_PER_VIRTUAL_BYTE * virtual_bytes:
        raise Rejected(f"insufficient fee, rejecting replacement: {fee_sat} < {replaced_sat} + own")
    repository.delete_waiting(conn, list(replaced))


def _choose(conn: Connection, fee_rate_min: float) -> list[Waiting]:
    """Return what the next block holds: by fee rate, each after what it stands on."""
    waiting = repository.list_waiting(conn)
    names = {one.txid for one in waiting}
    needs = {
        one.txid: {txid for txid, _ in list_inputs(parse_transaction(one.raw)) if txid in names}
        for one in waiting
    }
    candidates = sorted(waiting, key=lambda one: -one.fee_sat / one.virtual_bytes)
    candidates = [one for one in candidates if one.fee_sat >= fee_rate_min * one.virtual_bytes]
    chosen: list[Waiting] = []
    taken: set[str] = set()
    room = BLOCK_VIRTUAL_BYTES_MAX
    while ready := next(
        (c for c in candidates if needs[c.txid] <= taken and c.virtual_bytes <= room), None
    ):
        candidates.remove(ready)
        chosen.append(ready)
        taken.add(ready.txid)
        room -= ready.virtual_bytes
    return chosen


def _append(
    conn: Connection, previous_hash: str, height: int, items: list[Transaction], time_s: int
) -> str:
    header = mine_header(previous_hash, items, time_s)
    block = StoredBlock(hash_header(header), height, previous_hash, header, False, True)
    raws = [(name_transaction(item), item.serialize()) for item in items]
    repository.insert_block(conn, block, raws)
    _connect(conn, block)
    return block.hash


def _connect(conn: Connection, block: StoredBlock) -> None:
    """Apply a block's transactions; what waited for it, or against it, waits no more."""
    repository.mark_active(conn, block.hash, True)
    for position, raw in enumerate(repository.list_block_transactions(conn, block.hash)):
        transaction = Transaction.parse(raw)
        txid = name_transaction(transaction)
        repository.delete_waiting(conn, [txid])
        for outpoint in list_inputs(transaction) if position else []:
            repository.mark_spent(conn, outpoint, block.height)
            _drop_spender(conn, outpoint)
        for vout, output in enumerate(transaction.vout):
            kept = Output(output.value, output.script_pubkey.data, block.height, position == 0)
            repository.insert_output(conn, (txid, vout), kept)


def _drop_spender(conn: Connection, outpoint: tuple[str, int]) -> None:
    spender = repository.find_waiting_spender(conn, outpoint)
    if spender is not None:
        gone = repository.list_dependents(conn, spender)
        repository.delete_waiting(conn, [waiting.txid for waiting in gone])


def _disconnect_from(conn: Connection, height: int) -> list[bytes]:
    """Take back all blocks from a height on; return their transactions, oldest first."""
    dropped: list[bytes] = []
    for block in repository.list_blocks_from(conn, height):
        raws = repository.list_block_transactions(conn, block.hash)
        dropped = raws[1:] + dropped
        repository.undo_outputs(conn, block.height)
        repository.mark_active(conn, block.hash, False)
    return dropped


def _readmit(conn: Connection, dropped: list[bytes]) -> None:
    """Let what a reorganisation took from the chain wait again, as far as it is still valid."""
    waiting = repository.list_waiting(conn)
    repository.delete_waiting(conn, [one.txid for one in waiting])
    arrivals = [(raw, int(time.time())) for raw in dropped]
    arrivals += [(one.raw, one.arrived_s) for one in waiting]
    for raw, arrived_s in arrivals:
        transaction = Transaction.parse(raw)
        if repository.find_confirmed(conn, name_transaction(transaction)) is None:
            try:
                _admit(conn, transaction, arrived_s)
            except RpcError:
                continue  # What it spent is gone, and with it whatever stands on it.
