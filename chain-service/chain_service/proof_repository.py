"""Every SQL statement that a proof needs: a leaf, what lies beside it, and the pages above."""

from collections.abc import Iterable

from psycopg import Connection

from chain_service.domain.merkle import PAGE_SLOTS
from chain_service.domain.values import Account


def load_slotted(conn: Connection, address: str) -> Account | None:
    row = conn.execute(
        "SELECT free_rao::bigint, nonce, slot FROM account WHERE address = %s", (address,)
    ).fetchone()
    return None if row is None else Account(*row)


def load_page(conn: Connection, page: int) -> Iterable[tuple[str, Account]]:
    """Yield the accounts of a page by slot."""
    rows = conn.execute(
        "SELECT address, free_rao::bigint, nonce, slot FROM account "
        "WHERE slot >= %s AND slot < %s ORDER BY slot",
        (page * PAGE_SLOTS, (page + 1) * PAGE_SLOTS),
    )
    for address, *values in rows:
        yield address, Account(*values)


def load_page_hashes(conn: Connection) -> list[bytes]:
    return [row[0] for row in conn.execute("SELECT hash FROM account_page ORDER BY page")]


def load_neuron_hashes(conn: Connection) -> list[bytes]:
    return [row[0] for row in conn.execute("SELECT leaf_hash FROM neuron ORDER BY uid")]
