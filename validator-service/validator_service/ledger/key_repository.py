"""Every SQL statement about API keys alone."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class Caller:
    """Who calls: an account, by one of its keys."""

    account: str
    key_id: str


@dataclass(frozen=True)
class KeyRules:
    """What a key may do; by default all that its account can pay, for ever."""

    label: str = ""
    expires_in_seconds: int | None = None
    cap_rao: int | None = None


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
    usable: bool
    """Neither revoked nor expired."""


def add_key(conn: Connection, digest: bytes, account: str, rules: KeyRules) -> str:
    """Note a key, and return the name it goes by: the key itself is nowhere."""
    row = conn.execute(
        """INSERT INTO api_key (digest, account, label, expires_at, cap_rao)
           VALUES (%s, %s, %s, now() + make_interval(secs => %s), %s) RETURNING id""",
        (digest, account, rules.label, rules.expires_in_seconds, rules.cap_rao),
    ).fetchone()
    assert row is not None
    key_id: str = row[0]
    return key_id


def find_caller(conn: Connection, digest: bytes) -> Caller | None:
    """Return whose key this is, if it is one and may be used."""
    with conn.cursor(row_factory=class_row(Caller)) as cursor:
        return cursor.execute(
            """SELECT account, id AS key_id FROM api_key
               WHERE digest = %s AND revoked_at IS NULL
                 AND (expires_at IS NULL OR expires_at > now())""",
            (digest,),
        ).fetchone()


def list_keys(conn: Connection, account: str) -> list[KeyRow]:
    with conn.cursor(row_factory=class_row(KeyRow)) as cursor:
        return cursor.execute(
            """SELECT id, label, created_at, expires_at, revoked_at, cap_rao::BIGINT AS cap_rao,
                      spent_rao::BIGINT AS spent_rao, reserved_rao::BIGINT AS reserved_rao,
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
