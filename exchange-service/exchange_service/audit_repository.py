"""The chains of hashes, computed anew by Postgres itself, as far as they have grown.

Each look reads what it checks once and from one end to the other: orders wait for the same cores.
"""

from psycopg import Connection


def find_broken_entry(conn: Connection, after: int, upto: int) -> int | None:
    """Return the first of these journal entries that is missing, or whose hash is wrong."""
    row = conn.execute(
        "SELECT min(n) FROM generate_series(%(after)s::bigint + 1, %(last)s) AS n LEFT JOIN ("
        "  SELECT sequence, payload, hash, lag(hash) OVER (ORDER BY sequence) AS previous"
        "  FROM journal WHERE sequence >= %(after)s AND sequence <= %(last)s) AS j"
        " ON j.sequence = n"
        " WHERE hash IS NULL OR hash <> sha256("
        "  COALESCE(previous, decode(repeat('00', 32), 'hex')) || int8send(n)"
        "  || convert_to(payload, 'UTF8'))",
        {"after": after, "last": upto},
    ).fetchone()
    return row[0] if row else None


def find_broken_seal(conn: Connection, after: int, upto: int) -> int | None:
    """Return the first of these commits whose transfers are not those that were sealed."""
    row = conn.execute(
        "WITH start AS (SELECT COALESCE(max(sequence), 0) AS sealed FROM ledger_seal"
        "  WHERE sequence <= %(after)s),"
        " seal AS (SELECT sequence, hash, lag(hash) OVER (ORDER BY sequence) AS previous"
        "  FROM ledger_seal"
        "  WHERE sequence >= (SELECT sealed FROM start) AND sequence <= %(last)s),"
        " written AS (SELECT"
        "   (SELECT min(s.sequence) FROM ledger_seal AS s WHERE s.sequence >= t.sequence)"
        "   AS sequence, string_agg(concat_ws(E'\\t', sequence, asset, source_account,"
        "   source_pocket, target_account, target_pocket, amount, reason, reference) || E'\\n', ''"
        "   ORDER BY transfer_id) AS lines FROM transfer AS t"
        "  WHERE sequence > (SELECT sealed FROM start) AND sequence <= %(last)s GROUP BY 1)"
        " SELECT min(sequence) FROM seal LEFT JOIN written USING (sequence)"
        " WHERE sequence > %(after)s AND hash <> sha256("
        "  COALESCE(previous, decode(repeat('00', 32), 'hex'))"
        "  || convert_to(COALESCE(lines, ''), 'UTF8'))",
        {"after": after, "last": upto},
    ).fetchone()
    return row[0] if row else None
