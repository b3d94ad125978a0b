"""What a Validator thinks of the Servers, for everybody to see: it is what they are paid by."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from taonet.kit.db import Transaction
from validator_service.rounds import watch_repository

UID_MAX = 2**31 - 1

router = APIRouter(prefix="/v1", tags=["judgement"])


class StandingView(BaseModel):
    """How this Validator judges one Server; averages are None before their first value."""

    uid: int
    hotkey: str
    rounds: int
    loss_nats: float | None
    """Long-run mean loss: how surprised it is by hidden text."""
    score: float | None
    """Moving average of what its rounds are worth; weights are in proportion."""
    seconds: float | None
    """Long-run mean time from the question to a valid answer."""
    by_heart: float | None
    """How much surer it is of the text's own questions than of altered ones, 0 … 1."""
    worth: float
    """What its newest round was worth."""
    synergy: float
    """Part of that: what its answers gave beside others'."""
    cluster_uid: int | None
    """The first Server that answered alike in that round; None where it did not answer."""


class StandingsView(BaseModel):
    name: str
    """The Validator's."""
    servers: list[StandingView]


@router.get("/standings")
def show_standings(
    request: Request,
    conn: Transaction,
    uid: Annotated[int | None, Query(ge=0, le=UID_MAX)] = None,
) -> StandingsView:
    """What is known of every Server, or of one: losses, speed, score, synergy, who is alike."""
    rows = watch_repository.load_judgements(conn, uid)
    return StandingsView(
        name=request.app.state.access.name,
        servers=[StandingView.model_validate(row, from_attributes=True) for row in rows],
    )
