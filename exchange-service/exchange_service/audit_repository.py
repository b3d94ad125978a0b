"""The chains of hashes, computed anew by Postgres itself, as far as they have grown."""

from psycopg import Connection


def find_broken_entry(conn: Connection, after: int, upto: int) -> int | None:
    """Return the first of these journal entries that is missing, or whose hash is wrong."""
    row = conn.execute(
        "SELECT min(n.sequence) FROM generate_series(%(first)s::bigint, %(last)s) AS n (sequence)"
        " LEFT JOIN journal AS j USING (sequence)"
        " LEFT JOIN journal AS p ON p.sequence = n.sequence - 1"
        " WHERE j.hash IS NULL OR j.hash <> sha256("
        "  COALESCE(p.hash, decode(repeat('00', 32), 'hex')) || int8send(n.sequence)"
        "  || convert_to(j.payload, 'UTF8'))",
        {"first": after + 1, "last": upto},
    ).fetchone()
    return row[0] if row else None


def find_broken_seal(conn: Connection, after: int, upto: int) -> int | None:
    """Return the first of these commits whose transfers are not those that were sealed."""
    row = conn.execute(
        "SELECT min(s.sequence) FROM ledger_seal AS s LEFT JOIN LATERAL ("
        "  SELECT sequence, hash FROM ledger_seal WHERE sequence < s.sequence"
        "  ORDER BY sequence DESC LIMIT 1) AS p ON true"
        " WHERE s.sequence > %(after)s AND s.sequence <= %(last)s"
        " AND s.hash <> sha256(COALESCE(p.hash, decode(repeat('00', 32), 'hex'))"
        "  || convert_to(COALESCE((SELECT string_agg(concat_ws(E'\\t', sequence, asset,"
        "   source_account, source_pocket, target_account, target_pocket, amount, reason,"
        "   reference) || E'\\n', '' ORDER BY transfer_id) FROM transfer"
        "   WHERE sequence > COALESCE(p.sequence, 0) AND sequence <= s.sequence), ''), 'UTF8'))",
        {"after": after, "last": upto},
    ).fetchone()
    return row[0] if row else None
