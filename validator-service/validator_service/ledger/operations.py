"""What one can ask of the books: open an account, reserve, settle, credit."""

from dataclasses import dataclass

from psycopg import Connection

from validator_service.domain.keys import digest_key
from validator_service.ledger import repository
from validator_service.ledger.errors import InsufficientBalance
from validator_service.ledger.repository import Settlement

RESERVATION_SECONDS = 300.0
"""How long a call may hold money; longer than any call can last."""


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
    conn: Connection, account: repository.Account, deposit_address: str, api_key: str
) -> None:
    """Note a new key of an account, and where money for it goes."""
    repository.save_deposit_address(conn, account.address, deposit_address)
    repository.add_key(conn, digest_key(api_key), account.address)


def reserve(conn: Connection, request_id: str, account: str, model: str, amount_rao: int) -> None:
    """Set aside the most that a call may cost, or say how much is missing and how to pay it."""
    reserved = repository.reserve(conn, request_id, account, model, amount_rao, RESERVATION_SECONDS)
    if not reserved:
        known = repository.load_account(conn, account)
        raise InsufficientBalance(
            available_rao=known.balance_rao - known.reserved_rao,
            needed_rao=amount_rao,
            deposit_address=known.deposit_address or "",
        )


def settle(conn: Connection, settlement: Settlement) -> bool:
    """Take what a call cost. Twice is once; False where it had expired or was settled before."""
    return repository.settle(conn, settlement)


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
