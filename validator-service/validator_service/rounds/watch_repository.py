"""SQL of what is watched: Servers' answers by code, the newest round's worth, jobs' times."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class ServerRound:
    """What a Server's newest round was worth."""

    uid: int
    hotkey: str
    worth: float
    synergy: float
    """Part of the worth: what its answers gave beside others'."""
    cluster_uid: int | None
    """The first Server that answered alike; None: it did not answer."""


FiguresRow = tuple[int, float | None, float | None, float, float | None, float | None]
"""Uid; long-run means of loss, seconds and score; the newest round's worth and its synergy. None
before the first value."""


@dataclass(frozen=True)
class WatchRow:
    """Single figures, of one moment."""

    scored_at: float
    """Seconds of the epoch, when a round was last scored; 0: never."""
    weights_height: int
    """The chain's, when weights were last made; 0: never."""
    owed_rao: int
    """Servers' shares that no payment has taken up."""
    paid_rao: int
    payments_under_way: int
    held_rao: int
    """What consumers have in their accounts."""


@dataclass(frozen=True)
class JudgementRow:
    """What is thought of one Server; averages are None before their first value."""

    uid: int
    hotkey: str
    rounds: int
    loss_nats: float | None
    score: float | None
    seconds: float | None
    by_heart: float | None
    worth: float
    synergy: float
    cluster_uid: int | None


def count_server_codes(conn: Connection, counts: Sequence[tuple[int, str]]) -> None:
    """Count one answer, or failure, of each of these uids."""
    conn.cursor().executemany(
        """INSERT INTO server_tally (uid, code, total) VALUES (%s, %s, 1)
           ON CONFLICT (uid, code) DO UPDATE SET total = server_tally.total + 1""",
        sorted(counts),
    )


def save_server_rounds(conn: Connection, number: int, rows: Sequence[ServerRound]) -> None:
    conn.cursor().executemany(
        """INSERT INTO server_round (uid, hotkey, number, worth, synergy, cluster_uid)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (uid) DO UPDATE SET
             hotkey = excluded.hotkey, number = excluded.number, worth = excluded.worth,
             synergy = excluded.synergy, cluster_uid = excluded.cluster_uid""",
        [
            (row.uid, row.hotkey, number, row.worth, row.synergy, row.cluster_uid)
            for row in sorted(rows, key=lambda row: row.uid)
        ],
    )


def load_server_codes(conn: Connection) -> list[tuple[int, str, int]]:
    return conn.execute(
        "SELECT uid, code, total FROM server_tally ORDER BY uid, code", binary=True
    ).fetchall()


def load_server_figures(conn: Connection) -> list[FiguresRow]:
    return conn.execute(
        """SELECT uid, loss_total / nullif(loss_weight, 0),
             seconds_total / nullif(seconds_weight, 0),
             coalesce(score_total / nullif(score_weight, 0), 0), worth, synergy
           FROM standing LEFT JOIN server_round USING (uid, hotkey) ORDER BY uid""",
        binary=True,  # Thousands of rows: digits take twice as long to read.
    ).fetchall()


def load_judgements(conn: Connection, uid: int | None) -> list[JudgementRow]:
    """Return what is thought of all Servers, or of the one of a uid."""
    with conn.cursor(row_factory=class_row(JudgementRow)) as cursor:
        return cursor.execute(
            """SELECT standing.uid, standing.hotkey, standing.rounds,
                 loss_total / nullif(loss_weight, 0) AS loss_nats,
                 score_total / nullif(score_weight, 0) AS score,
                 seconds_total / nullif(seconds_weight, 0) AS seconds,
                 by_heart_total / nullif(by_heart_weight, 0) AS by_heart,
                 coalesce(worth, 0) AS worth, coalesce(synergy, 0) AS synergy, cluster_uid
               FROM standing LEFT JOIN server_round ON server_round.uid = standing.uid
                 AND server_round.hotkey = standing.hotkey
               WHERE %(uid)s::integer IS NULL OR standing.uid = %(uid)s
               ORDER BY standing.uid""",
            {"uid": uid},
        ).fetchall()


def count_round_states(conn: Connection) -> list[tuple[str, int]]:
    return conn.execute("SELECT state, count(*) FROM round GROUP BY state").fetchall()


def load_watch(conn: Connection) -> WatchRow:
    with conn.cursor(row_factory=class_row(WatchRow)) as cursor:
        row = cursor.execute(
            """SELECT
                 coalesce((SELECT extract(epoch FROM max(touched_at))::float8 FROM round
                           WHERE state = 'scored'), 0) AS scored_at,
                 coalesce((SELECT height FROM weights ORDER BY id DESC LIMIT 1), 0)
                   AS weights_height,
                 (SELECT coalesce(sum(share_rao), 0)::bigint FROM call
                   WHERE payout_id IS NULL AND share_rao > 0) AS owed_rao,
                 (SELECT coalesce(sum(amount_rao), 0)::bigint FROM payout
                   JOIN payment ON payment.id = payment_id WHERE payment.state = 'settled')
                   AS paid_rao,
                 (SELECT count(*) FROM payment WHERE state <> 'settled') AS payments_under_way,
                 (SELECT coalesce(sum(balance_rao), 0)::bigint FROM account) AS held_rao"""
        ).fetchone()
    assert row is not None
    return row


def count_job(
    conn: Connection, job: str, measure: str, outcome: str, bound: float, seconds: float
) -> None:
    conn.execute(
        """INSERT INTO job_time (job, measure, outcome, bound, total, seconds)
           VALUES (%s, %s, %s, %s, 1, %s)
           ON CONFLICT (job, measure, outcome, bound) DO UPDATE SET
             total = job_time.total + 1, seconds = job_time.seconds + excluded.seconds""",
        (job, measure, outcome, bound, seconds),
    )


def load_job_times(conn: Connection) -> list[tuple[str, str, str, float, int, float]]:
    return conn.execute(
        """SELECT job, measure, outcome, bound, total, seconds FROM job_time
           ORDER BY job, measure, outcome, bound"""
    ).fetchall()
