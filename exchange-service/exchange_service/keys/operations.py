"""Opening accounts, and the audit of everything."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg_pool import ConnectionPool

from exchange_service.authentication import Keyring, generate_api_key
from exchange_service.domain.accounts import BTC_FAUCET, FEES, FIRST_ACCOUNT, TAO_WALLET
from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import OpenAccount
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import AccountOpened, Rejected
from exchange_service.domain.snapshot import calculate_fingerprint
from exchange_service.domain.symbol import SAT_PER_BTC
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.keys import repository
from exchange_service.keys.schemas import AuditView, KeyView
from exchange_service.metrics import AUDIT_FAULTS
from taonet.kit.db import begin
from taonet.kit.errors import Refusal

FAUCET_SAT = SAT_PER_BTC


class NameTaken(Refusal):
    status = 409


@dataclass(frozen=True)
class FeeRates:
    """What new accounts pay, in millionths of the quote."""

    maker_ppm: int
    taker_ppm: int


def open_account(
    engine: Engine, pool: ConnectionPool, keyring: Keyring, rates: FeeRates, name: str, funded: bool
) -> KeyView:
    """Open an account and make its first key.

    The engine decides about the name and gives the money, at once. A crash before the key is
    stored leaves an account that nobody can use, which harms nobody but its name.
    """
    faucet_sat = FAUCET_SAT if funded else 0
    command = OpenAccount(0, 0, name, rates.maker_ppm, rates.taker_ppm, faucet_sat)
    (opened,) = engine.submit(command).result(ANSWER_SECONDS)
    if isinstance(opened, Rejected):
        raise NameTaken(f"an account is called {name!r} already; choose another name")
    assert isinstance(opened, AccountOpened)

    api_key = generate_api_key()
    with begin(pool) as conn:
        repository.insert_key(conn, api_key, opened.account_id, opened.time_ms)
    keyring.add(api_key, opened.account_id)
    return KeyView(
        account_id=opened.account_id,
        name=name,
        api_key=api_key,
        secret=keyring.derive_secret(api_key),
    )


def audit(conn: Connection, engine: Engine) -> AuditView:
    """Check the invariants: those of the engine's state, and those of the tables."""
    in_memory: AuditView = engine.ask(_audit_state).result(ANSWER_SECONDS)
    faults = [
        *in_memory.faults,
        *repository.find_wrong_balances(conn),
        *repository.find_wrong_orders(conn),
        *repository.find_journal_gap(conn),
    ]
    AUDIT_FAULTS.set(len(faults))
    trades = repository.count_trades(conn)
    return in_memory.model_copy(update={"faults": faults, "sound": not faults, "trades": trades})


def _audit_state(exchange: Exchange) -> AuditView:
    accounts = exchange.accounts
    users = [account for number, account in accounts.items() if number >= FIRST_ACCOUNT]
    return AuditView(
        sound=True,
        faults=find_faults(exchange),
        fingerprint=calculate_fingerprint(exchange),
        accounts=len(users),
        open_orders=len(exchange.orders),
        trades=0,
        users_sat=sum(account.free_sat + account.locked_sat for account in users),
        users_rao=sum(account.free_rao + account.locked_rao for account in users),
        fees_sat=accounts[FEES].free_sat,
        faucet_sat=-accounts[BTC_FAUCET].free_sat,
        wallet_rao=-accounts[TAO_WALLET].free_rao,
    )
