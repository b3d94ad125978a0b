"""What the signer does: it signs a payment only if the outbox holds it, and stores it at once.

Signing and storing are one transaction here, under the withdrawal's own lock. So there are never
two payments for one withdrawal that a chain could both take, whoever asks and however often.
"""

import time
from collections.abc import Callable
from typing import Final

from embit.script import address_to_scriptpubkey
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from psycopg import Connection
from psycopg_pool import ConnectionPool

from chain_service.schemas import Extrinsic
from chain_service.signing import sign_extrinsic
from exchange_service.domain.commands import Asset
from exchange_service.domain.payout import DAY_MS, PayoutRules, calculate_due_ms, is_allowed
from exchange_service.domain.spending import FEE_RATE_MAX, Plan, divide, measure_payment
from exchange_service.signer import repository
from exchange_service.signer.repository import DueWithdrawal, Payment
from exchange_service.signer.schemas import ChainPlace, Outpoint, WalletView
from exchange_service.signer.wallet import CHANGE, Control, Wallet
from taonet.kit.db import begin
from taonet.kit.errors import Refusal

REPLACEABLE: Final = 0xFFFFFFFD
"""An input's sequence that says that a dearer version may follow (BIP 125)."""
CHALLENGE_BYTES_MAX: Final = 1_000
PROOF_PREFIX: Final = b"taonet reserves: "
"""What every challenge begins with, so that no signature over one is good for anything else."""


class WillNotSign(Refusal):
    """The outbox does not hold this payment, or a limit stands against it."""


