"""What the chain's tables tell Prometheus: one row, and one for each neuron."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row

from chain_service.repository import SHARES


@dataclass(frozen=True)
class StateRow:
    """The chain at its newest block."""

    height: int
    time_ms: int
    issuance_rao: int
    free_rao: int
    stake_rao: int
    pot_rao: int
    waiting: int
    """Extrinsics in no block yet."""
    terms: int
    """How often an author began to lead."""
    is_halted: bool
    """A follower stopped at a block that is wrong."""


@dataclass(frozen=True)
class NeuronRow:
    """What is shown of one neuron; shares are 0…1."""

    uid: int
    hotkey: str
    name: str
    stake_rao: int
    rank: float
    trust: float
    consensus: float
    incentive: float
    dividends: float
    emission_rao: int
    last_update_block: int


def load_state(conn: Connection) -> StateRow | None:
    """Return the newest block's figures; None before genesis."""
    with conn.cursor(row_factory=class_row(StateRow)) as cursor:
        return cursor.execute(
            "SELECT height, time_ms, issuance_rao::bigint, free_rao::bigint, stake_rao::bigint, "
            "pot_rao::bigint, (SELECT count(*) FROM mempool) AS waiting, "
            "coalesce((SELECT terms FROM author), 0) AS terms, "
            "EXISTS (SELECT FROM halt) AS is_halted "
            "FROM block ORDER BY height DESC LIMIT 1"
        ).fetchone()


def load_neurons(conn: Connection) -> list[NeuronRow]:
    with conn.cursor(row_factory=class_row(NeuronRow)) as cursor:
        return cursor.execute(
            f"SELECT uid, hotkey, name, stake_rao::bigint, {SHARES}, emission_rao::bigint, "  # noqa: S608 (our own columns)
            "last_update_block FROM neuron ORDER BY uid"
        ).fetchall()


def measure_difference(conn: Connection) -> int:
    """Return the rao that all accounts, stakes and the pot hold above what was issued."""
    row = conn.execute(
        "SELECT ((SELECT coalesce(sum(free_rao), 0) FROM account) "
        "+ (SELECT coalesce(sum(stake_rao), 0) FROM stake) + pot_rao - issuance_rao)::bigint "
        "FROM block ORDER BY height DESC LIMIT 1"
    ).fetchone()
    return 0 if row is None else int(row[0])


def count_gaps(conn: Connection) -> int:
    """Return how many heights of the last thousand have no block, or one that names no parent."""
    row = conn.execute(
        "SELECT count(*) FROM block LEFT JOIN block AS parent ON parent.height = block.height - 1 "
        "WHERE block.height > (SELECT max(height) FROM block) - 1000 AND block.height > 0 "
        "AND block.parent_hash IS DISTINCT FROM parent.block_hash"
    ).fetchone()
    assert row is not None
    return int(row[0])
