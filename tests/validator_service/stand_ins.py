"""Stand-ins at the edges: a chain and Servers of a few lines that speak the real wire over HTTP."""

import asyncio
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from bittensor_wallet import Keypair
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from tests.conftest import wait_until
from tokenizers import Tokenizer

from server_service.domain.streams import append_signature, bytes_to_sign
from server_service.schemas import (
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    Info,
    Limits,
    RequestKind,
    TopToken,
    Usage,
)
from server_service.tensors import pack_tensors, unpack_tensors
from taonet.kit import signing

STEP_BLOCKS = 5
BLOCK_SECONDS = 0.2
VOCABULARY = 320
CONTEXT_LENGTH = 256
LIMITS = Limits(
    **{"body_bytes": 10**6, "batch_size": 64, "sequence_length": CONTEXT_LENGTH},
    **{"top_k": 512, "new_tokens": 512, "answer_numbers": 10**6},
)
SENTENCES = [
    "def add(first, second): return first + second\n",
    "for name in names: print(name)\n",
    "if value is None: raise ValueError(name)\n",
    "class Server: pass\n",
    "while not done: done = step(value)\n",
]


class HttpThread:
    """An application served on a port of 127.0.0.1 by a thread of this process."""

    def __init__(self, app: FastAPI) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app, log_level="warning", lifespan="off", timeout_graceful_shutdown=6
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started)

    def _run(self) -> None:
        self.server.run(sockets=[self.socket])

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)
        self.socket.close()


@dataclass
class StubChain:
    """Blocks come by the clock; every extrinsic is accepted and does what a test needs."""

    url: str = ""
    started: float = field(default_factory=time.monotonic)
    neurons: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, dict[int, int]] = field(default_factory=dict)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    pending: list[dict[str, Any]] = field(default_factory=list)
    registrations: int = 0
    calls: list[str] = field(default_factory=list)
    """Names of the extrinsics so far."""
    committed_at: int = 0
    early_reveals: int = 0
    """Weights shown before a step had passed since they were promised."""
    down: bool = False
    """Whether it answers nothing but 503."""
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_neuron(self, hotkey: str, **fields: Any) -> int:
        neuron = {
            **{"uid": len(self.neurons), "name": "", "hotkey": hotkey, "coldkey": hotkey},
            **{"stake_rao": "0", "rank": 0.0, "trust": 0.0, "consensus": 0.0, "incentive": 0.0},
            **{"dividends": 0.0, "emission_rao": "0", "active": True, "last_update_block": 0},
            **{"registered_block": 0, "axon": None},
            **fields,
        }
        self.neurons.append(neuron)
        uid: int = neuron["uid"]
        return uid

    def transfer(self, receiver: str, amount_rao: int) -> None:
        """Have a transfer happen in the next block."""
        with self.lock:
            event = {"kind": "Transferred", "sender": "x", "receiver": receiver}
            self.pending.append({**event, "amount_rao": str(amount_rao)})

    def height(self) -> int:
        """Make the blocks that are due, and return the newest's height."""
        with self.lock:
            due = int((time.monotonic() - self.started) / BLOCK_SECONDS) + 1
            while len(self.blocks) < due:
                height = len(self.blocks) + 1
                events = [
                    {**event, "height": height, "index": index}
                    for index, event in enumerate(self.pending)
                ]
                self.pending = []
                block_hash = hashlib.sha256(str(height).encode()).hexdigest()
                header = {"height": height, "block_hash": block_hash, "parent_hash": "0" * 64}
                header |= {
                    "time_ms": height,
                    "extrinsics_root": "0" * 64,
                    "state_root": "0" * 64,
                    "author": "",
                    "signature": "",
                }
                self.blocks.append({"header": header, "extrinsics": [], "events": events})
            return len(self.blocks)

    def last_step(self) -> int:
        return self.height() // STEP_BLOCKS * STEP_BLOCKS

    def apply(self, extrinsic: dict[str, Any]) -> None:
        arguments, signer = extrinsic["arguments"], extrinsic["signer"]
        if extrinsic["call"] == "register":
            self.registrations += 1
            self.add_neuron(signer)
        self.calls.append(extrinsic["call"])
        if extrinsic["call"] == "commit_weights":
            self.committed_at = self.height()
        if extrinsic["call"] == "reveal_weights" and self.last_step() <= self.committed_at:
            self.early_reveals += 1
        if extrinsic["call"] in ("set_weights", "reveal_weights"):
            self.weights[signer] = dict(zip(arguments["uids"], arguments["values"], strict=True))
        if extrinsic["call"] == "serve_axon":
            neuron = next(n for n in self.neurons if n["hotkey"] == signer)
            neuron["axon"] = {"ip": arguments["ip"], "port": arguments["port"]}
            neuron["name"] = arguments["name"]


