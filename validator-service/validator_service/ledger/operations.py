"""What one can ask of the books: open an account, why a call is refused, credit."""

from dataclasses import dataclass
from typing import NoReturn

from psycopg import Connection

from validator_service.domain.keys import digest_key
from validator_service.ledger import key_repository, repository
from validator_service.ledger.errors import (
    AlreadyMade,
    InsufficientBalance,
    InvalidApiKey,
    NoSuchKey,
    SpendingCapReached,
)
from validator_service.ledger.key_repository import KeyRules
from validator_service.ledger.repository import Booking


@dataclass(frozen=True)
class Deposit:
    """A transfer on chain, named for ever by its block and place."""

    height: int
    index: int
    sender: str
    receiver: str
    amount_rao: int


def open_account(conn: Connection, address: str) -> repository.Account:
    """Return the account of an address, new or known; its deposit address may still be missing."""
    repository.add_account(conn, address)
    return repository.load_account(conn, address)


def add_key(
    conn: Connection,
    account: repository.Account,
    deposit_address: str,
    api_key: str,
    rules: KeyRules,
) -> str:
    """Note a new key of an account, and where money for it goes; return the key's id."""
    repository.save_deposit_address(conn, account.address, deposit_address)
    return key_repository.add_key(conn, digest_key(api_key), account.address, rules)


def revoke_key(conn: Connection, account: str, key_id: str) -> None:
    if not key_repository.revoke_key(conn, account, key_id):
        raise NoSuchKey(key_id)


def refuse(conn: Connection, booking: Booking) -> NoReturn:
    """Say why nothing was set aside: a call that was made before, the key, or the balance."""
    if booking.idempotency_key is not None:
        state = key_repository.find_call_state(conn, booking.key_id, booking.idempotency_key)
        if state is not None:
            raise AlreadyMade(answered=state == "settled")
    check_key(conn, booking.account, booking.key_id, booking.amount_rao)
    known = repository.load_account(conn, booking.account)
    raise InsufficientBalance(
        available_rao=known.balance_rao - known.reserved_rao,
        needed_rao=booking.amount_rao,
        deposit_address=known.deposit_address or "",
    )


def check_key(conn: Connection, account: str, key_id: str, amount_rao: int) -> None:
    """Refuse where it is the key that does not allow a call."""
    keys = key_repository.list_keys(conn, account)
    key = next((key for key in keys if key.id == key_id), None)
    if key is None or not key.usable:
        raise InvalidApiKey
    held_rao = key.spent_rao + key.reserved_rao
    if key.cap_rao is not None and held_rao + amount_rao > key.cap_rao:
        raise SpendingCapReached(key.cap_rao, held_rao, amount_rao)


def credit_deposits(
    conn: Connection, height: int, deposits: list[Deposit], treasury: str
) -> list[Deposit]:
    """Credit a block's transfers to our addresses; return consumers' that were new."""
    for deposit in deposits:
        if deposit.receiver == treasury:
            reference = f"{deposit.height}:{deposit.index}"
            repository.fund_treasury(conn, reference, deposit.sender, deposit.amount_rao)
    credited = [
        deposit
        for deposit in deposits
        if deposit.amount_rao > 0
        and repository.credit_deposit(
            conn, f"{deposit.height}:{deposit.index}", deposit.receiver, deposit.amount_rao
        )
    ]
    repository.save_cursor(conn, height)
    return credited
