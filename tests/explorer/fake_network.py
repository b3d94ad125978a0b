"""A small network that answers as the real services do: chain, exchange and gateway in one."""

import asyncio
import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.responses import JSONResponse, StreamingResponse

from chain_service import schemas
from chain_service.domain.parameters import choose_parameters
from chain_service.events import ChainEvent, Paid, StakeAdded, WeightsSet
from taonet.kit.money import RAO_PER_TAO

BLOCKS_PER_STEP = 10
GATEWAY_KEY = "tao-key-1"
SERVERS = [("server-1", 0.44), ("server-2", 0.31), ("server-3", 0.17), ("server-4", 0.08)]
VALIDATORS = [("validator-1", 0.52), ("validator-2", 0.48)]


class FakeNetwork:
    """Its attributes are its state: a test changes them, and the answers follow."""

    def __init__(self, height: int = 95, block_seconds: float = 2.0) -> None:
        self.height = height
        self.block_seconds = block_seconds
        self.genesis_ms = int((time.time() - height * block_seconds) * 1000)
        self.neuron_names = [name for name, _ in SERVERS + VALIDATORS]
        self.chain_ready = True
        self.exchange_answers = True
        self.extra_events: dict[int, list[ChainEvent]] = {}

    def head(self) -> schemas.Head:
        return schemas.Head(
            height=self.height,
            block_hash=hash_of(self.height),
            time_ms=self.time_ms(self.height),
            genesis_hash=hash_of(0),
            block_seconds=self.block_seconds,
            preset="box",
        )

    def time_ms(self, height: int) -> int:
        return self.genesis_ms + int(height * self.block_seconds * 1000)

    def block(self, height: int) -> schemas.Block:
        header = schemas.Header(
            height=height,
            block_hash=hash_of(height),
            parent_hash=hash_of(height - 1),
            time_ms=self.time_ms(height),
            extrinsics_root=hash_of(height + 10**6),
            state_root=hash_of(height + 10**7),
            author=ALICE,
            signature="00" * 64,
        )
        events = self.extra_events.get(height, []) + self._usual_events(height)
        return schemas.Block(header=header, extrinsics=self.extrinsics(height), events=events)

    def supply(self, height: int) -> schemas.Supply:
        pot = (height % BLOCKS_PER_STEP) * RAO_PER_TAO
        staked = (height * RAO_PER_TAO - pot) * 4 // 5
        return schemas.Supply(
            height=height,
            issuance_rao=height * RAO_PER_TAO,
            stake_rao=staked,
            free_rao=height * RAO_PER_TAO - pot - staked,
            pot_rao=pot,
        )

    def metagraph(self) -> schemas.Metagraph:
        rows = [(share, share / 2, True) for _, share in SERVERS]
        rows += [(0.0, share / 2, False) for _, share in VALIDATORS]
        neurons = [
            self._neuron(uid, name, *row)
            for uid, (name, row) in enumerate(zip(self.neuron_names, rows, strict=True))
        ]
        return schemas.Metagraph(height=self.height, neurons=neurons)

    def _neuron(
        self, uid: int, name: str, incentive: float, dividends: float, serves: bool
    ) -> schemas.Neuron:
        emission = int(dividends * BLOCKS_PER_STEP * RAO_PER_TAO)
        return schemas.Neuron(
            uid=uid,
            name=name,
            hotkey=address_of(uid),
            coldkey=address_of(uid + 50),
            stake_rao=emission * self.height // BLOCKS_PER_STEP,
            rank=incentive,
            trust=1.0 if serves else 0.0,
            consensus=0.99 if serves else 0.0,
            incentive=incentive,
            dividends=dividends,
            emission_rao=emission,
            active=True,
            last_update_block=max(self.height - 4, 0),
            registered_block=uid + 1,
            axon=schemas.Axon(ip="127.0.0.1", port=8091 + uid) if serves else None,
        )

    def _usual_events(self, height: int) -> list[ChainEvent]:
        if not height:
            return []
        if height % BLOCKS_PER_STEP:
            return [WeightsSet(height=height, index=0, uid=4)] if height % 5 == 0 else []
        return [
            Paid(height=height, index=n.uid, uid=n.uid, amount_rao=n.emission_rao)
            for n in self.metagraph().neurons
        ]

    def extrinsics(self, height: int) -> list[schemas.IncludedExtrinsic]:
        if height % 5:
            return []
        extrinsic = schemas.Extrinsic(
            genesis_hash=hash_of(0),
            signer=ALICE,
            nonce=height,
            last_valid_block=height + 150,
            call="set_weights",
            arguments={"uids": list(range(12)), "values": [4_000_000_000] * 12, "version_key": 0},
            signature="ab" * 64,
        )
        included = schemas.IncludedExtrinsic(
            hash=hash_of(height + 99), status="included", extrinsic=extrinsic
        )
        other = {"hash": hash_of(height + 999), "status": "failed", "error": "NotRegistered: join"}
        failed = included.model_copy(update=other)
        return [included, failed]


ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def address_of(number: int) -> str:
    """Return what looks like an address; only signers are checked."""
    return f"5{number:02d}{ALICE[3:]}"


def hash_of(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}" * 8


def staked(height: int) -> StakeAdded:
    return StakeAdded(height=height, index=0, uid=0, coldkey=ALICE, amount_rao=1)


