"""The SQL of consumers' passages: kept by the gateway, used once by a round."""

from psycopg import Connection

PASSAGES_MAX = 10_000
"""Kept at once; while so many wait, no more are taken."""
KEPT_HOURS = 24


def add_passage(conn: Connection, tokens: list[int]) -> None:
    conn.execute(
        """INSERT INTO passage (tokens)
           SELECT %s::INTEGER[] WHERE (SELECT count(*) FROM passage) < %s""",
        (tokens, PASSAGES_MAX),
    )


def take_passages(conn: Connection, count: int, length: int) -> list[list[int]]:
    """Take the newest passages of a length away, at most so many; old ones are forgotten."""
    conn.execute(
        "DELETE FROM passage WHERE created_at < now() - make_interval(hours => %s)", (KEPT_HOURS,)
    )
    rows = conn.execute(
        """DELETE FROM passage WHERE id IN (
             SELECT id FROM passage WHERE cardinality(tokens) = %s
             ORDER BY id DESC LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING tokens""",
        (length, count),
    )
    return [tokens for (tokens,) in rows]
