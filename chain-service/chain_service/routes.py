"""The chain's HTTP interface: one operation, or one read, each."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from chain_service import operations, proofs
from chain_service.intake import Intake
from chain_service.live_routes import HEIGHT_MAX, FromHeight, FromIndex, Wanted
from chain_service.schemas import (
    EXTRINSICS_PER_REQUEST_MAX,
    Account,
    Address,
    Block,
    Events,
    Head,
    Metagraph,
    Neuron,
    Parameters,
    Proof,
    Receipt,
    Submitted,
    SubmittedOrRefused,
    Supply,
)
from chain_service.snapshot import tell_snapshot
from chain_service.snapshot_places import SnapshotTransaction, TimelyResponse
from taonet.kit.db import Transaction
from taonet.kit.errors import Malformed, Refusal

UID_MAX = 2**31 - 1
JSON, LINES = "application/json", "application/x-ndjson"

Height = Annotated[int, Path(ge=0, le=HEIGHT_MAX)]
ExtrinsicHash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]

EXTRINSIC = {"$ref": "#/components/schemas/Extrinsic"}

router = APIRouter(tags=["chain"])


def describe_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what `/docs` tells of a body that is read as it came."""
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def answer_list(page: operations.Page) -> Response:
    return Response(f"[{','.join(body for _, body in page.entries)}]", media_type=JSON)


def read_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


@router.get("/head")
def get_head(conn: Transaction) -> Head:
    return operations.read_head(conn)


@router.get("/parameters")
def get_parameters(conn: Transaction) -> Parameters:
    return operations.describe_parameters(conn)


# What is large leaves as Postgres composed it: reading it into a model first would only cost time.
@router.get("/blocks", response_model=list[Block])
def get_blocks(
    conn: Transaction,
    from_height: FromHeight = 0,
    limit: Annotated[int, Query(ge=1, le=operations.BLOCKS_PER_PAGE)] = 20,
) -> Response:
    """A page of blocks; it ends early where its blocks are full."""
    return answer_list(operations.read_blocks(conn, from_height, limit))


@router.get("/snapshot", response_class=StreamingResponse)
def get_snapshot(conn: SnapshotTransaction) -> StreamingResponse:
    """The whole state after the newest block, in lines of JSON, by which a check may begin late.

    Two programs at once may read one; who takes nothing for 30 s is cut off.
    """
    return TimelyResponse(tell_snapshot(conn), media_type=LINES)


@router.get("/blocks/{height}", response_model=Block)
def get_block(height: Height, conn: Transaction) -> Response:
    return Response(operations.read_block(conn, height), media_type=JSON)


@router.get("/events", response_model=Events)
def get_events(
    conn: Transaction, wanted: Wanted, from_height: FromHeight = 0, index: FromIndex = 0
) -> Response:
    """The events of some blocks, from a block and an index in it on; and where to go on."""
    page = operations.read_events(conn, wanted, from_height, index)
    told = ",".join(body for _, body in page.entries)
    return Response(f'{{"events":[{told}],"next_from":{page.next_height}}}', media_type=JSON)


@router.post(
    "/extrinsics", status_code=202, openapi_extra={"requestBody": describe_body(EXTRINSIC)}
)
async def post_extrinsic(request: Request) -> Submitted:
    """Take one extrinsic; it is durable once this is answered."""
    operations.check_writable(request.app.state.leader)
    intake: Intake = request.app.state.intake
    [answer] = await intake.submit([read_json(await request.body())])
    if isinstance(answer, Refusal):
        raise answer
    return answer


@router.post(
    "/extrinsics/batch",
    status_code=202,
    response_model=list[SubmittedOrRefused],
    openapi_extra={"requestBody": describe_body({"type": "array", "items": EXTRINSIC})},
)
async def post_extrinsics(request: Request) -> JSONResponse:
    """Take up to 1000 extrinsics; each is answered by itself, by its hash or its refusal."""
    operations.check_writable(request.app.state.leader)
    items = read_json(await request.body())
    if not isinstance(items, list) or not 1 <= len(items) <= EXTRINSICS_PER_REQUEST_MAX:
        raise Malformed(f"send a list of 1 to {EXTRINSICS_PER_REQUEST_MAX} extrinsics")
    intake: Intake = request.app.state.intake
    told = [
        answer.as_json() if isinstance(answer, Refusal) else {"hash": answer.hash}
        for answer in await intake.submit(items)
    ]
    return JSONResponse(told, status_code=202)


@router.get("/extrinsics/{extrinsic_hash}")
def get_extrinsic(extrinsic_hash: ExtrinsicHash, conn: Transaction) -> Receipt:
    return operations.read_receipt(conn, extrinsic_hash)


@router.get("/accounts/{address}")
def get_account(address: Address, conn: Transaction) -> Account:
    return operations.read_account(conn, address)


@router.get("/accounts/{address}/proof")
def get_account_proof(address: Address, conn: Transaction) -> Proof:
    return proofs.prove_account(conn, address)


@router.get("/metagraph", response_model=Metagraph)
def get_metagraph(conn: Transaction) -> Response:
    return Response(operations.read_metagraph(conn), media_type=JSON)


@router.get("/neurons/{uid}")
def get_neuron(uid: Annotated[int, Path(ge=0, le=UID_MAX)], conn: Transaction) -> Neuron:
    return operations.read_neuron(conn, uid)


@router.get("/neurons/{uid}/proof")
def get_neuron_proof(uid: Annotated[int, Path(ge=0, le=UID_MAX)], conn: Transaction) -> Proof:
    return proofs.prove_neuron(conn, uid)


@router.get("/supply")
def get_supply(
    conn: Transaction, at: Annotated[int | None, Query(ge=0, le=HEIGHT_MAX)] = None
) -> Supply:
    return operations.read_supply(conn, at)
