"""Following Bitcoin: every block is booked once it is deep enough, and unbooked if it goes.

A block at its depth of confirmations means deposits to our addresses, change that came back, and
payments that are done. Each is a command to the engine, or a row, that counts once by itself; so a
crash between two of them is mended by looking through the same block again.

A reorganisation above that depth is never noticed. A deeper one is: the blocks that went are
unbooked and those that came are booked. A credited deposit that is in no block any longer leaves
the exchange short; then it pays out no BTC at all until the deposit is mined again or an operator
has settled the matter.
"""

import threading
from concurrent.futures import Future
from typing import Any, Final

from psycopg_pool import ConnectionPool

from exchange_service.bitcoin import repository
from exchange_service.bitcoin.beginning import begin_at
from exchange_service.bitcoin.node import BitcoinNode, to_sat
from exchange_service.bitcoin.repository import CHANGE
from exchange_service.domain.commands import Asset, Command, CreditDeposit, SettleWithdrawal
from exchange_service.domain.facts import Fact
from exchange_service.domain.spending import Coin
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.metrics import BITCOIN_HEIGHT, BITCOIN_MISSING
from exchange_service.signer.client import Signing
from taonet.kit.db import begin
from taonet.kit.logging import get_logger

PAUSE_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 2.0
DEPOSIT_SAT_MIN: Final = 1_000
"""Less is not credited: to spend it would cost about as much."""
COINBASE_MATURITY: Final = 100

log = get_logger(__name__)


class BitcoinBookkeeper:
    """Books Bitcoin's blocks, one at a time."""

    def __init__(
        self,
        node: BitcoinNode,
        engine: Engine,
        pool: ConnectionPool,
        signer: Signing,
        confirmations: int,
    ) -> None:
        self._node = node
        self._engine = engine
        self._pool = pool
        self._signer = signer
        self._confirmations = confirmations
        self._change_address = ""

    def follow(self, stop: threading.Event) -> None:
        """Book every block until told to stop; whatever fails is tried again."""
        while not stop.wait(PAUSE_SECONDS):
            try:
                while self.step() and not stop.is_set():
                    pass
            except Exception as error:
                if not stop.is_set():
                    log.warning("following Bitcoin waits", error=str(error))
                stop.wait(RETRY_SECONDS)

    def step(self) -> bool:
        """Book the next block, or unbook one; False: there is nothing to do for now."""
        self._change_address = self._change_address or self._signer.describe().btc
        safe_height = self._node.height() - self._confirmations + 1
        with begin(self._pool) as conn:
            last = repository.find_last_block(conn)
        if last is None:
            return self._begin_anew()
        height, block_hash = last
        if self._node.block_hash(height) != block_hash:
            self._unbook(height)
            return True
        if height >= safe_height:
            return False
        next_hash = self._node.block_hash(height + 1)
        if next_hash is None:
            return False
        self._book(self._node.block(next_hash))
        return True

    def _begin_anew(self) -> bool:
        """Look through all of the chain, if all that was booked is gone from it.

        What counts once by itself counts once here, too. Without any address nobody can have paid.
        """
        with begin(self._pool) as conn:
            if not repository.has_addresses(conn):
                return False
            begin_at(conn, self._node, 0)
        return True

    def _unbook(self, height: int) -> None:
        with begin(self._pool) as conn:
            repository.forget_block(conn, height)
            missing = repository.list_missing(conn)
        log.error("a booked block of Bitcoin is gone", height=height, coins_missing=len(missing))
        BITCOIN_MISSING.set(len(missing))

    def _book(self, block: dict[str, Any]) -> None:
        height, transactions = int(block["height"]), block["tx"]
        coins = [coin for one in transactions for coin in self._find_coins(one)]
        with begin(self._pool) as conn:
            payments = repository.find_payments(conn, [one["txid"] for one in transactions])
        for coin, address in coins:
            if coin.account_id != CHANGE:
                self._credit(coin, address, height)
        for payment in payments:
            self._apply(SettleWithdrawal(0, payment.withdrawal_id, payment.fee_sat))
        coinbase = transactions[0]["txid"]
        with begin(self._pool) as conn:
            for coin, _ in coins:
                wait = COINBASE_MATURITY if coin.txid == coinbase else 0
                repository.save_coin(conn, coin, height, height + wait)
            for payment in payments:
                repository.mark_mined(conn, payment.txid, height)
                repository.save_transaction_id(conn, payment.withdrawal_id, payment.txid)
            repository.save_block(conn, height, block["hash"])
            BITCOIN_MISSING.set(len(repository.list_missing(conn)))
        BITCOIN_HEIGHT.set(height)

    def _find_coins(self, transaction: dict[str, Any]) -> list[tuple[Coin, str]]:
        """Return the outputs that pay us, with the address each pays."""
        outputs = {
            output["n"]: (output["scriptPubKey"].get("address", ""), to_sat(output["value"]))
            for output in transaction["vout"]
        }
        with begin(self._pool) as conn:
            accounts = repository.find_deposit_accounts(conn, [one for one, _ in outputs.values()])
        accounts[self._change_address] = CHANGE
        return [
            (Coin(transaction["txid"], vout, amount_sat, accounts[address]), address)
            for vout, (address, amount_sat) in outputs.items()
            if address in accounts
            and (amount_sat >= DEPOSIT_SAT_MIN or accounts[address] == CHANGE)
        ]

    def _credit(self, coin: Coin, address: str, height: int) -> None:
        self._apply(
            CreditDeposit(
                0,
                coin.account_id,
                Asset.BTC,
                coin.amount_sat,
                height,
                coin.vout,
                address,
                coin.txid,
            )
        )

    def _apply(self, command: Command) -> None:
        # A rejection says that this was booked before a crash: all is well.
        answer: Future[list[Fact]] = self._engine.submit(command)
        answer.result(ANSWER_SECONDS)
