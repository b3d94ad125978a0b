"""Transfers signed beforehand, and the processes that post them."""

import time
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import httpx
import numpy as np
import orjson
from tqdm import tqdm

from chain_service.domain.encoding import encode_canonically, hash_bytes
from chain_service.schemas import Head
from taonet.kit.keys import Keypair

BATCH = 500
CONNECTIONS = 2
FORK = get_context("fork")


@dataclass(frozen=True)
class Sent:
    """What one connection did."""

    acknowledged: list[tuple[float, str]]
    """When a batch was acknowledged, and the hash of its last extrinsic."""
    worked_seconds: float
    ran_out: bool
    """Nothing was left to send before the time was over: then the rate is not the chain's."""


def sign_transfers(
    head: Head, keypairs: list[Keypair], receivers: list[str], count: int
) -> list[list[bytes]]:
    """Return for each connection its batches; an account's nonces all go over one connection."""
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, len(receivers), count).tolist()
    bodies: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for place in tqdm(range(count), desc="signing", unit=" transfers", unit_scale=True):
        nonce, index = divmod(place, len(keypairs))
        payload: dict[str, Any] = {
            "genesis_hash": head.genesis_hash,
            "signer": keypairs[index].ss58_address,
            "nonce": nonce,
            "last_valid_block": head.height + 5_000,
            "tip_rao": "0",
            "call": "transfer",
            "arguments": {"receiver": receivers[chosen[place]], "amount_rao": "1000"},
        }
        signature = bytes(keypairs[index].sign(hash_bytes(encode_canonically(payload)))).hex()
        bodies[index % CONNECTIONS].append(orjson.dumps({**payload, "signature": signature}))
    return [
        [b"[" + b",".join(part[at : at + BATCH]) + b"]" for at in range(0, len(part), BATCH)]
        for part in bodies
    ]


class Load:
    """One process per connection, each posting its batches one after another."""

    def __init__(self, port: int, bodies: list[list[bytes]], seconds: float) -> None:
        self._results: Any = FORK.Queue()
        self._processes = [
            FORK.Process(target=_send, args=(port, part, seconds, self._results)) for part in bodies
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()

    def finish(self) -> list[Sent]:
        sent = [self._results.get(timeout=120) for _ in self._processes]
        for process in self._processes:
            process.join()
        return sent


def _send(port: int, bodies: list[bytes], seconds: float, results: Any) -> None:
    """A full mempool is waited for; anything else but success is a failure of the bench."""
    deadline, acknowledged = time.time() + seconds, []
    started = time.process_time()
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers=headers) as client:
        for body in bodies:
            while time.time() < deadline:
                response = client.post("/extrinsics/batch", content=body)
                told = orjson.loads(response.content)
                if response.status_code == httpx.codes.ACCEPTED and "hash" in told[-1]:
                    acknowledged.append((time.time(), told[-1]["hash"]))
                    break
                assert "MempoolFull" in response.text, response.text[:500]
                time.sleep(0.1)
    ran_out = time.time() < deadline
    results.put(Sent(acknowledged, time.process_time() - started, ran_out))
