"""SQL of an epoch's weights: what they were made from, and how far they are to the chain."""

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

WEIGHTS_LOCK = 0x7A3
"""Advisory lock key: one process talks to the chain about weights."""

WEIGHTS_COLUMNS = """SELECT weights.id, height, uids, "values", state, error, secret_id,
                            secret.value AS salt, rules, own_uid, limit_u32, present, standings
                     FROM weights JOIN secret ON secret.id = secret_id"""


@dataclass(frozen=True)
class WeightsRow:
    """Weights on their way to the chain, and all that they were calculated from."""

    height: int
    uids: list[int]
    values: list[int]
    state: str
    """`committed`, then `revealed`; `set` at once; `refused` by the chain; `lost` before."""
    error: str | None
    secret_id: int
    salt: str
    """The secret of the rounds before: whoever sees the weights can see what was asked."""
    rules: dict[str, Any]
    own_uid: int
    limit_u32: int
    present: list[int]
    """Uids that were still who they were when they were scored."""
    standings: bytes
    id: int = 0
    """The epoch's number."""


def try_lock_weights(conn: Connection) -> bool:
    """Hold until the end of the transaction; False where somebody else holds it."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock(hashtext(current_schema()), %s)", (WEIGHTS_LOCK,)
    ).fetchone()
    return row is not None and bool(row[0])


def load_newest_weights(conn: Connection) -> WeightsRow | None:
    """Return the last weights that are on chain, or promised to it."""
    condition: LiteralString = " WHERE state IN ('committed', 'revealed', 'set')"
    return _load_last(conn, WEIGHTS_COLUMNS + condition, ())


def load_committed_weights(conn: Connection) -> WeightsRow | None:
    return _load_last(conn, WEIGHTS_COLUMNS + " WHERE state = 'committed'", ())


def load_epoch_weights(conn: Connection, epoch: int) -> WeightsRow | None:
    return _load_last(conn, WEIGHTS_COLUMNS + " WHERE weights.id = %s", (epoch,))


def load_weights_before(conn: Connection, epoch: int) -> WeightsRow | None:
    return _load_last(conn, WEIGHTS_COLUMNS + " WHERE weights.id < %s", (epoch,))


def _load_last(
    conn: Connection, query: LiteralString, arguments: tuple[int, ...]
) -> WeightsRow | None:
    with conn.cursor(row_factory=class_row(WeightsRow)) as cursor:
        return cursor.execute(query + " ORDER BY weights.id DESC LIMIT 1", arguments).fetchone()


def add_weights(conn: Connection, row: WeightsRow) -> int:
    """Keep an epoch's weights; return its number."""
    added = conn.execute(
        """INSERT INTO weights (height, uids, "values", state, error, secret_id, rules, own_uid,
                                limit_u32, present, standings)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id""",
        (
            *(row.height, row.uids, row.values, row.state, row.error, row.secret_id),
            *(Jsonb(row.rules), row.own_uid, row.limit_u32, row.present, row.standings),
        ),
    ).fetchone()
    assert added is not None
    epoch: int = added[0]
    return epoch


def move_weights(conn: Connection, epoch: int, state: str, error: str | None = None) -> None:
    conn.execute("UPDATE weights SET state = %s, error = %s WHERE id = %s", (state, error, epoch))


def load_epochs(conn: Connection, limit: int) -> list[tuple[int, int, str, int]]:
    """Return number, height, state and count of rounds of the newest epochs."""
    return conn.execute(
        """SELECT weights.id, weights.height, weights.state, count(round.id)
           FROM weights LEFT JOIN round ON round.epoch = weights.id
           GROUP BY weights.id ORDER BY weights.id DESC LIMIT %s""",
        (limit,),
    ).fetchall()
