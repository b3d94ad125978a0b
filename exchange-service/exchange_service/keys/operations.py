"""Opening accounts, and the audit of everything."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from psycopg import Connection
from psycopg_pool import ConnectionPool

from exchange_service.auditing import Auditor
from exchange_service.authentication import Key, Keyring, Permission, generate_api_key
from exchange_service.bitcoin.repository import find_missing_coins
from exchange_service.domain.accounts import (
    BTC_FAUCET,
    BTC_WALLET,
    FEES,
    FIRST_ACCOUNT,
    TAO_WALLET,
)
from exchange_service.domain.audit import find_faults
from exchange_service.domain.commands import Asset, OpenAccount
from exchange_service.domain.exchange import Exchange
from exchange_service.domain.facts import AccountOpened, Rejected
from exchange_service.domain.snapshot import calculate_fingerprint
from exchange_service.domain.symbol import SAT_PER_BTC
from exchange_service.engine import ANSWER_SECONDS, Engine
from exchange_service.funds.operations import Desk, give_test_coins
from exchange_service.keys import repository
from exchange_service.keys.schemas import AuditView, KeyRequest, KeyTerms, KeyView
from exchange_service.metrics import AUDIT_FAULTS
from taonet.kit.db import begin
from taonet.kit.errors import Forbidden, Malformed, NotFound, Refusal
from taonet.kit.logging import get_logger

FAUCET_SAT: Final = SAT_PER_BTC
KEYS_MAX: Final = 30

log = get_logger(__name__)


class NameTaken(Refusal):
    status = 409


class TooManyKeys(Refusal):
    status = 409


@dataclass(frozen=True)
class FeeRates:
    """What new accounts pay, in millionths of the quote."""

    maker_ppm: int
    taker_ppm: int


def open_account(
    engine: Engine,
    pool: ConnectionPool,
    keyring: Keyring,
    rates: FeeRates,
    wanted: KeyRequest,
    desk: Desk,
) -> KeyView:
    """Open an account and make its first key; the faucet's coins come by Bitcoin's chain.

    Without a chain the engine gives test coins from an account of the house, at once. A crash
    before the key is stored leaves an account that nobody can use, which harms only its name.
    """
    public_key = read_public_key(wanted.public_key)
    by_chain = desk.is_on_chain(Asset.BTC)
    faucet_sat = FAUCET_SAT if wanted.funded and not by_chain else 0
    command = OpenAccount(0, 0, wanted.name, rates.maker_ppm, rates.taker_ppm, faucet_sat)
    opened = engine.submit(command).result(ANSWER_SECONDS)[0]
    if isinstance(opened, Rejected):
        raise NameTaken(f"an account is called {wanted.name!r} already; choose another name")
    assert isinstance(opened, AccountOpened)

    key = make_key(opened.account_id, wanted, public_key)
    with begin(pool) as conn:
        repository.insert_key(conn, describe(key, wanted.name, opened.time_ms))
    keyring.add(key)
    view = show_once(keyring, key, wanted.name)
    if not (wanted.funded and by_chain):
        return view
    return view.model_copy(update={"faucet_txid": ask_faucet(pool, desk, opened.account_id)})


def ask_faucet(pool: ConnectionPool, desk: Desk, account_id: int) -> str:
    """Return the faucet's transaction; empty if it gives nothing now, for the key is good as is."""
    try:
        with begin(pool) as conn:
            return give_test_coins(conn, desk, account_id, FAUCET_SAT)
    except Refusal as refusal:
        log.warning("the faucet gave nothing", account=account_id, reason=str(refusal))
        return ""


def add_key(
    conn: Connection, keyring: Keyring, owner: Key, wanted: KeyTerms, label: str, now_ms: int
) -> tuple[Key, KeyView]:
    """Make another key for an account, good for nothing that the asking key is not.

    The caller adds it to the keyring once it is committed.
    """
    wanted = limit_terms(owner, wanted)
    if len(repository.load_keys(conn, owner.account_id)) >= KEYS_MAX:
        raise TooManyKeys(f"an account has at most {KEYS_MAX} keys; revoke one first")
    key = make_key(owner.account_id, wanted, read_public_key(wanted.public_key))
    repository.insert_key(conn, describe(key, label, now_ms))
    return key, show_once(keyring, key, label)


