"""Several Servers decoded as one: each token is drawn from the mean of what they believe.

Every member is asked for its next-token distribution after the text so far; a member that fails
is left out of the rest of the text, as long as another goes on.
"""

import asyncio
import math
from collections.abc import AsyncGenerator

import numpy as np
import numpy.typing as npt

from server_service.client import (
    END_TOKEN,
    FailureCode,
    FinishReason,
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    Generation,
    RequestKind,
    ServerFailure,
    make_job,
)
from validator_service.domain.answers import Answer as Phrases
from validator_service.domain.answers import first_token_distribution
from validator_service.domain.ensembles import Floats, mix, weigh_voice
from validator_service.gateway.answering import Answer
from validator_service.gateway.directory import KnownServer
from validator_service.gateway.writing import Text, Writing

MEMBERS_MAX = 3
"""Servers that are asked together."""
MEMBER_SECONDS = 5.0
"""How long a member may take for one token."""
TOP_K = 512
PATIENT_CODES = {FailureCode.RATE_LIMITED, FailureCode.QUEUE_FULL}
"""What a moment's wait may cure."""
PAUSES_SECONDS = (0.05, 0.2, 0.5)


class EnsembleAnswer(Answer):
    """An answer whose members share the work and the pay."""

    kind = RequestKind.NEXT

    async def _race(self, servers: list[KnownServer]) -> tuple[KnownServer, Writing]:
        self.members = servers[:MEMBERS_MAX]
        # A failing member is dropped on the way, so there is no other Server to turn to.
        return await super()._race(self.members[:1])

    def answering(self) -> list[KnownServer]:
        return self.members

    def write(self, server: KnownServer, request: GenerateRequest) -> Text:
        return self._write(request)

    async def _write(
        self, request: GenerateRequest
    ) -> AsyncGenerator[GeneratePiece | GenerateEnd, None]:
        tokens = list(request.prompt_tokens or [])
        generation = self._begin(request, tokens)
        while generation.finish_reason is None:
            if self.seconds_left() <= MEMBER_SECONDS / 1000:
                generation.finish_reason = FinishReason.TIMEOUT
                break
            belief = await self._believe(tokens)
            piece = generation.advance(np.log(np.maximum(belief, 1e-30)).astype(np.float32))
            tokens.append(piece.token)
            yield GeneratePiece.model_validate(piece, from_attributes=True)
        yield end_of(generation)

    def _begin(self, request: GenerateRequest, prompt: list[int]) -> Generation:
        job = make_job(
            request,
            list(prompt),
            self.gateway.grammars,
            stake_rao=0,
            deadline_seconds=math.inf,
            emit=lambda happened: None,
        )
        return Generation(job, self.gateway.tokenizer.decode, frozenset({END_TOKEN}))

    async def _believe(self, tokens: list[int]) -> Floats:
        """Return the mean of what the members believe comes next, [V]."""
        asked = self.members
        row = np.array([tokens], dtype=np.int64)
        answers = await asyncio.gather(
            *(self._ask_patiently(server, row) for server in asked), return_exceptions=True
        )
        beliefs, weights = [], []
        for server, answer in zip(asked, answers, strict=True):
            if isinstance(answer, ServerFailure):
                self._drop(server, answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                beliefs.append(answer)
                weights.append(weigh_voice(server.incentive))
        return mix(beliefs, weights)

    def _drop(self, server: KnownServer, failure: ServerFailure) -> None:
        """Go on without a member; the last one's failure is the answer's."""
        self.gateway.directory.seen.note_failure(server.hotkey)
        others = [member for member in self.members if member is not server]
        if not others:
            raise failure
        self.members = others

    async def _ask_patiently(self, server: KnownServer, row: npt.NDArray[np.int64]) -> Floats:
        for pause in PAUSES_SECONDS:
            try:
                return await self._ask(server, row)
            except ServerFailure as failure:
                if failure.code not in PATIENT_CODES:
                    raise
                await asyncio.sleep(pause)
        return await self._ask(server, row)

    async def _ask(self, server: KnownServer, row: npt.NDArray[np.int64]) -> Floats:
        phrases = await self.gateway.client.next_phrases(
            server.address,
            row,
            top_k=min(TOP_K, server.info.limits.top_k),
            timeout_seconds=min(MEMBER_SECONDS, self.seconds_left()),
        )
        answer = Phrases(
            phrases.ids.astype(np.int64),
            phrases.probabilities.astype(np.float64),
            phrases.floor.astype(np.float64),
        )
        vocabulary_size = self.gateway.tokenizer.get_vocab_size()
        belief: Floats = first_token_distribution(answer, vocabulary_size)[0]
        return belief


def end_of(generation: Generation) -> GenerateEnd:
    assert generation.finish_reason is not None
    usage = {"prompt_tokens": 0, "completion_tokens": generation.produced}
    end = {"finish_reason": generation.finish_reason, "usage": usage, "signature": ""}
    return GenerateEnd.model_validate(end)
