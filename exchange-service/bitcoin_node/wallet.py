"""The node's own wallet: receives what is mined, and pays test coins out of it."""

from decimal import Decimal
from typing import Final

from embit import bip32, script
from embit.networks import NETWORKS
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from psycopg import Connection

from bitcoin_node import operations, repository
from bitcoin_node.domain.errors import InsufficientFunds, Rejected
from bitcoin_node.domain.transactions import COINBASE_MATURITY, DUST_SAT, name_transaction
from bitcoin_node.repository import WalletOutput

PATH: Final = "m/84h/1h/0h/0"
FEE_SAT_PER_VIRTUAL_BYTE: Final = 2
OVERHEAD_VIRTUAL_BYTES: Final = 11
INPUT_VIRTUAL_BYTES: Final = 68
OUTPUT_VIRTUAL_BYTES: Final = 43
"""The largest of the standard kinds, P2WSH and P2TR."""


class NodeWallet:
    """Keys derived from one seed; its addresses are those the table knows."""

    def __init__(self, seed: bytes) -> None:
        root = bip32.HDKey.from_seed(seed, version=NETWORKS["regtest"]["xprv"])
        self._branch = root.derive(PATH)

    def script(self, number: int) -> bytes:
        data: bytes = script.p2wpkh(self._branch.derive([number]).key).data
        return data

    def add_address(self, conn: Connection) -> bytes:
        """Return a fresh output script of the wallet's own."""
        repository.lock_node(conn)
        number = repository.count_wallet_addresses(conn)
        repository.add_wallet_address(conn, number, self.script(number))
        return self.script(number)

    def ensure_address(self, conn: Connection) -> None:
        """Make the first one, which takes rewards and change."""
        repository.add_wallet_address(conn, 0, self.script(0))

    def pay(self, conn: Connection, receiver: bytes, amount_sat: int) -> str:
        """Send, and return the transaction's id."""
        repository.lock_node(conn)
        if amount_sat < DUST_SAT:
            raise Rejected("Transaction amount too small")
        coins = self._choose(conn, amount_sat)
        held_sat = sum(coin.amount_sat for coin in coins)
        outputs = [TransactionOutput(amount_sat, Script(receiver))]
        change_sat = held_sat - amount_sat - calculate_fee_sat(len(coins))
        if change_sat >= DUST_SAT:
            outputs.append(TransactionOutput(change_sat, Script(self.script(0))))
        inputs = [TransactionInput(bytes.fromhex(coin.txid), coin.vout) for coin in coins]
        transaction = Transaction(2, inputs, outputs, 0)
        for index, coin in enumerate(coins):
            self._sign(conn, transaction, index, coin)
        operations.send(conn, transaction.serialize())
        return name_transaction(transaction)

    def balance_sat(self, conn: Connection) -> int:
        """Return what can be spent now."""
        return sum(coin.amount_sat for coin in self._list_spendable(conn))

    def _choose(self, conn: Connection, amount_sat: int) -> list[WalletOutput]:
        chosen: list[WalletOutput] = []
        held_sat = 0
        for coin in self._list_spendable(conn):
            chosen.append(coin)
            held_sat += coin.amount_sat
            if held_sat >= amount_sat + calculate_fee_sat(len(chosen)):
                return chosen
        raise InsufficientFunds("Insufficient funds")

    def _list_spendable(self, conn: Connection) -> list[WalletOutput]:
        oldest = operations.tip_of(conn).height + 1 - COINBASE_MATURITY
        return [
            coin
            for coin in repository.list_wallet_outputs(conn)
            if not coin.coinbase or (coin.height or 0) <= oldest
        ]

    def _sign(
        self, conn: Connection, transaction: Transaction, index: int, coin: WalletOutput
    ) -> None:
        number = repository.find_wallet_number(conn, coin.script)
        key = self._branch.derive([number]).key
        spent = script.p2pkh_from_p2wpkh(Script(coin.script))
        signature = key.sign(transaction.sighash_segwit(index, spent, coin.amount_sat))
        transaction.vin[index].witness = script.witness_p2wpkh(signature, key.get_public_key())


def calculate_fee_sat(inputs: int) -> int:
    """Return the fee of a payment with so many P2WPKH inputs, one payee and change."""
    virtual_bytes = OVERHEAD_VIRTUAL_BYTES + INPUT_VIRTUAL_BYTES * inputs + 2 * OUTPUT_VIRTUAL_BYTES
    return FEE_SAT_PER_VIRTUAL_BYTE * virtual_bytes


def to_btc(amount_sat: int) -> float:
    """Return satoshi as Core's JSON has them: a number whose shortest form is exact, for less
    than 2⁵³ satoshi always is."""
    return amount_sat / 100_000_000


def to_sat(amount: object) -> int:
    """Return an amount of BTC, a JSON number or a string, in satoshi."""
    satoshi = Decimal(str(amount)) * 100_000_000
    if satoshi != satoshi.to_integral_value() or satoshi <= 0:
        raise ValueError(amount)
    return int(satoshi)
