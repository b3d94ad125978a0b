"""What the chain tells of its past: blocks at a glance, one extrinsic, an account, payouts."""

from psycopg import Connection

from chain_service import history_repository
from chain_service.domain.errors import NoSuchBlock, NoSuchExtrinsic
from chain_service.history_repository import Place
from chain_service.schemas import BlockSummary, SignedLine, StakeLine, WeightRow

LINES_MAX = 100
"""Blocks, extrinsics or events that one answer lists."""
WEIGHT_ROWS_MAX = 64
PAYOUTS_MAX = 20
"""Steps that one answer tells; each names every neuron that it paid."""


def read_summaries(conn: Connection, newest: int, limit: int) -> list[BlockSummary]:
    rows = history_repository.load_summaries(conn, newest, limit)
    return [BlockSummary.model_validate(row, from_attributes=True) for row in rows]


def find_block(conn: Connection, block_hash: str) -> BlockSummary:
    height = history_repository.find_block(conn, block_hash)
    if height is None:
        raise NoSuchBlock("the chain knows no block of this hash")
    return read_summaries(conn, height, 1)[0]


def read_placed(conn: Connection, extrinsic_hash: str) -> str:
    placed = history_repository.load_placed(conn, extrinsic_hash)
    if placed is None:
        raise NoSuchExtrinsic("the chain knows no extrinsic of this hash")
    return placed


def read_signed(conn: Connection, address: str, before: Place, limit: int) -> list[SignedLine]:
    rows = history_repository.load_signed(conn, address, before, limit)
    return [SignedLine.model_validate(row) for row in rows]


def read_account_events(conn: Connection, address: str, before: Place, limit: int) -> str:
    rows = history_repository.load_account_events(conn, address, before, limit)
    return ",".join(f'{{"time_ms":{time_ms},"event":{told}}}' for time_ms, told in rows)


def read_stakes(conn: Connection, coldkey: str) -> list[StakeLine]:
    rows = history_repository.load_stakes(conn, coldkey)
    return [StakeLine(uid=uid, stake_rao=stake_rao) for uid, stake_rao in rows]


def read_weights(conn: Connection, limit: int) -> list[WeightRow]:
    rows = history_repository.load_weights(conn, limit)
    return [WeightRow(uid=uid, weights=weights) for uid, weights in rows]
