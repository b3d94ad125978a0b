"""
Every SQL statement by which the chain's past is looked up: one extrinsic, an account, payouts.

What is large leaves as Postgres composed it. A place on the chain is (height, index).
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from chain_service.domain.rows import unpack_row

Place = tuple[int, int]
ARGUMENTS_LENGTH_MAX = 2_000
"""Letters of an extrinsic that is listed with its arguments: not those that hold weights."""


@dataclass(frozen=True)
class SummaryRow:
    height: int
    block_hash: str
    time_ms: int
    extrinsics: int
    events: int
    paid_rao: int
    issuance_rao: int


def load_summaries(conn: Connection, newest: int, limit: int) -> list[SummaryRow]:
    """Return blocks from a height down, the newest first; the genesis is none of them."""
    with conn.cursor(row_factory=class_row(SummaryRow)) as cursor:
        return cursor.execute(
            """
            SELECT height, block_hash, time_ms, issuance_rao::bigint,
                (SELECT count(*) FROM extrinsic WHERE extrinsic.height = block.height)
                    AS extrinsics,
                (SELECT count(*) FROM event WHERE event.height = block.height) AS events,
                (SELECT coalesce(sum((body ->> 'amount_rao')::bigint), 0)::bigint FROM event
                    WHERE event.height = block.height AND kind = 'Paid') AS paid_rao
            FROM block WHERE height BETWEEN 1 AND %s ORDER BY height DESC LIMIT %s
            """,
            (newest, limit),
        ).fetchall()


def find_block(conn: Connection, block_hash: str) -> int | None:
    """Return the height of the block of a hash."""
    row = conn.execute("SELECT height FROM block WHERE block_hash = %s", (block_hash,)).fetchone()
    return None if row is None else int(row[0])


def load_placed(conn: Connection, extrinsic_hash: str) -> str | None:
    """Return an extrinsic with its place, outcome and events as JSON; one that waits has none."""
    row = conn.execute(
        """
        SELECT '{"hash":"' || hash || '","status":"' || status
            || '","height":' || coalesce(height::text, 'null')
            || ',"index":' || coalesce(index::text, 'null')
            || ',"time_ms":' || coalesce(
                (SELECT time_ms::text FROM block WHERE block.height = found.height), 'null')
            || ',"error":' || coalesce(to_json(error)::text, 'null')
            || ',"fee_rao":"' || fee_rao || '","extrinsic":' || body
            || ',"events":[' || coalesce((
                SELECT string_agg(told, ',' ORDER BY told_event.index)
                FROM told_event JOIN event USING (height, index)
                WHERE height = found.height AND extrinsic_index = found.index), '') || ']}'
        FROM (
            SELECT hash, status, height, index, error, fee_rao, body FROM extrinsic
            WHERE hash = %(hash)s
            UNION ALL SELECT hash, 'pending', NULL, NULL, NULL, fee_rao, body FROM mempool
            WHERE hash = %(hash)s
        ) AS found
        """,
        {"hash": extrinsic_hash},
    ).fetchone()
    return None if row is None else str(row[0])


def load_signed(conn: Connection, address: str, before: Place, limit: int) -> list[dict[str, Any]]:
    """Return what an account signed, in blocks before a place, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            SELECT hash, height, index, status, error, fee_rao, body ->> 'call' AS call,
                CASE WHEN length(body::text) < %(length)s THEN body -> 'arguments' END AS arguments,
                (SELECT time_ms FROM block WHERE block.height = extrinsic.height) AS time_ms
            FROM extrinsic
            WHERE signer_tag = account_tag(%(address)s)
                AND body ->> 'signer' = %(address)s AND (height, index) < (%(height)s, %(index)s)
            ORDER BY height DESC, index DESC LIMIT %(limit)s
            """,
            {**_asked(address, before, limit), "length": ARGUMENTS_LENGTH_MAX},
        ).fetchall()


def load_account_events(
    conn: Connection, address: str, before: Place, limit: int
) -> list[tuple[int, str]]:
    """
    Return (time in ms, event as JSON) of what came to an account, and what its stake and neurons
    met with, before a place, the newest first.
    """
    return conn.execute(
        """
        SELECT (SELECT time_ms FROM block WHERE block.height = told_event.height), told
        FROM told_event JOIN (
            (SELECT height, index FROM event
            WHERE receiver_tag = account_tag(%(address)s)
                AND body ->> 'receiver' = %(address)s AND (height, index) < (%(height)s, %(index)s)
            ORDER BY height DESC, index DESC LIMIT %(limit)s)
            UNION ALL
            (SELECT height, index FROM event
            WHERE kind IN ('Registered', 'Pruned', 'StakeAdded', 'StakeRemoved', 'HotkeySwapped')
                AND accounts_of(body) @> ARRAY[%(address)s]
                AND (height, index) < (%(height)s, %(index)s)
            ORDER BY height DESC, index DESC LIMIT %(limit)s)
        ) AS found USING (height, index)
        ORDER BY height DESC, index DESC LIMIT %(limit)s
        """,
        _asked(address, before, limit),
    ).fetchall()


def load_stakes(conn: Connection, coldkey: str) -> list[tuple[int, int]]:
    """Return (uid, rao) of what a coldkey has behind neurons, the most first."""
    return conn.execute(
        "SELECT uid, stake_rao FROM stake WHERE coldkey = %s ORDER BY stake_rao DESC, uid",
        (coldkey,),
    ).fetchall()


def load_weights(conn: Connection, limit: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return (uid, its weights) of those that set any, those with the most stake first."""
    rows = conn.execute(
        "SELECT uid, packed FROM weights JOIN neuron USING (uid) "
        "ORDER BY stake_rao DESC, uid LIMIT %s",
        (limit,),
        binary=True,
    )
    return [(uid, list(unpack_row(packed))) for uid, packed in rows]


def load_payouts(conn: Connection, newest: int, limit: int) -> str:
    """Return the steps that paid, from a height down, the newest first, as JSON."""
    row = conn.execute(
        """
        WITH RECURSIVE step (height) AS (
            SELECT max(height) FROM event WHERE kind = 'Paid' AND height <= %(newest)s
            UNION ALL
            SELECT (SELECT max(event.height) FROM event
                WHERE kind = 'Paid' AND event.height < step.height)
            FROM step WHERE step.height IS NOT NULL
        ), newest AS (SELECT height FROM step WHERE height IS NOT NULL LIMIT %(limit)s)
        SELECT coalesce(json_agg(json_build_object('height', height, 'time_ms', time_ms,
            'issuance_rao', issuance_rao::text, 'uids', uids, 'amounts_rao', amounts)
            ORDER BY height DESC)::text, '[]')
        FROM newest JOIN block USING (height) CROSS JOIN LATERAL (
            SELECT array_agg((body ->> 'uid')::integer ORDER BY index) AS uids,
                array_agg(body ->> 'amount_rao' ORDER BY index) AS amounts
            FROM event WHERE event.height = newest.height AND kind = 'Paid') AS paid
        """,
        {"newest": newest, "limit": limit},
    ).fetchone()
    assert row is not None
    return str(row[0])


def _asked(address: str, before: Place, limit: int) -> dict[str, Any]:
    height, index = before
    return {"address": address, "height": height, "index": index, "limit": limit}
