"""`ChainClient` for asynchronous programs: the same calls, awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
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


class AsyncChainClient:
    """The chain at an address, for asynchronous programs; the methods of `ChainClient`."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def head(self) -> Head:
        return Head.model_validate(await self._get("/head"))

    async def parameters(self) -> Parameters:
        return Parameters.model_validate(await self._get("/parameters"))

    async def metagraph(self) -> Metagraph:
        return Metagraph.model_validate(await self._get("/metagraph"))

    async def neuron(self, uid: int) -> Neuron:
        return Neuron.model_validate(await self._get(f"/neurons/{uid}"))

    async def account(self, address: str) -> Account:
        return Account.model_validate(await self._get(f"/accounts/{address}"))

    async def account_proof(self, address: str) -> Proof:
        return Proof.model_validate(await self._get(f"/accounts/{address}/proof"))

    async def neuron_proof(self, uid: int) -> Proof:
        return Proof.model_validate(await self._get(f"/neurons/{uid}/proof"))

    async def supply(self, at: int | None = None) -> Supply:
        return Supply.model_validate(await self._get("/supply", {} if at is None else {"at": at}))

    async def block(self, height: int) -> Block:
        return Block.model_validate(await self._get(f"/blocks/{height}"))

    async def receipt(self, extrinsic_hash: str) -> Receipt:
        return Receipt.model_validate(await self._get(f"/extrinsics/{extrinsic_hash}"))

    async def blocks(self, from_height: int) -> AsyncIterator[Block]:
        """Yield every block from a height on, for ever, in order, through every reconnect."""
        following, pause = from_height, RETRY_SECONDS_FIRST
        while True:
            try:
                async for block in self._stream(following):
                    following, pause = block.height + 1, RETRY_SECONDS_FIRST
                    yield block
            except (httpx.TransportError, ChainUnavailable):
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            await asyncio.sleep(pause)

    async def submit(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> str:
        """Sign and send; return the extrinsic's hash once the chain holds it durably."""
        for _ in range(NONCE_ATTEMPTS - 1):
            try:
                return await self._submit_once(keypair, call, arguments)
            except ChainRefusal as refusal:
                if refusal.code != "WrongNonce":
                    raise
        return await self._submit_once(keypair, call, arguments)

    async def submit_many(
        self, keypair: Keypair, calls: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[str | ChainRefusal]:
        """Sign calls in order and send them together; return each one's hash, or its refusal."""
        head, account = await self.head(), await self.account(keypair.ss58_address)
        return await self.send_many(sign_many(keypair, head, account.nonce, calls))

    async def send_many(self, extrinsics: Sequence[Extrinsic]) -> list[str | ChainRefusal]:
        """Send what was signed before; return each one's hash, or its refusal."""
        return [
            read_submitted(answer)
            for body in cut_bodies(extrinsics)
            for answer in await self._request("POST", "/extrinsics/batch", json=body)
        ]

    async def wait(self, extrinsic_hash: str, timeout_seconds: float = 60) -> Receipt:
        """Wait until the extrinsic is no longer pending."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            receipt = await self.receipt(extrinsic_hash)
            if receipt.status != "pending":
                return receipt
            check_deadline(extrinsic_hash, deadline)
            await asyncio.sleep(POLL_SECONDS)

    async def execute(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> Receipt:
        """Submit and wait; raise ChainRefusal unless it was included and did its work."""
        return check_included(await self.wait(await self.submit(keypair, call, arguments)))

    async def _submit_once(self, keypair: Keypair, call: str, arguments: Mapping[str, Any]) -> str:
        head, account = await self.head(), await self.account(keypair.ss58_address)
        extrinsic = sign_extrinsic(
            keypair, head.genesis_hash, account.nonce, head.height + VALID_BLOCKS, call, arguments
        )
        answer = await self._request("POST", "/extrinsics", json=extrinsic.model_dump(mode="json"))
        extrinsic_hash: str = answer["hash"]
        return extrinsic_hash

    async def _stream(self, from_height: int) -> AsyncIterator[Block]:
        async with self._http.stream(
            "GET", "/blocks/stream", params={"from": from_height}, timeout=STREAM_TIMEOUT
        ) as response:
            if response.is_error:
                await response.aread()
            check_stream(response)
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield Block.model_validate_json(line[5:])

    async def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return await self._request("GET", path, params=params or {})

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise tell_unavailable(self._http.base_url, error) from None
        return check_answer(response)
