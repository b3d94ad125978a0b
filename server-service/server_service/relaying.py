"""Answering by asking another Server, and signing what it says: `relay=UID`, for tests."""

from collections.abc import Callable
from contextlib import aclosing

import httpx
import numpy as np

from server_service.client import GenerateEnd, GenerateRequest, ServerClient, ServerFailure
from server_service.domain.requests import Tokens
from server_service.forwarding import Arrays
from server_service.generation import Finish, Piece, Top
from server_service.membership import ChainWatch
from server_service.schemas import RequestKind, ServerAddress
from taonet.kit.errors import Refusal, Unavailable
from taonet.kit.keys import Keypair


class Relay:
    def __init__(self, keypair: Keypair, watch: ChainWatch, uid: int, vocabulary_size: int) -> None:
        self._watch = watch
        self._uid = uid
        self._http = httpx.AsyncClient()
        self._client = ServerClient(keypair, self._http, vocabulary_size=vocabulary_size)

    async def close(self) -> None:
        await self._http.aclose()

    async def compute(
        self, kind: RequestKind, tokens: Tokens, top_k: int, timeout_seconds: float
    ) -> Arrays:
        address, client = self._find(), self._client
        try:
            if kind is RequestKind.HIDDEN:
                hidden = await client.hidden_states(
                    address, tokens, timeout_seconds=timeout_seconds
                )
                return {"hidden": np.asarray(hidden)}
            ask = client.next_phrases if kind is RequestKind.NEXT else client.token_probabilities
            return vars(await ask(address, tokens, top_k=top_k, timeout_seconds=timeout_seconds))
        except ServerFailure as failure:
            raise Unavailable(f"the Server behind this one: {failure.message}") from None

    async def write(
        self,
        request: GenerateRequest,
        timeout_seconds: float,
        post: Callable[[Piece | Finish | Refusal], None],
    ) -> None:
        """Each token as it comes from there; whatever goes wrong ends the text."""
        try:
            lines = self._client.generate(self._find(), request, timeout_seconds=timeout_seconds)
            async with aclosing(lines):
                async for line in lines:
                    if isinstance(line, GenerateEnd):
                        used = line.usage
                        post(Finish(line.finish_reason, used.prompt_tokens, used.completion_tokens))
                    else:
                        top = tuple(Top(**it.model_dump()) for it in line.top)
                        post(Piece(line.token, line.text, line.logprob, top))
        except ServerFailure as failure:
            post(Unavailable(f"the Server behind this one: {failure.message}"))
        except Refusal as refusal:
            post(refusal)

    def _find(self) -> ServerAddress:
        neurons = self._watch.metagraph.neurons if self._watch.metagraph else []
        for neuron in neurons:
            if neuron.uid == self._uid and neuron.axon is not None:
                return ServerAddress(neuron.hotkey, neuron.axon.ip, neuron.axon.port)
        raise Unavailable(f"no Server is announced at uid {self._uid}")
