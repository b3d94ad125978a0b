"""SQL of the rounds: their secrets, answers and tallies, and how the Servers stand."""

from dataclasses import dataclass

import numpy as np
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from validator_service.domain.averages import Averages
from validator_service.domain.prompts import RoundSeed
from validator_service.domain.scores import Standings

ROUND_LOCK = 0x7A2
"""Advisory lock key: one round is opened, and one scored, at a time."""

ROUND_COLUMNS = """SELECT round.id, number, height, block_hash, secret.value AS secret, state,
                          attempts, text_digest
                   FROM round JOIN secret ON secret.id = secret_id"""


@dataclass(frozen=True)
class Round:
    id: str
    number: int
    height: int
    """The chain's, when the round was opened."""
    block_hash: str
    secret: str
    state: str
    attempts: int
    text_digest: str | None = None
    """Of the held-out text that was asked about."""

    @property
    def seed(self) -> RoundSeed:
        return RoundSeed(self.block_hash, self.secret, self.number)


@dataclass(frozen=True)
class StoredAnswer:
    id: str
    round_id: str
    uid: int
    hotkey: str
    code: str
    """`ok`, or why there is no answer."""
    seconds: float
    questions: bytes
    """What was asked, and how it truly goes on."""
    request_headers: dict[str, str] | None
    body: bytes | None
    """The answer as it came."""
    signature: str | None


def lock_rounds(conn: Connection) -> None:
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()), %s)", (ROUND_LOCK,))


def load_newest_secret(conn: Connection) -> tuple[int, str] | None:
    return conn.execute("SELECT id, value FROM secret ORDER BY id DESC LIMIT 1").fetchone()


def add_secret(conn: Connection, value: str) -> int:
    row = conn.execute("INSERT INTO secret (value) VALUES (%s) RETURNING id", (value,)).fetchone()
    assert row is not None
    number: int = row[0]
    return number


def next_round_number(conn: Connection) -> int:
    row = conn.execute("SELECT coalesce(max(number), 0) + 1 FROM round").fetchone()
    assert row is not None
    number: int = row[0]
    return number


