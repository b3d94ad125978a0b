"""
Grafana's dashboards, drawn here for a box without Grafana.

The browser names a panel; what is asked of Prometheus, or of Postgres, is what the committed JSON
says and nothing else.
"""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from taonet.explorer import prometheus, tables
from taonet.explorer.boards import Board, Panel, fill_variables, load_boards
from taonet.explorer.pages import TheNetwork, render_page
from taonet.explorer.prometheus import Line
from taonet.explorer.settings import ExplorerSettings
from taonet.kit.errors import NotFound, Unavailable

RangeName = Literal["15m", "1h", "6h", "24h"]

RANGES: dict[RangeName, int] = {"15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400}
DEFAULT_RANGE: RangeName = "15m"

BoardUid = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,80}$")]
Number = Annotated[int, Path(ge=0, le=1_000)]

router = APIRouter()


@router.get("/dashboards", response_class=HTMLResponse, include_in_schema=False)
def list_boards(request: Request) -> Response:
    return render_page(request, "dashboards.html", boards=_boards(request), settings=_of(request))


@router.get("/dashboards/{uid}", response_class=HTMLResponse, include_in_schema=False)
def show_board(request: Request, uid: BoardUid, since: RangeName = DEFAULT_RANGE) -> Response:
    return render_page(
        request,
        "dashboard.html",
        board=_find_board(request, uid),
        boards=_boards(request),
        since=since,
        ranges=RANGES,
        settings=_of(request),
    )


@router.get("/data/dashboards/{uid}/{number}", tags=["data"])
async def read_panel(
    request: Request,
    network: TheNetwork,
    uid: BoardUid,
    number: Number,
    since: RangeName = DEFAULT_RANGE,
) -> dict[str, Any]:
    """What a panel shows: lines over time, or a table; or the `problem` that keeps it empty."""
    board = _find_board(request, uid)
    if number >= len(board.panels):
        raise NotFound(f"{board.title} has {len(board.panels)} panels")
    try:
        return await _ask(request, network, board, board.panels[number], RANGES[since])
    except Unavailable as refusal:
        # A box may do without either store: that is no mistake of the page.
        return {"problem": refusal.message}


async def _ask(
    request: Request, network: TheNetwork, board: Board, panel: Panel, seconds: int
) -> dict[str, Any]:
    if any(target.is_sql for target in panel.targets):
        url = _of(request).explorer_dashboards_database_url
        return await tables.ask_tables(url, panel, board.variables, seconds)
    return await _ask_prometheus(network, _of(request).prometheus_url, board, panel, seconds)


async def _ask_prometheus(
    network: TheNetwork, url: str, board: Board, panel: Panel, seconds: int
) -> dict[str, Any]:
    step = prometheus.choose_step(seconds)
    end = int(time.time()) // step * step
    times = range(end - seconds // step * step, end + 1, step)
    lines: list[Line] = []
    for target in panel.targets:
        expression = fill_variables(target.text, board.variables, step, seconds)
        lines += await prometheus.ask_range(network.http, url, expression, target.legend, times)
    found = prometheus.gather(times, lines)
    return {
        "times_s": found.times_s,
        "lines": [{"label": line.label, "values": line.values} for line in found.lines],
        "left_out": found.left_out,
    }


def _boards(request: Request) -> list[Board]:
    return load_boards(_of(request).dashboards())


def _find_board(request: Request, uid: str) -> Board:
    board = next((board for board in _boards(request) if board.uid == uid), None)
    if board is None:
        raise NotFound("there is no such dashboard; Dashboards lists them")
    return board


def _of(request: Request) -> ExplorerSettings:
    settings: ExplorerSettings = request.app.state.settings
    return settings
