"""A chain of one process and no consensus: enough of its HTTP for a Server to live on."""

import threading
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

BLOCK_HASH = "ab" * 32
GENESIS_HASH = "cd" * 32


@dataclass
class FakeChain:
    """Every extrinsic is a block of its own, and succeeds."""

    preset: str = "box"
    height: int = 10
    neurons: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tokenizer_sha256: str = ""
    failing: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, hotkey: str, stake_rao: int = 0) -> None:
        share = dict.fromkeys(("rank", "trust", "consensus", "incentive", "dividends"), 0.0)
        neuron = {
            "uid": len(self.neurons),
            "name": "",
            "hotkey": hotkey,
            "coldkey": hotkey,
            "stake_rao": str(stake_rao),
            "emission_rao": "0",
            "active": True,
            "last_update_block": 0,
            "registered_block": self.height,
            "axon": None,
            **share,
        }
        self.neurons.append(neuron)

    def find(self, hotkey: str) -> dict[str, Any] | None:
        return next((neuron for neuron in self.neurons if neuron["hotkey"] == hotkey), None)

    def execute(self, signer: str, call: str, arguments: dict[str, Any]) -> int:
        with self.lock:
            self.height += 1
            self.calls.append((call, arguments))
            if call == "register":
                self.add(signer)
            neuron = self.find(signer)
            if call == "serve_axon" and neuron is not None:
                neuron["axon"] = {"ip": arguments["ip"], "port": arguments["port"]}
                neuron["name"] = arguments["name"]
            return self.height


def create_chain_app(chain: FakeChain) -> FastAPI:
    app = FastAPI()
    included: dict[str, int] = {}

    @app.get("/head")
    def head() -> dict[str, Any]:
        return {
            "height": chain.height,
            "block_hash": BLOCK_HASH,
            "time_ms": 0,
            "genesis_hash": GENESIS_HASH,
            "block_seconds": 2.0,
        }

    @app.get("/parameters")
    def parameters() -> dict[str, Any]:
        numbers = (
            "block_milliseconds",
            "blocks_per_step",
            "activity_cutoff_blocks",
            "min_allowed_weights",
            "max_weight_limit_u32",
            "weights_rate_limit_blocks",
            "weights_version_key",
        )
        amounts = ("existential_deposit_rao", "transfer_fee_rao", "fee_rao_per_byte", "burn_rao")
        return {
            "preset": chain.preset,
            "difficulty": 1000,
            "tokenizer_sha256": chain.tokenizer_sha256,
            **dict.fromkeys(numbers, 1),
            **dict.fromkeys(amounts, "1"),
        }

    @app.get("/metagraph")
    def metagraph() -> dict[str, Any]:
        if chain.failing:
            raise RuntimeError("the chain is down")
        return {"height": chain.height, "neurons": chain.neurons}

    @app.get("/accounts/{address}")
    def account(address: str) -> dict[str, Any]:
        return {"address": address, "free_rao": "0", "stake_rao": "0", "nonce": 0}

    @app.post("/extrinsics", status_code=202)
    def submit(extrinsic: dict[str, Any]) -> dict[str, str]:
        name = f"{len(included):064x}"
        included[name] = chain.execute(
            extrinsic["signer"], extrinsic["call"], extrinsic["arguments"]
        )
        return {"hash": name}

    @app.get("/extrinsics/{name}")
    def receipt(name: str) -> dict[str, Any]:
        return {"hash": name, "status": "included", "height": included[name]}

    return app