def chain_app(chain: StubChain) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def be_down(request: Request, call_next: Any) -> Any:
        if not chain.down:
            return await call_next(request)
        chain.refused += 1
        error = {"error": {"code": "Unavailable", "message": "the chain is down"}}
        return JSONResponse(error, status_code=503)

    @app.get("/head")
    def head() -> dict[str, Any]:
        height = chain.height()
        block_hash = chain.blocks[height - 1]["header"]["block_hash"]
        facts = {"height": height, "block_hash": block_hash, "time_ms": 0}
        return {**facts, "genesis_hash": "0" * 64, "block_seconds": BLOCK_SECONDS}

    @app.get("/parameters")
    def parameters() -> dict[str, Any]:
        return {
            **{"preset": "stub", "block_milliseconds": 200, "blocks_per_step": STEP_BLOCKS},
            **{"activity_cutoff_blocks": 5000, "min_allowed_weights": 1},
            **{"max_weight_limit_u32": 2**32 - 1, "weights_rate_limit_blocks": 0},
            **{"weights_version_key": 0, "existential_deposit_rao": "500"},
            **{"transfer_fee_rao": "0", "fee_rao_per_byte": "0", "difficulty": 1, "burn_rao": "0"},
            "last_step_block": chain.last_step(),
        }

    @app.get("/metagraph")
    def metagraph() -> dict[str, Any]:
        return {"height": chain.height(), "neurons": chain.neurons}

    @app.get("/accounts/{address}")
    def account(address: str) -> dict[str, Any]:
        return {"address": address, "free_rao": "0", "stake_rao": "0", "nonce": 0}

    @app.post("/extrinsics", status_code=202)
    def submit(extrinsic: dict[str, Any]) -> Response:
        chain.apply(extrinsic)
        return JSONResponse({"hash": "ab" * 32}, status_code=202)

    @app.get("/extrinsics/{name}")
    def receipt(name: str) -> dict[str, Any]:
        return {"hash": name, "status": "included", "height": chain.height()}

    @app.get("/blocks/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            following = int(request.query_params["from"])
            while True:
                while following <= chain.height():
                    yield f"data: {json.dumps(chain.blocks[following - 1])}\n\n"
                    following += 1
                await asyncio.sleep(BLOCK_SECONDS / 2)

        return StreamingResponse(lines(), media_type="text/event-stream")

    return app


@dataclass
class StubServer:
    """A Server that believes in a table of followers, as far as its skill goes."""

    table: np.ndarray
    skill: float
    """Between 0, a uniform guess, and 1, the table itself."""
    behaviour: str = "honest"
    """Or garbage, silent, slow, unsigned, breaking (a stream that stops in its middle)."""
    keypair: Keypair = field(
        default_factory=lambda: Keypair.create_from_uri("0x" + secrets.token_hex(32))
    )
    uid: int = -1
    """Given by the chain."""
    asked: int = 0
    generating: int = 0
    cancelled: int = 0
    text: list[int] = field(default_factory=list)
    """Token ids it generates."""
    piece_seconds: float = 0.0
    pause_seconds: float = 0.0
    """Before each answer to a Validator."""
    wishes: list[GenerateRequest] = field(default_factory=list)
    """What texts it was asked for."""
    contexts: list[list[int]] = field(default_factory=list)
    """About what it was asked in rounds and ensembles."""
    http: HttpThread | None = None

    @property
    def hotkey(self) -> str:
        address: str = self.keypair.ss58_address
        return address

    @property
    def axon(self) -> dict[str, Any]:
        assert self.http is not None
        return {"ip": "127.0.0.1", "port": self.http.port}

    def answer(self, tokens: np.ndarray, top_k: int) -> dict[str, np.ndarray]:
        belief = self.skill * self.table[tokens[:, -1]] + (1 - self.skill) / VOCABULARY
        top_k = min(top_k, VOCABULARY)
        best = np.argsort(-belief, axis=1)[:, :top_k]
        listed = np.take_along_axis(belief, best, axis=1)
        rest = np.maximum(1 - listed.sum(axis=1), 0) / max(VOCABULARY - top_k, 1)
        return {
            "ids": best[:, :, None].astype(np.int32),
            "probabilities": listed.astype(np.float32),
            "floor": (rest if top_k < VOCABULARY else 0 * rest).astype(np.float32),
        }


class StubWire:
    """The routes of a stub Server."""

    def __init__(self, stub: StubServer, tokenizer: Tokenizer) -> None:
        self.stub = stub
        self.tokenizer = tokenizer
        self.app = FastAPI()
        self.app.get("/info")(self.info)
        self.app.post("/v1/text-causal-lm-next")(self.next_phrases)
        self.app.post("/v1/text-last-hidden-state")(self.hidden_states)
        self.app.post("/v1/generate")(self.generate)

    async def info(self, request: Request) -> Response:
        info = Info(
            name="stub",
            hotkey=self.stub.hotkey,
            model="table",
            tokenizer_sha256="0" * 64,
            parameters=VOCABULARY**2,
            vocabulary_size=VOCABULARY,
            context_length=CONTEXT_LENGTH,
            limits=LIMITS,
            requests=[RequestKind.NEXT, RequestKind.GENERATE, RequestKind.HIDDEN],
        )
        return self.signed(request, info.model_dump_json().encode(), "application/json")

    async def next_phrases(self, request: Request) -> Response:
        stub, received = self.stub, await request.body()
        stub.asked += 1
        path = "/v1/text-causal-lm-next"
        signing.verify_request(request.headers, "POST", path, received, stub.hotkey)
        await asyncio.sleep(stub.pause_seconds)
        if stub.behaviour == "slow":  # Longer than any deadline of the tests.
            await asyncio.sleep(5)
        if stub.behaviour == "garbage":
            return self.signed(request, secrets.token_bytes(500))
        body = unpack_tensors(received)
        stub.contexts += np.asarray(body.tensors["tokens"]).tolist()
        answer = stub.answer(np.asarray(body.tensors["tokens"]), int(body.options["top_k"]))
        return self.signed(request, pack_tensors(answer))

    async def hidden_states(self, request: Request) -> Response:
        """Each token's id, and where it stands."""
        self.stub.asked += 1
        if self.stub.behaviour == "garbage":
            return self.signed(request, secrets.token_bytes(500))
        tokens = np.asarray(unpack_tensors(await request.body()).tensors["tokens"])
        places = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape)
        hidden = np.stack([tokens, places], axis=-1).astype(np.float32)
        return self.signed(request, pack_tensors({"hidden": hidden}))

    async def generate(self, request: Request) -> Response:
        wanted = GenerateRequest.model_validate_json(await request.body())
        self.stub.wishes.append(wanted)
        if self.stub.behaviour == "garbage":
            return JSONResponse({"error": {"code": "QueueFull", "message": "no"}}, status_code=429)
        return StreamingResponse(self.lines(request, wanted), media_type="application/x-ndjson")

    async def lines(self, request: Request, wanted: GenerateRequest) -> AsyncIterator[bytes]:
        stub = self.stub
        stub.generating += 1
        seen = b""
        try:
            tokens = stub.text[: wanted.max_new_tokens]
            for number, token in enumerate(tokens):
                await asyncio.sleep(stub.piece_seconds)
                if stub.behaviour == "breaking" and number == 3:
                    return
                text = self.tokenizer.decode([token])
                top = [
                    TopToken(token=other, text="a lie", logprob=-1.0 - other)
                    for other in range(wanted.logprobs)
                ]
                piece = GeneratePiece(token=token, text=text, logprob=-1.0, top=top)
                line = piece.model_dump_json().encode() + b"\n"
                seen += line
                yield line
            yield self.end(
                request, seen, "stop" if len(tokens) < wanted.max_new_tokens else "length"
            )
        except asyncio.CancelledError:
            stub.cancelled += 1
            raise

    def end(self, request: Request, seen: bytes, reason: str) -> bytes:
        """The last line; what it says was used is a lie, to see that nobody believes it."""
        usage = Usage(prompt_tokens=10**6, completion_tokens=10**6)
        end = GenerateEnd.model_validate({"finish_reason": reason, "usage": usage})
        unsigned = end.model_dump_json(exclude={"signature"}).encode()
        signature = signing.sign_answer(
            self.stub.keypair, bytes_to_sign(seen, unsigned), request.headers[signing.SIGNATURE]
        )
        return append_signature(unsigned, signature)

    def signed(
        self, request: Request, body: bytes, media_type: str = "application/octet-stream"
    ) -> Response:
        signature = signing.sign_answer(self.stub.keypair, body, request.headers[signing.SIGNATURE])
        if self.stub.behaviour == "unsigned":
            signature = "00" * 64
        return Response(body, headers={signing.SIGNATURE: signature}, media_type=media_type)