def create_fake(network: FakeNetwork) -> FastAPI:
    """Return its services as one application; `fake_history` adds the chain's past."""
    app = FastAPI()
    _add_chain(app, network)
    _add_exchange(app, network)
    _add_gateway(app)
    return app


def _add_chain(app: FastAPI, network: FakeNetwork) -> None:
    app.get("/head")(network.head)
    app.get("/metagraph")(network.metagraph)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive", "version": "0.1.0"}

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        if not network.chain_ready:
            raise HTTPException(503)
        return {"status": "ready"}

    @app.get("/parameters")
    def parameters() -> dict[str, Any]:
        genesis = choose_parameters("box", {"blocks_per_step": BLOCKS_PER_STEP})
        live = {"difficulty": "1", "burn_rao": "1", "last_step_block": 90}
        return {**replace(genesis, author=ALICE).as_json(), **live}

    @app.get("/supply")
    def supply(at: int | None = None) -> schemas.Supply:
        return network.supply(network.height if at is None else at)

    @app.get("/blocks/stream")
    def stream(since: Annotated[int, Query(alias="from")] = 1) -> StreamingResponse:
        return StreamingResponse(_stream(network, since), media_type="text/event-stream")

    @app.get("/blocks/{height}")
    def block(height: int) -> Any:
        if not 0 <= height <= network.height:
            error = {"code": "NotFound", "message": f"block {height} is not there yet"}
            return JSONResponse({"error": error}, 404)
        return network.block(height)


async def _stream(network: FakeNetwork, following: int) -> AsyncIterator[str]:
    while True:
        while following <= network.height:
            yield f"data: {network.block(following).model_dump_json()}\n\n"
            following += 1
        await asyncio.sleep(0.05)


def _add_exchange(app: FastAPI, network: FakeNetwork) -> None:
    def check() -> None:
        if not network.exchange_answers:
            raise HTTPException(503)

    @app.get("/api/v3/ticker/24hr", dependencies=[Depends(check)])
    def ticker() -> dict[str, str]:
        return {
            "lastPrice": "0.004213",
            "priceChangePercent": "1.25",
            "volume": "1234.50",
            "bidPrice": "0.004210",
            "askPrice": "0.004216",
        }

    @app.get("/exchange/v1/audit", dependencies=[Depends(check)])
    def audit() -> dict[str, Any]:
        return {"sound": True, "faults": []}

    @app.get("/api/v3/klines")
    def klines(limit: int) -> list[list[Any]]:
        check()
        start = int(time.time() // 60 - limit) * 60_000
        closes = [0.0042 + 2e-5 * math.sin(i / 7) + 4e-6 * math.sin(i * 1.7) for i in range(limit)]
        prices = [f"{close:.6f}" for close in closes]
        return [[start + i * 60_000, *4 * [price], "7.5"] for i, price in enumerate(prices)]

    @app.get("/api/v3/depth")
    def depth() -> dict[str, Any]:
        levels = [(i, f"{3 + (i * 7) % 5}.50") for i in range(20)]
        return {
            "bids": [[f"{0.00421 - i * 1e-6:.6f}", quantity] for i, quantity in levels],
            "asks": [[f"{0.004216 + i * 1e-6:.6f}", quantity] for i, quantity in levels],
        }

    @app.get("/api/v3/trades")
    def trades(limit: int) -> list[dict[str, Any]]:
        now = int(time.time() * 1000)
        return [
            {
                "price": f"{0.00421 + i % 4 * 1e-6:.6f}",
                "qty": f"{1 + i % 3}.25",
                "time": now - (limit - i) * 4000,
                "isBuyerMaker": i % 2 == 0,
            }
            for i in range(limit)
        ]


def _add_gateway(app: FastAPI) -> None:
    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"data": [{"id": "taonet", "object": "model"}]}

    @app.get("/v1/account")
    def account(authorization: Annotated[str, Header()]) -> Any:
        if authorization != f"Bearer {GATEWAY_KEY}":
            return JSONResponse({"error": {"message": "no such key"}}, 401)
        return {"balance_rao": "5"}

    @app.get("/v1/audit")
    def audit() -> dict[str, Any]:
        return {"balanced": True, "problems": []}

    @app.get("/v1/standings")
    def standings(uid: int) -> dict[str, Any]:
        standing = {"uid": uid, "rounds": 41, "loss_nats": 2.345, "score": 1.5e6, "seconds": 0.04}
        judged = {"by_heart": -0.0001, "worth": 2e6, "synergy": 4e5, "cluster_uid": uid}
        return {"name": "validator-1", "servers": [{**standing, **judged}] if uid < 4 else []}

    @app.post("/v1/completions")
    def complete(body: dict[str, Any], authorization: Annotated[str, Header()]) -> Any:
        if authorization != f"Bearer {GATEWAY_KEY}":
            return JSONResponse(
                {"error": {"code": "Unauthenticated", "message": "no such key"}}, 401
            )
        words = ["the ", "items ", "in ", "order."]
        return _tell([{"text": word} for word in words])

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any]) -> Any:
        words = ["after ", str(len(body["messages"])), " messages"]
        return _tell([{"delta": {"content": word}} for word in words])


def _tell(choices: list[dict[str, Any]]) -> StreamingResponse:
    pieces = [json.dumps({"choices": [choice]}) for choice in choices]
    lines = [f"data: {piece}\n\n" for piece in [*pieces, "[DONE]"]]
    return StreamingResponse(iter(lines), media_type="text/event-stream")


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application on a port of its own, in a thread, and yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, log_config=None)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
