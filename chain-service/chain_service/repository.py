"""
Every SQL statement by which the chain is read: blocks, extrinsics, accounts, neurons.

Each question is one statement, so that its answer is of one moment; who asks several that must fit
together freezes the moment before. `ledger_repository` writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from chain_service.domain.rows import unpack_row

EXTRINSICS_PER_PAGE = 2_000
SHARES = ", ".join(
    f"{name}::float8 / 18446744073709551615 AS {name}"
    for name in ("rank", "trust", "consensus", "incentive", "dividends")
)
"""A neuron's scores as numbers of 0…1; they are kept as floor(x · (2^64 − 1))."""


@dataclass(frozen=True)
class HeadRow:
    height: int
    block_hash: str
    time_ms: int
    genesis_hash: str
    parameters: dict[str, Any]
    counters: dict[str, Any]


@dataclass(frozen=True)
class SupplyRow:
    height: int
    issuance_rao: int
    free_rao: int
    stake_rao: int
    pot_rao: int


@dataclass(frozen=True)
class AccountRow:
    free_rao: int
    stake_rao: int
    next_nonce: int


@dataclass(frozen=True)
class BlockTimes:
    """What metrics tell of a block."""

    height: int
    time_ms: int
    apply_microseconds: int


def freeze(conn: Connection) -> None:
    """Let this transaction, which has asked nothing yet, see one moment of the chain throughout."""
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def load_head(conn: Connection) -> HeadRow | None:
    with conn.cursor(row_factory=class_row(HeadRow)) as cursor:
        return cursor.execute(
            "SELECT block.height, block.block_hash, block.time_ms, "
            "genesis.block_hash AS genesis_hash, genesis.parameters, counters.entries AS counters "
            "FROM block, genesis, counters ORDER BY block.height DESC LIMIT 1"
        ).fetchone()


def load_channel(conn: Connection) -> str:
    """Return the channel on which Postgres tells of each new block of this schema."""
    row = conn.execute("SELECT current_schema() || '.block'").fetchone()
    assert row is not None
    return str(row[0])


def load_snapshot_height(conn: Connection) -> int | None:
    """Return the block of the snapshot that this database began with, if it did."""
    row = conn.execute("SELECT snapshot_height FROM genesis").fetchone()
    return None if row is None else row[0]


def load_blocks(conn: Connection, from_height: int, limit: int) -> list[tuple[int, str]]:
    """
    Return (height, block as JSON), each with its extrinsics and events in order.

    The page ends early with the block in which its extrinsics pass a number, so it stays small.
    """
    return conn.execute(
        """
        WITH page AS (
            SELECT least(%(from)s + %(limit)s - 1, (SELECT height FROM extrinsic
                WHERE height >= %(from)s ORDER BY height OFFSET %(extrinsics)s LIMIT 1)) AS last)
        SELECT height, '{"header":' || json_build_object(
                'height', height, 'block_hash', block_hash, 'parent_hash', parent_hash,
                'time_ms', time_ms, 'extrinsics_root', extrinsics_root,
                'state_root', state_root, 'author', author, 'signature', signature)
            || ',"extrinsics":[' || coalesce((
                SELECT string_agg('{"hash":"' || hash || '","status":"' || status || '","error":'
                    || coalesce(to_json(error)::text, 'null') || ',"fee_rao":"' || fee_rao
                    || '","extrinsic":' || body || '}', ',' ORDER BY index)
                FROM extrinsic WHERE extrinsic.height = block.height), '')
            || '],"events":[' || coalesce((
                SELECT string_agg(told, ',' ORDER BY index) FROM told_event
                WHERE told_event.height = block.height), '')
            || ']}'
        FROM page, block WHERE height BETWEEN %(from)s AND page.last ORDER BY height
        """,
        {"from": from_height, "limit": limit, "extrinsics": EXTRINSICS_PER_PAGE},
    ).fetchall()


def load_events(
    conn: Connection, first: int, last: int, kinds: Sequence[str], account: str | None
) -> list[tuple[int, int, str]]:
    """Return (height, index, event as JSON) of the blocks first…last, all kinds where none are."""
    return conn.execute(
        """
        SELECT height, index, told FROM told_event
        WHERE height BETWEEN %(first)s AND %(last)s
            AND (%(kinds)s::text[] = '{}' OR kind = ANY(%(kinds)s))
            AND (%(account)s::text IS NULL OR accounts @> ARRAY[%(account)s])
        ORDER BY height, index
        """,
        {"first": first, "last": last, "kinds": list(kinds), "account": account},
    ).fetchall()


def find_last_height(conn: Connection, first: int, blocks: int, events: int) -> int | None:
    """
    Return where a page of events that begins at a block ends; none where no block is that high.

    A page has at most so many blocks, and ends with the block in which its events pass a number.
    """
    row = conn.execute(
        "SELECT least(max(height), %(first)s + %(blocks)s - 1, (SELECT height FROM event "
        "WHERE height >= %(first)s ORDER BY height OFFSET %(events)s LIMIT 1)) "
        "FROM block HAVING max(height) >= %(first)s",
        {"first": first, "blocks": blocks, "events": events},
    ).fetchone()
    return None if row is None else int(row[0])


