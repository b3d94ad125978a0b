"""Following Bitcoin: every block is booked once it is deep enough, and unbooked if it goes.

A block at its depth of confirmations means deposits to our addresses, change that came back, and
payments that are done. Each is a command to the engine, or a row, that counts once by itself; so a
crash between two of them is mended by looking through the same block again.

A reorganisation above that depth is never noticed. A deeper one is: the blocks that went are
unbooked and those that came are booked. A deposit is credited at one depth and unlocked at a
second; one that vanished in between, and is in none of the blocks that came, is taken back from its
account. One that was unlocked and vanished leaves the exchange short; then it pays out no BTC at
all until the deposit is mined again or an operator has settled the matter.
"""

import threading
import time
from concurrent.futures import Future
from typing import Any, Final

from psycopg_pool import ConnectionPool

from exchange_service.bitcoin import repository
from exchange_service.bitcoin.beginning import begin_at
from exchange_service.bitcoin.node import BitcoinNode, to_sat
from exchange_service.bitcoin.repository import CHANGE
from exchange_service.domain.commands import (
    Asset,
    Command,
    CreditDeposit,
    MakeUpShortfall,
    ReverseDeposit,
    SettleWithdrawal,
)
from exchange_service.domain.facts import Fact
from exchange_service.domain.spending import Coin
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.funds.deposit_repository import (
    Pending,
    insert_pending,
    keep_pending,
    remove_pending,
    save_tip,
)
from exchange_service.funds.repository import lock_account
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
        unlock_confirmations: int = 0,
    ) -> None:
        self._node = node
        self._engine = engine
        self._pool = pool
        self._signer = signer
        self._confirmations = confirmations
        self._unlock_confirmations = max(unlock_confirmations, confirmations)
        self._change_address = ""
        self._shown_hash: str | None = None
        """The tip up to which pending deposits are noted."""

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
        tip = self._node.height()
        safe_height = tip - self._confirmations + 1
        with begin(self._pool) as conn:
            last = repository.find_last_block(conn)
        if last is None:
            return self._begin_anew()
        height, block_hash = last
        if self._node.block_hash(height) != block_hash:
            self._unbook(height)
            return True
        if height >= safe_height:
            self._show_pending(height + 1, tip)
            self._settle_deposits(tip)
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

    def _show_pending(self, first: int, tip: int) -> None:
        """Note the deposits of the blocks that are not deep enough, once for each new tip."""
        tip_hash = self._node.block_hash(tip)
        if tip_hash is None or tip_hash == self._shown_hash:
            return
        pending = [one for height in range(first, tip + 1) for one in self._list_pending(height)]
        with begin(self._pool) as conn:
            save_tip(conn, Asset.BTC, tip)
            keep_pending(conn, Asset.BTC, [one.transaction_id for one in pending])
            insert_pending(conn, pending, time.time_ns() // 1_000_000)
        self._shown_hash = tip_hash

    def _list_pending(self, height: int) -> list[Pending]:
        block_hash = self._node.block_hash(height)
        transactions = self._node.block(block_hash)["tx"] if block_hash is not None else []
        return [
            Pending(
                Asset.BTC,
                height,
                coin.vout,
                coin.account_id,
                coin.amount_sat,
                address,
                coin.txid,
            )
            for transaction in transactions
            for coin, address in self._find_coins(transaction)
            if coin.account_id != CHANGE
        ]

    def _settle_deposits(self, tip: int) -> None:
        """Unlock deposits that are deep enough; take back those that vanished before they were.

        Only once all is booked: until then a deposit may be in a block that is yet to come.
        """
        with begin(self._pool) as conn:
            repository.unlock_coins(conn, tip - self._unlock_confirmations + 1)
            vanished, owing = repository.list_vanished(conn), repository.list_owing(conn)
        for coin in vanished:
            log.warning("a deposit of BTC is taken back", transaction=coin.txid, output=coin.vout)
            number, amount = coin.account_id, coin.amount_sat
            self._apply(ReverseDeposit(0, number, amount, coin.vout, coin.txid))
            with begin(self._pool) as conn:
                repository.forget_coin(conn, coin)
        for account_id in owing:
            self._apply(MakeUpShortfall(0, account_id))
        if vanished:
            with begin(self._pool) as conn:
                BITCOIN_MISSING.set(len(repository.list_missing(conn)))

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
            remove_pending(conn, Asset.BTC, height)
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
        number, amount = coin.account_id, coin.amount_sat
        # A withdrawal, too, takes this lock, and looks at what of its account is not unlocked.
        with begin(self._pool) as conn:
            lock_account(conn, number)
            self._apply(
                CreditDeposit(0, number, Asset.BTC, amount, height, coin.vout, address, coin.txid)
            )

    def _apply(self, command: Command) -> None:
        # A rejection says that this was booked before a crash: all is well.
        answer: Future[list[Fact]] = self._engine.submit(command)
        answer.result(ANSWER_SECONDS)