class Signer:
    """The keys, and the rules under which they sign."""

    def __init__(
        self,
        pool: ConnectionPool,
        wallet: Wallet,
        rules: PayoutRules,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._pool = pool
        self._wallet = wallet
        self._rules = rules
        self._clock_ms = clock_ms

    def describe(self) -> WalletView:
        return WalletView(tao=self._wallet.address, btc=self._wallet.bitcoin_address(CHANGE))

    def address(self, account_id: int, asset: Asset) -> str:
        return self._wallet.deposit_address(account_id, asset)

    def sign_tao(self, withdrawal_id: int, place: ChainPlace) -> Extrinsic:
        """Sign and store the payment of a withdrawal from the hot wallet, one at a time."""
        with begin(self._pool) as conn:
            repository.lock_hot_wallet(conn)
            due = self._take(conn, withdrawal_id, Asset.TAO)
            if repository.has_signed_tao(conn):
                # Two of one nonce: the chain would take either, and nobody could tell which.
                raise WillNotSign("another payment of TAO is on its way; this one waits")
            signed = sign_extrinsic(
                self._wallet.hot,
                place.genesis_hash,
                place.nonce,
                place.last_valid_block,
                "transfer",
                {"receiver": due.address, "amount_rao": str(due.sent)},
            )
            payload = signed.model_dump(mode="json")
            repository.save_extrinsic(conn, withdrawal_id, payload, self._clock_ms())
        return signed

    def sign_sweep(self, account_id: int, place: ChainPlace) -> Extrinsic:
        """Sign that all of a deposit address goes to the hot wallet, and nowhere else."""
        return sign_extrinsic(
            self._wallet.deposit_key(account_id),
            place.genesis_hash,
            place.nonce,
            place.last_valid_block,
            "transfer_all",
            {"receiver": self._wallet.address},
        )

    def sign_bitcoin(
        self, withdrawal_id: int, outpoints: list[Outpoint], fee_sat: int, height: int
    ) -> Payment:
        """Sign and store the first version of a payment, which takes these coins for itself."""
        with begin(self._pool) as conn:
            due = self._take(conn, withdrawal_id, Asset.BTC)
            asked = [(outpoint.txid, outpoint.vout) for outpoint in outpoints]
            coins = repository.lock_coins(conn, asked)
            if len(coins) != len(asked) or not coins:
                raise WillNotSign("some of these coins are spent, or not ours; choose others")
            plan = divide(coins, due.sent, fee_sat)
            if plan is None:
                raise WillNotSign("these coins hold too little; add others")
            repository.reserve_coins(conn, withdrawal_id, coins)
            return self._store(conn, due, plan, height)

    def bump_bitcoin(self, withdrawal_id: int, fee_sat: int, height: int) -> Payment:
        """Sign and store a dearer version: the same coins, the same payee, less change."""
        with begin(self._pool) as conn:
            due = repository.lock_withdrawal(conn, withdrawal_id)
            if due is None or due.status != "signed" or due.asset != Asset.BTC:
                raise WillNotSign("there is no payment on its way that could be made dearer")
            coins = repository.list_payment_coins(conn, withdrawal_id)
            if fee_sat <= repository.find_dearest_fee(conn, withdrawal_id):
                raise WillNotSign("the new fee is not above the last one")
            plan = divide(coins, due.sent, fee_sat)
            if plan is None:
                raise WillNotSign("the payment's coins can't pay this fee")
            return self._store(conn, due, plan, height)

    def prove(self, challenge: str) -> list[Control]:
        """Sign a challenge with the key of every address the exchange may hold coins on."""
        text = PROOF_PREFIX + challenge.encode()
        if len(text) > CHALLENGE_BYTES_MAX:
            raise WillNotSign(f"a challenge has at most {CHALLENGE_BYTES_MAX} bytes")
        with begin(self._pool) as conn:
            given = repository.list_reserve_accounts(conn)
        own = [(Asset.TAO, CHANGE), (Asset.BTC, CHANGE)]
        known = [(Asset(asset), account_id) for asset, account_id in given]
        return [self._wallet.prove(asset, number, text) for asset, number in (*own, *known)]

    def _take(self, conn: Connection, withdrawal_id: int, asset: Asset) -> DueWithdrawal:
        """Lock a withdrawal and check that now is the time to pay it."""
        due = repository.lock_withdrawal(conn, withdrawal_id)
        now_ms = self._clock_ms()
        if due is None or due.asset != asset:
            raise WillNotSign(f"there is no withdrawal {withdrawal_id} of {asset}")
        if due.status != "requested":
            raise WillNotSign(f"withdrawal {withdrawal_id} is {due.status}; it is not signed again")
        if now_ms < calculate_due_ms(self._rules, asset, due.amount, due.requested_ms):
            raise WillNotSign(f"withdrawal {withdrawal_id} is large and is still held")
        listed = repository.load_allow_list(conn, due.account_id, asset, due.address)
        if not is_allowed(self._rules, listed, now_ms):
            raise WillNotSign(f"withdrawal {withdrawal_id} pays an address that is not on the list")
        signed = repository.sum_signed_since(conn, asset, now_ms - DAY_MS)
        if signed + due.amount > self._rules.signer_daily[asset]:
            raise WillNotSign(f"the signer's limit for {asset} in 24 hours is reached; it waits")
        return due

    def _store(self, conn: Connection, due: DueWithdrawal, plan: Plan, height: int) -> Payment:
        virtual_bytes = measure_payment(len(plan.coins))
        if plan.fee_sat > FEE_RATE_MAX * virtual_bytes:
            raise WillNotSign(f"a fee of {plan.fee_sat} satoshi is above all reason")
        transaction = self._build(due, plan)
        payment = Payment(
            transaction.txid().hex(),
            due.withdrawal_id,
            transaction.serialize().hex(),
            plan.fee_sat,
            virtual_bytes,
            height,
        )
        repository.insert_payment(conn, payment, self._clock_ms())
        return payment

    def _build(self, due: DueWithdrawal, plan: Plan) -> Transaction:
        inputs = [
            TransactionInput(bytes.fromhex(coin.txid), coin.vout, sequence=REPLACEABLE)
            for coin in plan.coins
        ]
        outputs = [TransactionOutput(due.sent, address_to_scriptpubkey(due.address))]
        if plan.change_sat:
            change = address_to_scriptpubkey(self._wallet.bitcoin_address(CHANGE))
            outputs.append(TransactionOutput(plan.change_sat, change))
        transaction = Transaction(2, inputs, outputs, 0)
        for index, coin in enumerate(plan.coins):
            self._wallet.sign_input(transaction, index, coin.account_id, coin.amount_sat)
        return transaction