def count_unfinished(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM round WHERE state IN ('asking', 'asked')").fetchone()
    assert row is not None
    count: int = row[0]
    return count


def add_round(
    conn: Connection, round_id: str, number: int, height: int, block_hash: str, secret_id: int
) -> None:
    conn.execute(
        "INSERT INTO round (id, number, height, block_hash, secret_id) VALUES (%s, %s, %s, %s, %s)",
        (round_id, number, height, block_hash, secret_id),
    )


def note_text(conn: Connection, round_id: str, digest: str) -> None:
    conn.execute("UPDATE round SET text_digest = %s WHERE id = %s", (digest, round_id))


def note_scored(conn: Connection, round_id: str) -> None:
    """Remember the order in which rounds were judged: averages depend on it."""
    conn.execute(
        "UPDATE round SET scored_order = nextval('round_scored_order') WHERE id = %s", (round_id,)
    )


def close_epoch(conn: Connection, epoch: int) -> None:
    """Count all rounds that were judged since the last weights towards these."""
    conn.execute("UPDATE round SET epoch = %s WHERE state = 'scored' AND epoch IS NULL", (epoch,))


def load_epoch_rounds(conn: Connection, epoch: int) -> list[Round]:
    """Return an epoch's rounds in the order in which they were judged."""
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(
            ROUND_COLUMNS + " WHERE epoch = %s ORDER BY scored_order", (epoch,)
        ).fetchall()


def load_round(conn: Connection, round_id: str) -> Round | None:
    with conn.cursor(row_factory=class_row(Round)) as cursor:
        return cursor.execute(ROUND_COLUMNS + " WHERE round.id = %s", (round_id,)).fetchone()


def move_round(conn: Connection, round_id: str, before: str, after: str) -> bool:
    """Move a round from one state to the next; False where it is not in the first."""
    row = conn.execute(
        """UPDATE round SET state = %s, touched_at = now()
           WHERE id = %s AND state = %s RETURNING id""",
        (after, round_id, before),
    ).fetchone()
    return row is not None


def park_hopeless(conn: Connection, attempts_max: int, overdue_seconds: float) -> int:
    """Give up each round whose last attempt stands still, too; return how many."""
    return conn.execute(
        """UPDATE round SET state = 'parked'
           WHERE state IN ('asking', 'asked') AND attempts >= %s
             AND touched_at < now() - make_interval(secs => %s)""",
        (attempts_max, overdue_seconds),
    ).rowcount


def retry_overdue(
    conn: Connection, attempts_max: int, overdue_seconds: float
) -> list[tuple[str, str]]:
    """Count one more attempt for each round that stands still; return their ids and states."""
    return conn.execute(
        """UPDATE round SET attempts = attempts + 1, touched_at = now()
           WHERE state IN ('asking', 'asked') AND attempts < %s
             AND touched_at < now() - make_interval(secs => %s)
           RETURNING id, state""",
        (attempts_max, overdue_seconds),
    ).fetchall()


def load_parked(conn: Connection) -> list[tuple[int, int, int, int]]:
    """Return number, height, attempts and count of answers of rounds that were given up."""
    return conn.execute(
        """SELECT number, height, attempts, count(answer.id)
           FROM round LEFT JOIN answer ON round_id = round.id
           WHERE state = 'parked' GROUP BY round.id ORDER BY number"""
    ).fetchall()


def unpark(conn: Connection) -> int:
    """Give parked rounds their attempts again, from where they stood; return how many."""
    return conn.execute(
        """UPDATE round SET attempts = 0, touched_at = 'epoch', state =
             CASE WHEN EXISTS (SELECT 1 FROM answer WHERE round_id = round.id)
                  THEN 'asked' ELSE 'asking' END
           WHERE state = 'parked'"""
    ).rowcount


def forget_rounds(conn: Connection, keep: int) -> None:
    """Delete finished rounds, with their answers, but for the newest."""
    conn.execute(
        """DELETE FROM round WHERE state IN ('scored', 'parked')
           AND number <= (SELECT max(number) FROM round) - %s""",
        (keep,),
    )


def add_answers(conn: Connection, answers: list[StoredAnswer]) -> None:
    conn.cursor().executemany(
        """INSERT INTO answer (id, round_id, uid, hotkey, code, seconds, questions,
                               request_headers, body, signature)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [
            (
                *(a.id, a.round_id, a.uid, a.hotkey, a.code, a.seconds, a.questions),
                *(Jsonb(a.request_headers), a.body, a.signature),
            )
            for a in answers
        ],
    )


def load_answers(conn: Connection, round_id: str) -> list[StoredAnswer]:
    with conn.cursor(row_factory=class_row(StoredAnswer)) as cursor:
        return cursor.execute(
            """SELECT id, round_id, uid, hotkey, code, seconds, questions, request_headers, body,
                      signature
               FROM answer WHERE round_id = %s ORDER BY uid""",
            (round_id,),
        ).fetchall()


def load_standings(conn: Connection) -> Standings:
    rows = conn.execute(
        """SELECT uid, hotkey, loss_total, loss_weight, score_total, score_weight,
                  seconds_total, seconds_weight, by_heart_total, by_heart_weight, rounds
           FROM standing ORDER BY uid"""
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * 11
    sums = [np.array(column, dtype=np.float64) for column in columns[2:10]]
    return Standings(
        uids=np.array(columns[0], dtype=np.int64),
        hotkeys=columns[1],
        loss=Averages(*sums[0:2]),
        score=Averages(*sums[2:4]),
        seconds=Averages(*sums[4:6]),
        by_heart=Averages(*sums[6:8]),
        rounds=np.array(columns[10], dtype=np.int64),
    )


def save_standings(conn: Connection, standings: Standings) -> None:
    averages = (standings.loss, standings.score, standings.seconds, standings.by_heart)
    sums = [column.tolist() for each in averages for column in (each.total, each.weight)]
    columns = (standings.uids.tolist(), standings.hotkeys, *sums, standings.rounds.tolist())
    conn.cursor().executemany(
        """INSERT INTO standing (uid, hotkey, loss_total, loss_weight, score_total, score_weight,
                                 seconds_total, seconds_weight, by_heart_total,
                                 by_heart_weight, rounds)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (uid) DO UPDATE SET
             hotkey = excluded.hotkey, loss_total = excluded.loss_total,
             loss_weight = excluded.loss_weight, score_total = excluded.score_total,
             score_weight = excluded.score_weight, seconds_total = excluded.seconds_total,
             seconds_weight = excluded.seconds_weight, by_heart_total = excluded.by_heart_total,
             by_heart_weight = excluded.by_heart_weight, rounds = excluded.rounds""",
        zip(*columns, strict=True),
    )


def add_to_tally(conn: Connection, kind: str, counts: dict[str, int]) -> None:
    conn.cursor().executemany(
        """INSERT INTO tally (kind, code, total) VALUES (%s, %s, %s)
           ON CONFLICT (kind, code) DO UPDATE SET total = tally.total + excluded.total""",
        [(kind, code, count) for code, count in sorted(counts.items())],
    )


def load_tallies(conn: Connection) -> list[tuple[str, str, int]]:
    return conn.execute("SELECT kind, code, total FROM tally").fetchall()


def load_scored_height(conn: Connection) -> int | None:
    """Return the chain's height at the newest scored round."""
    row = conn.execute("SELECT max(height) FROM round WHERE state = 'scored'").fetchone()
    return row[0] if row else None


def count_scored(conn: Connection) -> int:
    row = conn.execute(
        "SELECT total FROM tally WHERE kind = 'round' AND code = 'scored'"
    ).fetchone()
    return row[0] if row else 0
