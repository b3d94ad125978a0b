"""What one can ask of the exchange's wallet."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg_pool import ConnectionPool

from exchange_service.bitcoin import repository as bitcoin
from exchange_service.bitcoin.beginning import ensure_begun
from exchange_service.bitcoin.node import BitcoinNode
from exchange_service.domain.commands import Asset, RequestWithdrawal
from exchange_service.domain.facts import WithdrawalRequested
from exchange_service.domain.payout import DAY_MS, PayoutRules, is_allowed
from exchange_service.domain.refusals import DUPLICATE_WITHDRAWAL, Reason
from exchange_service.engine import Engine, execute_and_wait
from exchange_service.errors import BinanceRefusal
from exchange_service.funds import repository
from exchange_service.funds.repository import WithdrawalAddress
from exchange_service.signer import repository as outbox
from exchange_service.signer.client import Signing
from taonet.kit.db import begin
from taonet.kit.errors import Malformed, NotFound, Refusal
from taonet.kit.keys import check_address

WITHDRAWAL_MAX: Final = {Asset.TAO: 10**15, Asset.BTC: 10**12}
"""A million TAO, ten thousand BTC."""
ADDRESSES_MAX: Final = 100
BITCOIN_ADDRESS_LETTERS_MAX: Final = 90
NO_NETWORK: Final = Reason(-4019, "This coin can't be deposited or withdrawn: no chain is set up.")
SUSPENDED: Final = Reason(-4019, "Withdrawals of BTC are suspended: its chain was reorganised.")
BAD_TAO_ADDRESS: Final = Reason(-4007, "The address is not an SS58 address; check it for errors.")
BAD_BTC_ADDRESS: Final = Reason(-4007, "The address is not a regtest address of Bitcoin.")
OWN_ADDRESS: Final = Reason(-4007, "The address is the exchange's own wallet.")
BELOW_MINIMUM: Final = Reason(-4022, "The amount is below the minimum of a withdrawal.")
NOT_LISTED: Final = Reason(
    -4035, "The address is not on this account's allow-list, or is too new on it."
)
DAILY_LIMIT: Final = Reason(-4023, "Within 24 hours, the withdrawal exceeds the maximum amount.")


class TooLate(Refusal):
    """The withdrawal is on its way, or done."""


@dataclass(frozen=True)
class Desk:
    """What stands behind deposits and withdrawals."""

    signer: Signing
    node: BitcoinNode | None
    """None: BTC exists in the books only."""
    rules: PayoutRules
    fees: dict[Asset, int]
    """What a withdrawal costs."""
    confirmations: dict[Asset, int]
    faucet_wallet: str = ""
    bitcoin_unlock: int = 0
    """Confirmations until a deposit of BTC may be withdrawn; fewer than credit it: as many."""

    def unlock(self, asset: Asset) -> int:
        """Return how deep a deposit must be to be withdrawn; of TAO no block is ever taken back."""
        return max(self.confirmations[asset], self.bitcoin_unlock if asset is Asset.BTC else 0)

    def minimum(self, asset: Asset) -> int:
        return 2 * self.fees[asset]

    def is_on_chain(self, asset: Asset) -> bool:
        return asset is Asset.TAO or self.node is not None


def find_deposit_address(conn: Connection, desk: Desk, account_id: int, asset: Asset) -> str:
    """Return the account's deposit address, from now on watched for deposits."""
    if not desk.is_on_chain(asset):
        raise BinanceRefusal(NO_NETWORK)
    known = repository.find_deposit_address(conn, account_id, asset)
    if known is not None:
        return known
    if asset is Asset.BTC and desk.node is not None:
        ensure_begun(conn, desk.node)
    address = desk.signer.address(account_id, asset)
    repository.insert_deposit_address(conn, account_id, asset, address)
    return address


def request_withdrawal(
    engine: Engine, pool: ConnectionPool, desk: Desk, request: RequestWithdrawal, now_ms: int
) -> int:
    """Check a withdrawal against the account's rules, and have the engine lock the coins.

    Return its number. Asked for again by the same name it is the same, whatever the rules say by
    now. One request of an account at a time: two at once could each be within a limit that both
    together exceed.
    """
    check_withdrawal(request, desk)
    with begin(pool) as conn:
        repository.lock_account(conn, request.account_id)
        known = find_same_withdrawal(conn, request)
        if known is not None:
            return known
        check_rules(conn, desk, request, now_ms)
        # Under the lock that the crediting takes, too: what is locked cannot grow meanwhile.
        locked_sat = bitcoin.sum_locked(conn, request.account_id)
        request = request._replace(must_remain_sat=locked_sat)
        (requested,) = execute_and_wait(engine, request)
    assert isinstance(requested, WithdrawalRequested)
    return requested.withdrawal_id


