"""Which transactions the node takes: values, witnesses and fees, by regtest's standard rules.

It can send to any standard address. It spends P2WPKH outputs only: those are the ones whose
signatures it can check.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from embit import compact, ec, script
from embit.networks import NETWORKS
from embit.script import Script
from embit.transaction import SIGHASH, Transaction, TransactionInput

from bitcoin_node.domain.errors import MissingInputs, NotFound, Rejected, Undecodable

REGTEST: Final = NETWORKS["regtest"]
COINBASE_MATURITY: Final = 100
"""Blocks before a mined output can be spent."""
RELAY_SAT_PER_VIRTUAL_BYTE: Final = 1
"""Below this fee rate nothing is taken; a replacement pays this much more than what it replaces."""
DUST_SAT: Final = 294
"""Less than this costs more to spend than it is worth, at P2WPKH's size."""
WEIGHT_MAX: Final = 400_000
NO_TXID: Final = "00" * 32
WITNESS_ITEMS: Final = 2
"""A P2WPKH witness is a signature and a public key."""


class Output(NamedTuple):
    """A spendable output and where it stands."""

    amount_sat: int
    script: bytes
    height: int | None
    """None: its own transaction still waits for a block."""
    coinbase: bool


def parse_transaction(raw: bytes) -> Transaction:
    """Return the transaction that the bytes hold, all of them and nothing else."""
    try:
        transaction = Transaction.parse(raw)
        if transaction.serialize() != raw:
            raise ValueError("there is another way to write this")
    except Exception:
        raise Undecodable("TX decode failed. Make sure the tx has at least one input.") from None
    if not transaction.vin or not transaction.vout:
        raise Rejected("bad-txns-vin-empty" if not transaction.vin else "bad-txns-vout-empty")
    return transaction


def name_transaction(transaction: Transaction) -> str:
    txid: str = transaction.txid().hex()
    return txid


def list_inputs(transaction: Transaction) -> list[tuple[str, int]]:
    """Return the outputs that a transaction spends, as (txid, output number)."""
    return [(one.txid.hex(), one.vout) for one in transaction.vin]


def is_coinbase(transaction: Transaction) -> bool:
    return len(transaction.vin) == 1 and transaction.vin[0].txid.hex() == NO_TXID


def hash_with_witness(transaction: Transaction) -> str:
    """Return the hash over all of a transaction, its witnesses included (BIP 141)."""
    once = hashlib.sha256(transaction.serialize()).digest()
    return hashlib.sha256(once).digest()[::-1].hex()


def measure_virtual_bytes(transaction: Transaction) -> int:
    """Return ⌈weight / 4⌉."""
    return -(-measure_weight(transaction) // 4)


def measure_weight(transaction: Transaction) -> int:
    """Return a transaction's weight: a byte weighs 1 in a witness and 4 elsewhere (BIP 141)."""
    return 3 * measure_bare_bytes(transaction) + len(transaction.serialize())


def measure_bare_bytes(transaction: Transaction) -> int:
    """Return how long a transaction is without its witnesses."""
    bare = Transaction(
        transaction.version,
        [TransactionInput(i.txid, i.vout, i.script_sig, i.sequence) for i in transaction.vin],
        transaction.vout,
        transaction.locktime,
    )
    return len(bare.serialize())


def check_transaction(
    transaction: Transaction, spent: Sequence[Output | None], next_height: int
) -> int:
    """Return the fee in satoshi, or refuse; `spent` are the outputs of its inputs, in order."""
    inputs = list_inputs(transaction)
    if len(set(inputs)) != len(inputs):
        raise Rejected("bad-txns-inputs-duplicate")
    found = [output for output in spent if output is not None]
    if len(found) != len(inputs):
        raise MissingInputs("bad-txns-inputs-missingorspent")
    for output in found:
        if output.coinbase and next_height - (output.height or 0) < COINBASE_MATURITY:
            raise Rejected("bad-txns-premature-spend-of-coinbase")
    paid_sat: int = sum(output.value for output in transaction.vout)
    fee_sat = sum(output.amount_sat for output in found) - paid_sat
    if fee_sat < 0:
        raise Rejected("bad-txns-in-belowout")
    _check_standard(transaction, fee_sat)
    for index, output in enumerate(found):
        _check_witness(transaction, index, output)
    return fee_sat


def read_address(text: str) -> bytes:
    """Return the output script of a regtest address."""
    try:
        given = script.address_to_scriptpubkey(text)
        if given.address(REGTEST) != text.lower():
            raise ValueError(text)
    except Exception:
        raise NotFound(f"Invalid address: {text[:100]}") from None
    return bytes(given.data)


def write_address(data: bytes) -> str | None:
    """Return the regtest address of an output script, if it has one."""
    try:
        address: str = Script(data).address(REGTEST)
    except Exception:
        return None
    return address


def serialize_all(items: Sequence[Transaction]) -> bytes:
    """Return transactions as a block holds them, their number first."""
    number: bytes = compact.to_bytes(len(items))
    return number + b"".join(item.serialize() for item in items)


def _check_standard(transaction: Transaction, fee_sat: int) -> None:
    virtual_bytes = measure_virtual_bytes(transaction)
    if 4 * virtual_bytes > WEIGHT_MAX:
        raise Rejected("tx-size")
    if fee_sat < RELAY_SAT_PER_VIRTUAL_BYTE * virtual_bytes:
        raise Rejected("min relay fee not met")
    for output in transaction.vout:
        if write_address(output.script_pubkey.data) is None:
            raise Rejected("scriptpubkey")
        if output.value < DUST_SAT:
            raise Rejected("dust")


def _check_witness(transaction: Transaction, index: int, output: Output) -> None:
    """Check a P2WPKH input: the key is the output's, the signature covers all (BIP 143)."""
    spent = Script(output.script)
    witness = transaction.vin[index].witness.items
    try:
        if spent.script_type() != "p2wpkh" or len(witness) != WITNESS_ITEMS:
            raise ValueError("not a P2WPKH spend")
        signature, key = witness[0], ec.PublicKey.parse(witness[1])
        if script.p2wpkh(key) != spent or signature[-1] != SIGHASH.ALL:
            raise ValueError("another key, or not all is signed")
        signed = transaction.sighash_segwit(
            index, script.p2pkh_from_p2wpkh(spent), output.amount_sat
        )
        genuine = key.verify(ec.Signature.parse(signature[:-1]), signed)
    except Exception:
        genuine = False
    if not genuine:
        raise Rejected(f"mandatory-script-verify-flag-failed (input {index} is not signed)")
