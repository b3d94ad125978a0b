"""The chain's past over HTTP, newest first and in pages: what an explorer is made of."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from chain_service import history, history_repository
from chain_service.history_repository import Place
from chain_service.live_routes import HEIGHT_MAX, NAME
from chain_service.schemas import (
    Address,
    BlockSummary,
    EventLine,
    Payout,
    PlacedExtrinsic,
    SignedLine,
    StakeLine,
    WeightRow,
)
from taonet.kit.db import Transaction
from taonet.kit.errors import Malformed

JSON = "application/json"
INDEX_MAX = 2**31 - 1

HashInPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Newest = Annotated[int, Query(alias="to", ge=0, le=HEIGHT_MAX)]
Lines = Annotated[int, Query(ge=1, le=history.LINES_MAX)]
Before = Annotated[str | None, Query(max_length=30)]
"""A place, height-index: what is listed lies before it."""

history_router = APIRouter(tags=["chain, past"])


def read_place(before: str | None) -> Place:
    if before is None:
        return HEIGHT_MAX, INDEX_MAX
    name = NAME.fullmatch(before)
    if name is None or name[2] is None:
        raise Malformed("before: a place is written height-index, as in 812-3")
    return int(name[1]), int(name[2])


@history_router.get("/headers")
def get_summaries(
    conn: Transaction, newest: Newest = HEIGHT_MAX, limit: Lines = 25
) -> list[BlockSummary]:
    """Blocks from a height down: what each holds, counted."""
    return history.read_summaries(conn, newest, limit)


@history_router.get("/headers/{block_hash}")
def get_summary(block_hash: HashInPath, conn: Transaction) -> BlockSummary:
    return history.find_block(conn, block_hash)


@history_router.get("/extrinsics/{extrinsic_hash}/whole", response_model=PlacedExtrinsic)
def get_whole_extrinsic(extrinsic_hash: HashInPath, conn: Transaction) -> Response:
    """An extrinsic as it was signed, where it stands, and what it caused."""
    return Response(history.read_placed(conn, extrinsic_hash), media_type=JSON)


@history_router.get("/accounts/{address}/extrinsics")
def get_signed(
    address: Address, conn: Transaction, before: Before = None, limit: Lines = 25
) -> list[SignedLine]:
    """What the account signed and a block holds; long arguments are left out."""
    return history.read_signed(conn, address, read_place(before), limit)


@history_router.get("/accounts/{address}/events", response_model=list[EventLine])
def get_account_events(
    address: Address, conn: Transaction, before: Before = None, limit: Lines = 25
) -> Response:
    """What came to the account, and what its stake and its neurons met with."""
    lines = history.read_account_events(conn, address, read_place(before), limit)
    return Response(f"[{lines}]", media_type=JSON)


@history_router.get("/accounts/{address}/stakes")
def get_stakes(address: Address, conn: Transaction) -> list[StakeLine]:
    """What the coldkey has behind neurons, its own or others'."""
    return history.read_stakes(conn, address)


@history_router.get("/weights")
def get_weights(
    conn: Transaction, limit: Annotated[int, Query(ge=1, le=history.WEIGHT_ROWS_MAX)] = 64
) -> list[WeightRow]:
    """The weights of those that set any, those with the most stake first."""
    return history.read_weights(conn, limit)


@history_router.get("/payouts", response_model=list[Payout])
def get_payouts(
    conn: Transaction,
    newest: Newest = HEIGHT_MAX,
    limit: Annotated[int, Query(ge=1, le=history.PAYOUTS_MAX)] = 10,
) -> Response:
    """The steps that paid, from a height down: what each gave to whom."""
    return Response(history_repository.load_payouts(conn, newest, limit), media_type=JSON)