def find_same_withdrawal(conn: Connection, request: RequestWithdrawal) -> int | None:
    """Return the withdrawal of this name; refuse the name if it stands for another one."""
    name = request.client_withdrawal_id
    known = repository.find_named_withdrawal(conn, request.account_id, name) if name else None
    if known is None:
        return None
    asked = (request.asset, request.amount, request.address)
    if (known.asset, known.amount, known.address) != asked:
        raise BinanceRefusal(DUPLICATE_WITHDRAWAL)
    return known.withdrawal_id


def check_withdrawal(request: RequestWithdrawal, desk: Desk) -> None:
    """Refuse a withdrawal that could not be paid, or would pay nobody."""
    asset = request.asset
    if not desk.is_on_chain(asset):
        raise BinanceRefusal(NO_NETWORK)
    if request.amount < desk.minimum(asset):
        raise BinanceRefusal(BELOW_MINIMUM)
    if request.amount > WITHDRAWAL_MAX[asset]:
        raise BinanceRefusal(DAILY_LIMIT)
    check_receiver(desk, asset, request.address)


def check_receiver(desk: Desk, asset: Asset, address: str) -> None:
    """Refuse an address that is none, or that is our own wallet's."""
    if asset is Asset.BTC:
        assert desk.node is not None
        if len(address) > BITCOIN_ADDRESS_LETTERS_MAX or not desk.node.is_address(address):
            raise BinanceRefusal(BAD_BTC_ADDRESS)
    else:
        try:
            check_address(address)
        except Malformed:
            raise BinanceRefusal(BAD_TAO_ADDRESS) from None
    own = desk.signer.describe()
    if address in (own.tao, own.btc):
        raise BinanceRefusal(OWN_ADDRESS)


def check_rules(conn: Connection, desk: Desk, request: RequestWithdrawal, now_ms: int) -> None:
    """Hold a withdrawal to the account's allow-list and to the limit of a day."""
    asset, account_id = request.asset, request.account_id
    if asset is Asset.BTC and bitcoin.list_missing(conn):
        raise BinanceRefusal(SUSPENDED)
    listed = outbox.load_allow_list(conn, account_id, asset, request.address)
    if not is_allowed(desk.rules, listed, now_ms):
        raise BinanceRefusal(NOT_LISTED)
    asked = repository.sum_requested_since(conn, account_id, asset, now_ms - DAY_MS)
    if asked + request.amount > desk.rules.account_daily[asset]:
        raise BinanceRefusal(DAILY_LIMIT)


def cancel_withdrawal(conn: Connection, account_id: int, withdrawal_id: int) -> None:
    """Take back a withdrawal that is not signed yet; the coins are free again in a moment."""
    if not repository.mark_cancelling(conn, account_id, withdrawal_id):
        raise TooLate(f"withdrawal {withdrawal_id} is signed already, or is not this account's")


def add_withdrawal_address(conn: Connection, desk: Desk, row: WithdrawalAddress) -> None:
    asset = Asset(row.asset)
    if not desk.is_on_chain(asset):
        raise BinanceRefusal(NO_NETWORK)
    check_receiver(desk, asset, row.address)
    if len(repository.list_withdrawal_addresses(conn, row.account_id)) >= ADDRESSES_MAX:
        raise Refusal(f"an account lists at most {ADDRESSES_MAX} addresses; remove one first")
    repository.add_withdrawal_address(conn, row)


def remove_withdrawal_address(
    conn: Connection, account_id: int, asset: Asset, address: str
) -> None:
    if not repository.remove_withdrawal_address(conn, account_id, asset, address):
        raise NotFound("this account's allow-list has no such address")


def give_test_coins(conn: Connection, desk: Desk, account_id: int, amount_sat: int) -> str:
    """Have the faucet pay to an account's deposit address; return the transaction's id."""
    assert desk.node is not None
    address = find_deposit_address(conn, desk, account_id, Asset.BTC)
    return desk.node.give(desk.faucet_wallet, address, amount_sat)
