"""Every SQL statement about API keys alone."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from validator_service.domain.keys import Scope


@dataclass(frozen=True)
class Caller:
    """Who calls: an account, by one of its keys."""

    account: str
    key_id: str
    scopes: tuple[str, ...] = ()
    sampled: bool = True
    """Whether Servers may be scored by these calls."""


@dataclass(frozen=True)
class KeyRules:
    """What a key may do; by default all that its account can pay, for ever."""

    label: str = ""
    expires_in_seconds: int | None = None
    cap_rao: int | None = None
    scopes: tuple[str, ...] = tuple(Scope)
    sampled: bool = True


@dataclass(frozen=True)
class KeyRow:
    id: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    cap_rao: int | None
    spent_rao: int
    reserved_rao: int
    scopes: list[str]
    sampled: bool
    usable: bool
    """Neither revoked nor expired."""


def add_key(conn: Connection, digest: bytes, account: str, rules: KeyRules) -> str:
    """Note a key, and return the name it goes by: the key itself is nowhere."""
    row = conn.execute(
        """INSERT INTO api_key (digest, account, label, expires_at, cap_rao, scopes, sampled)
           VALUES (%(digest)s, %(account)s, %(label)s,
                   now() + make_interval(secs => %(expires_in_seconds)s), %(cap_rao)s,
                   %(scopes)s, %(sampled)s)
           RETURNING id""",
        {**vars(rules), "digest": digest, "account": account, "scopes": list(rules.scopes)},
    ).fetchone()
    assert row is not None
    key_id: str = row[0]
    return key_id


def find_caller(conn: Connection, digest: bytes) -> Caller | None:
    """Return whose key this is, if it is one and may be used."""
    row = conn.execute(
        """SELECT account, id, scopes, sampled FROM api_key
           WHERE digest = %s AND revoked_at IS NULL
             AND (expires_at IS NULL OR expires_at > now())""",
        (digest,),
    ).fetchone()
    if row is None:
        return None
    account, key_id, scopes, sampled = row
    return Caller(account, key_id, tuple(scopes), sampled)


def find_call_state(conn: Connection, key_id: str, idempotency_key: str) -> str | None:
    """Return how far the call is that this key made under a name of its own."""
    row = conn.execute(
        "SELECT state FROM call WHERE key_id = %s AND idempotency_key = %s",
        (key_id, idempotency_key),
    ).fetchone()
    return row[0] if row else None


def list_keys(conn: Connection, account: str) -> list[KeyRow]:
    with conn.cursor(row_factory=class_row(KeyRow)) as cursor:
        return cursor.execute(
            """SELECT id, label, created_at, expires_at, revoked_at, cap_rao::BIGINT AS cap_rao,
                      spent_rao::BIGINT AS spent_rao, reserved_rao::BIGINT AS reserved_rao,
                      scopes, sampled,
                      revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS usable
               FROM api_key WHERE account = %s ORDER BY created_at, id""",
            (account,),
        ).fetchall()


def revoke_key(conn: Connection, account: str, key_id: str) -> bool:
    """Revoke a key of an account, once and for ever; False where it has no such key."""
    return (
        conn.execute(
            """UPDATE api_key SET revoked_at = coalesce(revoked_at, now())
               WHERE account = %s AND id = %s""",
            (account, key_id),
        ).rowcount
        == 1
    )