def limit_terms(owner: Key, wanted: KeyTerms) -> KeyTerms:
    """Return a new key's terms: unless said, it works from where the asking key does."""
    beyond = {str(permission) for permission in wanted.permissions - owner.permissions}
    if owner.addresses:
        beyond |= set(wanted.addresses) - owner.addresses
    if beyond:
        raise Forbidden(f"this key may not give what it does not have: {', '.join(sorted(beyond))}")
    return wanted.model_copy(update={"addresses": wanted.addresses or sorted(owner.addresses)})


def revoke_key(conn: Connection, owner: Key, api_key: str, now_ms: int) -> None:
    """Revoke a key of the account that may do no more than the asking one; the caller forgets it.

    Else a bot's key, stolen, could shut out the key that withdraws.
    """
    rows = repository.load_keys(conn, owner.account_id)
    beyond = {
        name for row in rows if row.api_key == api_key for name in row.permissions
    } - owner.permissions
    if beyond:
        raise Forbidden(f"this key may not revoke one that may {', '.join(sorted(beyond))}")
    if not repository.revoke_key(conn, owner.account_id, api_key, now_ms):
        raise NotFound("this account has no such key; GET /exchange/v1/account/keys lists them")


def make_key(account_id: int, wanted: KeyTerms, public_key: bytes | None) -> Key:
    addresses = frozenset(wanted.addresses)
    return Key(generate_api_key(), account_id, wanted.permissions, addresses, public_key)


def show_once(keyring: Keyring, key: Key, name: str) -> KeyView:
    secret = "" if key.public_key else keyring.derive_secret(key.api_key)
    return KeyView(account_id=key.account_id, name=name, api_key=key.api_key, secret=secret)


def describe(key: Key, label: str, created_ms: int) -> repository.KeyRow:
    return repository.KeyRow(
        key.api_key,
        key.account_id,
        label,
        sorted(key.permissions),
        sorted(key.addresses),
        key.public_key,
        created_ms,
    )


def read_key(row: repository.KeyRow) -> Key:
    return Key(
        row.api_key,
        row.account_id,
        frozenset(Permission(name) for name in row.permissions),
        frozenset(row.addresses),
        row.public_key,
    )


def read_public_key(pem: str | None) -> bytes | None:
    """Return the 32 bytes of an Ed25519 public key in PEM."""
    if pem is None:
        return None
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("public_key is not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Malformed("public_key is not an Ed25519 key; make one with openssl genpkey")
    return key.public_bytes_raw()


def audit(conn: Connection, engine: Engine, auditor: Auditor, deep: bool) -> AuditView:
    """Tell what the continuous audit knows; deep: compare the whole state and all tables anew."""
    in_memory: AuditView = engine.ask(partial(_audit_state, deep=deep)).result(ANSWER_SECONDS)
    faults = in_memory.faults
    if deep:
        faults += repository.find_wrong_balances(conn)
        faults += repository.find_wrong_orders(conn)
        faults += repository.find_journal_gap(conn)
    faults += find_missing_coins(conn)
    if auditor.fault is not None:
        faults.append(auditor.fault)
    faults += auditor.holdings.faults
    AUDIT_FAULTS.set(len(faults))
    return in_memory.model_copy(
        update={
            "faults": faults,
            "sound": not faults,
            "invariants": auditor.list_invariants(),
            "holdings_compared_ms": auditor.holdings.compared_ms,
        }
    )


def _audit_state(exchange: Exchange, deep: bool) -> AuditView:
    accounts = exchange.accounts
    users = [account for number, account in accounts.items() if number >= FIRST_ACCOUNT]
    return AuditView(
        sound=True,
        faults=find_faults(exchange) if deep else [],
        invariants=[],
        fingerprint=calculate_fingerprint(exchange) if deep else "",
        accounts=len(users),
        open_orders=len(exchange.orders),
        trades=exchange.last_trade_id,
        users_sat=sum(account.free_sat + account.locked_sat for account in users),
        users_rao=sum(account.free_rao + account.locked_rao for account in users),
        fees_sat=accounts[FEES].free_sat,
        faucet_sat=-accounts[BTC_FAUCET].free_sat,
        wallet_sat=-accounts[BTC_WALLET].free_sat,
        wallet_rao=-accounts[TAO_WALLET].free_rao,
    )
