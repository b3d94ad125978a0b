"""The methods, named and shaped as Bitcoin Core's; the names of their arguments are Core's, too."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from psycopg import Connection

from bitcoin_node import operations, repository, views, wallet_views
from bitcoin_node.domain.blocks import SAT_PER_BTC
from bitcoin_node.domain.errors import (
    InvalidParameter,
    MethodNotFound,
    MissingInputs,
    NotFound,
    Undecodable,
    WrongType,
)
from bitcoin_node.domain.transactions import (
    RELAY_SAT_PER_VIRTUAL_BYTE,
    Output,
    parse_transaction,
    read_address,
    write_address,
)
from bitcoin_node.repository import StoredBlock
from bitcoin_node.wallet import NodeWallet, to_btc, to_sat

VIRTUAL_BYTES_PER_RATE: Final = 1_000
"""Core states fee rates in BTC per thousand virtual bytes."""
CORE_VERSION: Final = 280_000
"""The release of Bitcoin Core whose answers these are."""
PROTOCOL_VERSION: Final = 70_016
GENERATE_MAX: Final = 1_000
CONFIRMATION_TARGET_MAX: Final = 1_008


@dataclass(frozen=True)
class Node:
    """A connection in a transaction, and what a method needs besides."""

    conn: Connection
    wallet: NodeWallet
    fee_rate_min: float
    """Satoshi per virtual byte that miners ask for; the rest waits."""


Method = Callable[..., Any]


def call(node: Node, method: str, params: list[Any] | dict[str, Any]) -> Any:
    """Return the result of a method by name, its parameters in order or by name."""
    function = METHODS.get(method)
    if function is None:
        raise MethodNotFound("Method not found")
    positional = params if isinstance(params, list) else []
    named = params if isinstance(params, dict) else {}
    try:
        bound = inspect.signature(function).bind(node, *positional, **named)
    except TypeError as error:
        raise InvalidParameter(f"{method}: {error}") from None
    return function(*bound.args, **bound.kwargs)


# The chain


def get_blockchain_info(node: Node) -> dict[str, Any]:
    return views.show_chain(node.conn)


def get_network_info(node: Node) -> dict[str, Any]:
    relay = to_btc(RELAY_SAT_PER_VIRTUAL_BYTE * VIRTUAL_BYTES_PER_RATE)
    return {
        "version": CORE_VERSION,
        "subversion": "/taonet-regtest:1/",
        "protocolversion": PROTOCOL_VERSION,
        "localservices": "0000000000000000",
        "localservicesnames": [],
        "localrelay": False,
        "timeoffset": 0,
        "networkactive": False,
        "connections": 0,
        "networks": [],
        "relayfee": relay,
        "incrementalfee": relay,
        "localaddresses": [],
        "warnings": "",
    }


def get_block_count(node: Node) -> int:
    return operations.tip_of(node.conn).height


def get_best_block_hash(node: Node) -> str:
    return operations.tip_of(node.conn).hash


def get_block_hash(node: Node, height: int) -> str:
    block = repository.find_block_at(node.conn, _whole(height))
    if block is None:
        raise InvalidParameter("Block height out of range")
    return block.hash


def get_block_header(node: Node, blockhash: str, verbose: bool = True) -> Any:
    block = _find_block(node, blockhash)
    return views.show_header(node.conn, block) if verbose else block.header.hex()


def get_block(node: Node, blockhash: str, verbosity: int = 1) -> Any:
    return views.show_block(node.conn, _find_block(node, blockhash), int(verbosity))


# Transactions


def get_raw_transaction(node: Node, txid: str, verbose: int = 0) -> Any:
    raw, block_hash = _find_raw(node, txid)
    if not verbose:
        return raw.hex()
    shown = views.show_transaction(parse_transaction(raw))
    return {**shown, **views.show_place(node.conn, block_hash)}


def decode_raw_transaction(node: Node, hexstring: str) -> dict[str, Any]:
    return views.show_transaction(parse_transaction(_unhex(hexstring)))


def send_raw_transaction(node: Node, hexstring: str, maxfeerate: float | str = 0.1) -> str:
    """Take a transaction, unless its fee is more than `maxfeerate` BTC per 1,000 virtual bytes."""
    most_sat = _rate(maxfeerate)
    txid = operations.send(node.conn, _unhex(hexstring))
    waiting = repository.find_waiting(node.conn, txid)
    if most_sat and waiting and waiting.fee_sat * 1_000 > most_sat * waiting.virtual_bytes:
        # What was written is taken back with this call's transaction.
        raise MissingInputs("Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)")
    return txid


def get_tx_out(
    node: Node, txid: str, n: int, include_mempool: bool = True
) -> dict[str, Any] | None:
    output = repository.find_output(node.conn, (txid, _whole(n)))
    spender = repository.find_waiting_spender(node.conn, (txid, _whole(n)))
    if output is None or (include_mempool and spender):
        return None
    if output.height is None and not include_mempool:
        return None
    return _show_output(node, output)


def get_raw_mempool(node: Node) -> list[str]:
    return [waiting.txid for waiting in repository.list_waiting(node.conn)]


def get_mempool_entry(node: Node, txid: str) -> dict[str, Any]:
    waiting = repository.find_waiting(node.conn, txid)
    if waiting is None:
        raise NotFound("Transaction not in mempool")
    return wallet_views.show_waiting(node.conn, waiting)


def estimate_smart_fee(
    node: Node, conf_target: int, estimate_mode: str = "economical"
) -> dict[str, Any]:
    """Estimate what is mined next; with room in every block that is what miners ask at least."""
    if not 1 <= _whole(conf_target) <= CONFIRMATION_TARGET_MAX:
        raise InvalidParameter("Invalid conf_target, must be between 1 and 1008")
    rate = max(node.fee_rate_min, RELAY_SAT_PER_VIRTUAL_BYTE)
    return {"feerate": to_btc(round(rate * VIRTUAL_BYTES_PER_RATE)), "blocks": max(conf_target, 2)}


def validate_address(node: Node, address: str) -> dict[str, Any]:
    try:
        data = read_address(address)
    except NotFound:
        error = "Invalid or unsupported Segwit (Bech32) or Base58 encoding."
        return {"isvalid": False, "error_locations": [], "error": error}
    shown = views.show_script(data)
    kind = shown["type"]
    answer = {
        "isvalid": True,
        "address": shown["address"],
        "scriptPubKey": shown["hex"],
        "isscript": kind in ("scripthash", "witness_v0_scripthash"),
        "iswitness": kind.startswith("witness"),
    }
    if not answer["iswitness"]:
        return answer
    version = 1 if kind == "witness_v1_taproot" else 0
    return {**answer, "witness_version": version, "witness_program": data[2:].hex()}


# The wallet


def get_new_address(node: Node, label: str = "", address_type: str = "bech32") -> str:
    if address_type != "bech32":
        raise NotFound(f"Unknown address type '{str(address_type)[:20]}'")
    address = write_address(node.wallet.add_address(node.conn))
    assert address is not None
    return address


def send_to_address(node: Node, address: str, amount: float | str) -> str:
    try:
        amount_sat = to_sat(amount)
    except (ArithmeticError, ValueError):
        raise InvalidParameter("Invalid amount") from None
    return node.wallet.pay(node.conn, read_address(address), amount_sat)


def get_balance(node: Node) -> float:
    return to_btc(node.wallet.balance_sat(node.conn))


def get_transaction(node: Node, txid: str) -> dict[str, Any]:
    raw, block_hash = _find_raw(node, txid)
    return wallet_views.show_wallet_transaction(node.conn, raw, block_hash)


def list_since_block(
    node: Node, blockhash: str = "", target_confirmations: int = 1
) -> dict[str, Any]:
    """Return what the wallet received after a block, and the block to ask from the next time."""
    since = _find_block(node, blockhash).height if blockhash else -1
    tip = operations.tip_of(node.conn)
    receipts = repository.list_wallet_receipts(node.conn, since)
    last_height = max(tip.height - target_confirmations + 1, 0)
    return {
        "transactions": [wallet_views.show_receipt(node.conn, receipt) for receipt in receipts],
        "removed": [],
        "lastblock": get_block_hash(node, last_height),
    }


# Regtest


def generate_to_address(node: Node, nblocks: int, address: str) -> list[str]:
    if not 1 <= _whole(nblocks) <= GENERATE_MAX:
        raise InvalidParameter(f"nblocks is 1 to {GENERATE_MAX}")
    reward = read_address(address)
    return [operations.mine(node.conn, reward, node.fee_rate_min) for _ in range(nblocks)]


def invalidate_block(node: Node, blockhash: str) -> None:
    operations.invalidate(node.conn, blockhash)


def reconsider_block(node: Node, blockhash: str) -> None:
    operations.reconsider(node.conn, blockhash)


METHODS: Final[dict[str, Method]] = {
    function.__name__.replace("_", ""): function
    for function in (
        get_blockchain_info,
        get_network_info,
        get_block_count,
        get_best_block_hash,
        get_block_hash,
        get_block_header,
        get_block,
        get_raw_transaction,
        decode_raw_transaction,
        send_raw_transaction,
        get_tx_out,
        get_raw_mempool,
        get_mempool_entry,
        estimate_smart_fee,
        validate_address,
        get_new_address,
        send_to_address,
        get_balance,
        get_transaction,
        list_since_block,
        generate_to_address,
        invalidate_block,
        reconsider_block,
    )
}


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise InvalidParameter(f"JSON value {str(value)[:40]!r} is not an integer as expected")
    return value


def _rate(value: object) -> int:
    """Return BTC per 1,000 virtual bytes in satoshi; 0 means any."""
    try:
        rate_sat = Decimal(str(value)) * SAT_PER_BTC
        in_range = 0 <= rate_sat < 2**63
    except ArithmeticError:  # No number, or NaN.
        raise WrongType("Invalid amount") from None
    if not in_range:
        raise WrongType("Amount out of range")
    return int(rate_sat)


def _unhex(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        raise Undecodable("TX decode failed. It is not hexadecimal.") from None


def _find_block(node: Node, blockhash: str) -> StoredBlock:
    block = repository.find_block(node.conn, str(blockhash))
    if block is None:
        raise NotFound("Block not found")
    return block


def _find_raw(node: Node, txid: str) -> tuple[bytes, str | None]:
    """Return a transaction's bytes, and its block if it has one."""
    waiting = repository.find_waiting(node.conn, str(txid))
    if waiting is not None:
        return waiting.raw, None
    confirmed = repository.find_confirmed(node.conn, str(txid))
    if confirmed is None:
        raise NotFound("No such mempool or blockchain transaction.")
    return confirmed[0], confirmed[1]


def _show_output(node: Node, output: Output) -> dict[str, Any]:
    tip = operations.tip_of(node.conn)
    return {
        "bestblock": tip.hash,
        "confirmations": 0 if output.height is None else tip.height - output.height + 1,
        "value": to_btc(output.amount_sat),
        "scriptPubKey": views.show_script(output.script),
        "coinbase": output.coinbase,
    }
