"""Every SQL statement that hands out what a chain consists of: its blocks, and its whole state."""

from psycopg import Connection

BLOCKS_PER_PAGE = 500
EXTRINSICS_PER_PAGE = 5_000
"""A page ends with the block in which the number of its extrinsics passes this."""


def load_sealed(conn: Connection, from_height: int) -> list[str]:
    """Return a page of sealed blocks, a line of JSON each; none where the chain has no more."""
    row = conn.execute(
        "SELECT height FROM extrinsic WHERE height >= %s ORDER BY height OFFSET %s LIMIT 1",
        (from_height, EXTRINSICS_PER_PAGE),
    ).fetchone()
    last = min(from_height + BLOCKS_PER_PAGE - 1, row[0] if row else from_height + BLOCKS_PER_PAGE)
    rows = conn.execute(
        """
        SELECT '{"header":' || json_build_object(
                'height', height, 'parent_hash', parent_hash, 'time_ms', time_ms,
                'extrinsics_root', extrinsics_root, 'state_root', state_root,
                'author', author, 'signature', signature)
            || CASE WHEN height = 0
                THEN ',"parameters":' || (SELECT parameters::text FROM genesis) ELSE '' END
            || ',"extrinsics":[' || coalesce((
                SELECT string_agg(body::text, ',' ORDER BY index) FROM extrinsic
                WHERE extrinsic.height = block.height), '') || ']}'
        FROM block WHERE height BETWEEN %s AND %s ORDER BY height
        """,
        (from_height, last),
    )
    return [line for (line,) in rows]
