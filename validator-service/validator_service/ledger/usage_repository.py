"""The SQL of what an account used."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class HourRow:
    hour: datetime
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_rao: int


@dataclass(frozen=True)
class CallRow:
    request_id: str
    created_at: datetime
    model: str
    server_uid: int
    prompt_tokens: int
    completion_tokens: int
    cost_rao: int
    share_rao: int


def list_hours(conn: Connection, account: str, hours: int) -> list[HourRow]:
    """Return the sums of each hour and model; further Servers of one call add only their part."""
    with conn.cursor(row_factory=class_row(HourRow)) as cursor:
        return cursor.execute(
            """SELECT date_trunc('hour', created_at) AS hour, model,
                      count(*) FILTER (WHERE request_id NOT LIKE '%%-%%') AS calls,
                      sum(prompt_tokens) FILTER (WHERE request_id NOT LIKE '%%-%%')::BIGINT
                        AS prompt_tokens,
                      sum(completion_tokens) FILTER (WHERE request_id NOT LIKE '%%-%%')::BIGINT
                        AS completion_tokens,
                      sum(cost_rao)::BIGINT AS cost_rao
               FROM call WHERE account = %s AND state = 'settled'
                 AND created_at > now() - make_interval(hours => %s)
               GROUP BY 1, 2 ORDER BY 1, 2""",
            (account, hours),
        ).fetchall()


def list_calls(conn: Connection, account: str, limit: int) -> list[CallRow]:
    with conn.cursor(row_factory=class_row(CallRow)) as cursor:
        return cursor.execute(
            """SELECT request_id, created_at, model, server_uid, prompt_tokens, completion_tokens,
                      cost_rao::BIGINT AS cost_rao, share_rao::BIGINT AS share_rao
               FROM call WHERE account = %s AND state = 'settled'
               ORDER BY created_at DESC, request_id LIMIT %s""",
            (account, limit),
        ).fetchall()
