"""JSON-RPC over HTTP as Bitcoin Core speaks it: at `/`, and at `/wallet/NAME`, the one wallet."""

import base64
import hmac
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from bitcoin_node.domain.errors import MethodNotFound, RpcError
from bitcoin_node.rpc import Node, call
from taonet.kit.db import begin

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
BATCH_MAX: Final = 100

router = APIRouter(include_in_schema=False)


@router.post("/")
@router.post("/wallet/{name}")
async def answer(request: Request, name: str = "") -> Response:
    """Answer a call, or a batch of calls."""
    if not is_allowed(request.headers.get("authorization", ""), request.app.state.login):
        return Response(status_code=401, headers={"www-authenticate": 'Basic realm="jsonrpc"'})
    try:
        asked = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return _reply(_failure(None, PARSE_ERROR, "Parse error"), 500)
    state = request.app.state
    if isinstance(asked, list):
        batch = [await run_in_threadpool(_run, state, one) for one in asked[:BATCH_MAX]]
        return _reply([body for body, _ in batch], 200)
    return _reply(*await run_in_threadpool(_run, state, asked))


def is_allowed(header: str, login: str) -> bool:
    """Check HTTP's basic authentication."""
    expected = b"Basic " + base64.b64encode(login.encode())
    return hmac.compare_digest(header.encode(), expected)


def _run(state: Any, asked: Any) -> tuple[dict[str, Any], int]:
    """Return the body and the status of one call, each call a transaction of its own."""
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        return _failure(None, INVALID_REQUEST, "Invalid Request object"), 400
    number, params = asked.get("id"), asked.get("params") or []
    if not isinstance(params, list | dict):
        return _failure(number, INVALID_REQUEST, "Params must be an array or object"), 400
    pool: ConnectionPool = state.pool
    try:
        with begin(pool) as conn:
            result = call(Node(conn, state.wallet, state.fee_rate_min), asked["method"], params)
    except MethodNotFound as error:
        return _failure(number, error.code, error.message), 404
    except RpcError as error:
        return _failure(number, error.code, error.message), 500
    return {"result": result, "error": None, "id": number}, 200


def _failure(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"result": None, "error": {"code": code, "message": message}, "id": number}


def _reply(body: Any, status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
