"""What a call costs, who gets it, and writing that down however long it takes."""

import asyncio
import secrets
from typing import Any

import psycopg
from psycopg import Connection, Cursor

from taonet.kit.logging import get_logger
from validator_service.domain.passages import cut_passage
from validator_service.domain.payouts import calculate_share_rao, divide_cost_rao
from validator_service.domain.prompts import Shape
from validator_service.gateway.directory import KnownServer
from validator_service.ledger import repository
from validator_service.ledger.books import Books, Movement
from validator_service.ledger.repository import Part, Settlement
from validator_service.rounds import passage_repository

SETTLE_PAUSES_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 20, 30, 60)
"""Between attempts to write a bill while the database is away."""
CHANCE = secrets.SystemRandom()

log = get_logger(__name__)


def divide(cost_rao: int, servers: list[KnownServer], take_percent: int) -> list[Part]:
    """Return each Server's part of a call that they answered together."""
    return [
        Part(
            server_uid=server.uid,
            server_hotkey=server.hotkey,
            server_coldkey=server.coldkey,
            cost_rao=part_rao,
            share_rao=calculate_share_rao(part_rao, take_percent),
        )
        for server, part_rao in zip(servers, divide_cost_rao(cost_rao, len(servers)), strict=True)
    ]


def draw_sample(prompts: list[list[int]], share: float, shape: Shape) -> list[int] | None:
    """Return a passage of a prompt for a round's questions, of this share of calls."""
    if CHANCE.random() >= share:
        return None
    return cut_passage(CHANCE.choice(prompts), shape, CHANCE.random())


def make_bill(settlement: Settlement, passage: list[int] | None) -> Movement:
    """Return what writes a bill, and the passage that the call lends, if any."""

    def write(conn: Connection) -> Cursor[Any]:
        if passage is not None:
            passage_repository.add_passage(conn, passage)
        return repository.settle(conn, settlement)

    return write


async def write_in_the_end(books: Books, movement: Movement) -> bool:
    """Write it, however long the database is away: it was delivered, so it is paid."""
    for pause in SETTLE_PAUSES_SECONDS:
        try:
            return await asyncio.wrap_future(books.write(movement))
        except psycopg.OperationalError as error:
            log.warning("a bill waits", reason=str(error).strip())
            await asyncio.sleep(pause)
    return await asyncio.wrap_future(books.write(movement))
