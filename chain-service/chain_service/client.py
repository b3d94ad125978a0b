"""
How others reach the chain: `ChainClient`; in asynchronous programs `async_client.AsyncChainClient`.

Both speak HTTP through httpx, keep connections open, and raise `ChainRefusal` for an answer of
"no" and `ChainUnavailable` when nobody answers.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from chain_service.client_answers import (
    NONCE_ATTEMPTS,
    POLL_SECONDS,
    RETRY_SECONDS_FIRST,
    RETRY_SECONDS_MAX,
    STREAM_TIMEOUT,
    TIMEOUT_SECONDS,
    ChainRefusal,
    ChainUnavailable,
    check_answer,
    check_deadline,
    check_included,
    check_stream,
    read_submitted,
    tell_unavailable,
)
from chain_service.domain.work import search_seal
from chain_service.schemas import (
    Account,
    Block,
    Extrinsic,
    Head,
    Metagraph,
    Neuron,
    Parameters,
    Proof,
    Receipt,
    Supply,
)
from chain_service.signing import VALID_BLOCKS, cut_bodies, sign_extrinsic, sign_many
from taonet.kit.keys import Keypair

__all__ = ["ChainClient", "ChainRefusal", "ChainUnavailable"]

WORK_SLICE = 250_000
"""Hashes between two looks at the head: some tenths of a second, so work is never stale."""
REGISTER_AGAIN = {
    "InvalidWorkBlock",
    "WorkRepeated",
    "InvalidDifficulty",
    "ToManyRegistrationsThisBlock",
    "AlreadyRegistered",
}
"""Refusals of a registration that new work mends, or that say it is done."""


class ChainClient:
    """The chain at an address, for programs that wait for answers."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def head(self) -> Head:
        return Head.model_validate(self._get("/head"))

    def parameters(self) -> Parameters:
        return Parameters.model_validate(self._get("/parameters"))

    def metagraph(self) -> Metagraph:
        return Metagraph.model_validate(self._get("/metagraph"))

    def neuron(self, uid: int) -> Neuron:
        return Neuron.model_validate(self._get(f"/neurons/{uid}"))

    def account(self, address: str) -> Account:
        return Account.model_validate(self._get(f"/accounts/{address}"))

    def account_proof(self, address: str) -> Proof:
        return Proof.model_validate(self._get(f"/accounts/{address}/proof"))

    def neuron_proof(self, uid: int) -> Proof:
        return Proof.model_validate(self._get(f"/neurons/{uid}/proof"))

    def supply(self, at: int | None = None) -> Supply:
        return Supply.model_validate(self._get("/supply", {} if at is None else {"at": at}))

    def block(self, height: int) -> Block:
        return Block.model_validate(self._get(f"/blocks/{height}"))

    def receipt(self, extrinsic_hash: str) -> Receipt:
        return Receipt.model_validate(self._get(f"/extrinsics/{extrinsic_hash}"))

    def blocks(self, from_height: int) -> Iterator[Block]:
        """Yield every block from a height on, for ever, in order, through every reconnect."""
        following, pause = from_height, RETRY_SECONDS_FIRST
        while True:
            try:
                for block in self._stream(following):
                    following, pause = block.height + 1, RETRY_SECONDS_FIRST
                    yield block
            except (httpx.TransportError, ChainUnavailable):
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            time.sleep(pause)

    def submit(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> str:
        """Sign and send; return the extrinsic's hash once the chain holds it durably."""
        for _ in range(NONCE_ATTEMPTS - 1):
            try:
                return self._submit_once(keypair, call, arguments)
            except ChainRefusal as refusal:
                if refusal.code != "WrongNonce":
                    raise
        return self._submit_once(keypair, call, arguments)

    def submit_many(
        self, keypair: Keypair, calls: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[str | ChainRefusal]:
        """Sign calls in order and send them together; return each one's hash, or its refusal."""
        head, account = self.head(), self.account(keypair.ss58_address)
        return self.send_many(sign_many(keypair, head, account.nonce, calls))

    def send_many(self, extrinsics: Sequence[Extrinsic]) -> list[str | ChainRefusal]:
        """Send what was signed before; return each one's hash, or its refusal."""
        return [
            read_submitted(answer)
            for body in cut_bodies(extrinsics)
            for answer in self._request("POST", "/extrinsics/batch", json=body)
        ]

    def send(self, extrinsic: Extrinsic) -> str:
        """Send what was signed before, the same bytes each time; return its hash."""
        answer = self._request("POST", "/extrinsics", json=extrinsic.model_dump(mode="json"))
        extrinsic_hash: str = answer["hash"]
        return extrinsic_hash

    def wait(self, extrinsic_hash: str, timeout_seconds: float = 60) -> Receipt:
        """Wait until the extrinsic is no longer pending."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            receipt = self.receipt(extrinsic_hash)
            if receipt.status != "pending":
                return receipt
            check_deadline(extrinsic_hash, deadline)
            time.sleep(POLL_SECONDS)

    def execute(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> Receipt:
        """Submit and wait; raise ChainRefusal unless it was included and did its work."""
        return check_included(self.wait(self.submit(keypair, call, arguments)))

    def register_by_work(
        self,
        hotkey_keypair: Keypair,
        coldkey_ss58: str,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """
        Register a hotkey by proof of work, and return its uid; one that has a uid keeps it.

        `progress` is told how many hashes were tried so far.
        """
        tried = 0
        while (known := self.metagraph().find(hotkey_keypair.ss58_address)) is None:
            work = None
            while work is None:
                work = self._search_slice(hotkey_keypair)
                tried += WORK_SLICE
                if progress is not None:
                    progress(tried)
            self._try_register(hotkey_keypair, {**work, "coldkey": coldkey_ss58})
        return known.uid

    def _search_slice(self, keypair: Keypair) -> dict[str, Any] | None:
        """Search one slice on the newest block."""
        head, difficulty = self.head(), self.parameters().difficulty
        first_nonce = random.randrange(2**52)  # noqa: S311 (any place to start is as good)
        hotkey = keypair.public_key
        assert hotkey is not None
        found = search_seal(
            bytes.fromhex(head.block_hash), hotkey, difficulty, first_nonce, WORK_SLICE
        )
        if found is None:
            return None
        return {"block_number": head.height, "nonce": found[0], "seal": found[1].hex()}

    def _try_register(self, keypair: Keypair, arguments: Mapping[str, Any]) -> None:
        """Send the work; what another newcomer or a new block made void is searched anew."""
        try:
            self.execute(keypair, "register", arguments)
        except ChainRefusal as refusal:
            if refusal.code not in REGISTER_AGAIN:
                raise

    def _submit_once(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> str:
        head, account = self.head(), self.account(keypair.ss58_address)
        extrinsic = sign_extrinsic(
            keypair, head.genesis_hash, account.nonce, head.height + VALID_BLOCKS, call, arguments
        )
        return self.send(extrinsic)

    def _stream(self, from_height: int) -> Iterator[Block]:
        with self._http.stream(
            "GET", "/blocks/stream", params={"from": from_height}, timeout=STREAM_TIMEOUT
        ) as response:
            if response.is_error:
                response.read()
            check_stream(response)
            for line in response.iter_lines():
                if line.startswith("data:"):
                    yield Block.model_validate_json(line[5:])

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._request("GET", path, params=params or {})

    def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise tell_unavailable(self._http.base_url, error) from None
        return check_answer(response)
