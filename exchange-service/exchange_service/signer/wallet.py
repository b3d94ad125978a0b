"""The exchange's keys on both chains, all derived from one seed.

TAO: hard derivation, so that who learns one deposit address's key learns nothing about any other.
BTC: BIP 84 on regtest; branch 0 are the accounts' deposit addresses, branch 1 takes our change.
"""

import hashlib
from typing import Final, NamedTuple

from embit import bip32, ec, script
from embit.networks import NETWORKS
from embit.transaction import Transaction

from exchange_service.domain.commands import Asset
from taonet.kit.keys import Keypair

BITCOIN: Final = NETWORKS["regtest"]
BITCOIN_PATH: Final = "m/84h/1h/0h"
DEPOSIT_BRANCH: Final = 0
CHANGE_BRANCH: Final = 1
CHANGE: Final = 0
"""Stands for our own change where an account's number would stand."""


class Control(NamedTuple):
    """Proof that we hold the key of an address: the key, and its signature over a challenge."""

    asset: Asset
    address: str
    public_key: str
    signature: str


class Wallet:
    """The hot wallet, and the deposit addresses of every account."""

    def __init__(self, seed: bytes) -> None:
        self._seed_hex = seed.hex()
        self.hot: Keypair = self._derive("//hot")
        root = bip32.HDKey.from_seed(seed, version=BITCOIN["xprv"])
        self._bitcoin = root.derive(BITCOIN_PATH)

    @property
    def address(self) -> str:
        """SS58 address of the hot wallet."""
        address: str = self.hot.ss58_address
        return address

    def deposit_key(self, account_id: int) -> Keypair:
        return self._derive(f"//deposit//{account_id}")

    def deposit_address(self, account_id: int, asset: Asset = Asset.TAO) -> str:
        if asset is Asset.BTC:
            return self.bitcoin_address(account_id)
        address: str = self.deposit_key(account_id).ss58_address
        return address

    def bitcoin_address(self, account_id: int) -> str:
        """Return an account's P2WPKH address, or with 0 that of our change."""
        address: str = script.p2wpkh(self._bitcoin_key(account_id)).address(BITCOIN)
        return address

    def sign_input(
        self, transaction: Transaction, index: int, account_id: int, amount_sat: int
    ) -> None:
        """Sign an input that spends a P2WPKH output of ours, all of the transaction (BIP 143)."""
        key = self._bitcoin_key(account_id)
        spent = script.p2pkh_from_p2wpkh(script.p2wpkh(key))
        signature = key.sign(transaction.sighash_segwit(index, spent, amount_sat))
        transaction.vin[index].witness = script.witness_p2wpkh(signature, key.get_public_key())

    def prove(self, asset: Asset, account_id: int, challenge: bytes) -> Control:
        """Sign a challenge with an account's deposit key; with 0, the hot wallet's."""
        if asset is Asset.BTC:
            key = self._bitcoin_key(account_id)
            signature = key.sign(hashlib.sha256(challenge).digest()).serialize().hex()
            address = self.bitcoin_address(account_id)
            return Control(asset, address, key.get_public_key().sec().hex(), signature)
        pair = self.hot if account_id == CHANGE else self.deposit_key(account_id)
        public_key = bytes(pair.public_key or b"").hex()
        return Control(asset, pair.ss58_address, public_key, bytes(pair.sign(challenge)).hex())

    def _bitcoin_key(self, account_id: int) -> ec.PrivateKey:
        branch = DEPOSIT_BRANCH if account_id else CHANGE_BRANCH
        return self._bitcoin.derive([branch, account_id]).key

    def _derive(self, path: str) -> Keypair:
        return Keypair.create_from_uri(f"0x{self._seed_hex}{path}")