def has_network_changed(conn: Connection, from_height: int) -> bool:
    """Say whether anything but money moved since a block."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM event WHERE height >= %s AND kind <> 'Transferred')",
        (from_height,),
    ).fetchone()
    return row is not None and bool(row[0])


def load_block_times(conn: Connection, from_height: int, limit: int) -> list[BlockTimes]:
    with conn.cursor(row_factory=class_row(BlockTimes)) as cursor:
        return cursor.execute(
            "SELECT height, time_ms, apply_microseconds "
            "FROM block WHERE height >= %s ORDER BY height LIMIT %s",
            (from_height, limit),
        ).fetchall()


def load_supply(conn: Connection, height: int | None) -> SupplyRow | None:
    with conn.cursor(row_factory=class_row(SupplyRow)) as cursor:
        return cursor.execute(
            "SELECT height, issuance_rao::bigint, free_rao::bigint, stake_rao::bigint, "
            "pot_rao::bigint FROM block "
            "WHERE height = coalesce(%s, (SELECT max(height) FROM block))",
            (height,),
        ).fetchone()


def load_account(conn: Connection, address: str) -> AccountRow:
    """Return what an address holds; the next nonce counts what is waiting."""
    with conn.cursor(row_factory=class_row(AccountRow)) as cursor:
        row = cursor.execute(
            """
            SELECT
                coalesce((SELECT free_rao FROM account WHERE address = %(address)s), 0) AS free_rao,
                coalesce((SELECT sum(stake_rao) FROM stake WHERE coldkey = %(address)s), 0)::bigint
                    AS stake_rao,
                coalesce((SELECT max(nonce) + 1 FROM mempool WHERE signer = %(address)s),
                    (SELECT nonce FROM account WHERE address = %(address)s), 0) AS next_nonce
            """,
            {"address": address},
        ).fetchone()
    assert row is not None
    return row


def load_metagraph(conn: Connection, uid: int | None = None) -> str:
    """Return, as JSON, the height and the neurons, or the one of a uid, after that block."""
    row = conn.execute(
        f"""
        SELECT '{{"height":' || (SELECT coalesce(max(height), 0) FROM block) || ',"neurons":['
            || coalesce(string_agg(row_to_json(told)::text, ',' ORDER BY told.uid), '') || ']}}'
        FROM (
            SELECT uid, name, hotkey, coldkey, stake_rao::text, {SHARES},
                emission_rao::text, active, last_update_block, registered_block, priority, take,
                CASE WHEN port > 0 THEN json_build_object('ip', ip, 'port', port) END AS axon
            FROM neuron WHERE %(uid)s::integer IS NULL OR uid = %(uid)s
        ) AS told
        """,  # noqa: S608 (our own columns)
        {"uid": uid},
    ).fetchone()
    assert row is not None
    return str(row[0])


def load_row(conn: Connection, table: str, uid: int) -> list[tuple[int, int]]:
    """Return a neuron's weights or bonds."""
    assert table in ("weights", "bonds")
    statement = f"SELECT packed FROM {table} WHERE uid = %s"  # noqa: S608 (one of two names)
    row = conn.execute(statement, (uid,), binary=True).fetchone()
    return [] if row is None else list(unpack_row(row[0]))


def load_receipt(conn: Connection, extrinsic_hash: str) -> dict[str, Any] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT hash, status, height, error, fee_rao FROM extrinsic "
            "WHERE hash = %(hash)s "
            "UNION ALL SELECT hash, 'pending', NULL, NULL, 0 FROM mempool WHERE hash = %(hash)s",
            {"hash": extrinsic_hash},
        ).fetchone()


def sum_payouts(conn: Connection, first: int, last: int) -> list[tuple[int, int]]:
    """Return (uid, rao) paid by the blocks first…last."""
    return conn.execute(
        "SELECT (body ->> 'uid')::integer, sum((body ->> 'amount_rao')::numeric)::bigint "
        "FROM event WHERE height BETWEEN %s AND %s AND kind = 'Paid' GROUP BY 1",
        (first, last),
    ).fetchall()


def count_outcomes(conn: Connection, first: int, last: int) -> list[tuple[str, int]]:
    """Return (status, number) of the extrinsics in the blocks first…last."""
    return conn.execute(
        "SELECT status, count(*) FROM extrinsic WHERE height BETWEEN %s AND %s GROUP BY 1",
        (first, last),
    ).fetchall()


def count_failures(conn: Connection, first: int, last: int) -> list[tuple[str, int]]:
    """Return (reason, number) of the extrinsics that failed in the blocks first…last."""
    return conn.execute(
        "SELECT split_part(error, ':', 1), count(*) FROM extrinsic "
        "WHERE height BETWEEN %s AND %s AND status = 'failed' GROUP BY 1",
        (first, last),
    ).fetchall()
