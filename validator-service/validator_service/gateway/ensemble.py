"""Several Servers decoded as one: each token is drawn from the mean of what they believe.

Every member is asked for its next-token distribution after the text so far; a member that fails
is left out of the rest of the text, as long as another goes on.
"""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import numpy.typing as npt

from server_service.choosing import Chooser, Reader
from server_service.client import (
    FailureCode,
    FinishReason,
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    RequestKind,
    ServerFailure,
)
from server_service.domain.sampling import Sampling
from server_service.domain.steering import Steering
from server_service.grammars import END_TOKEN
from server_service.schemas import TopToken, Usage
from validator_service.domain.answers import (
    MalformedAnswer,
    check_answer,
    first_token_distribution,
)
from validator_service.domain.ensembles import Floats, mix, weigh_voice
from validator_service.gateway.answering import Answer
from validator_service.gateway.context import Gateway
from validator_service.gateway.directory import KnownServer
from validator_service.gateway.writing import Text, Writing

MEMBERS_MAX = 3
"""Servers that are asked together."""
MEMBER_SECONDS = 5.0
"""How long a member may take for one token."""
MEMBER_SECONDS_MIN = 0.01
"""With less left than this no token more is begun."""
TOP_K = 512
TINY = 1e-30
"""Stands for a probability of nothing, which has no logarithm."""
FIRST_ROW = np.zeros(1, dtype=np.int64)
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
        draft = Draft(request, self.gateway)
        while draft.finish_reason is None:
            if self.seconds_left() < MEMBER_SECONDS_MIN:
                draft.finish_reason = FinishReason.TIMEOUT
                break
            piece = draft.go_on(await self._believe(tokens))
            tokens.append(piece.token)
            yield piece
        yield draft.end()

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
        self.note_failure(server)
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
        vocabulary_size = self.gateway.tokenizer.get_vocab_size()
        try:
            answer = check_answer(
                phrases.ids,
                phrases.probabilities,
                phrases.floor,
                prompts=1,
                top_k=TOP_K,
                vocabulary_size=vocabulary_size,
            )
        except MalformedAnswer as error:
            raise ServerFailure(FailureCode.MALFORMED, str(error)) from None
        belief: Floats = first_token_distribution(answer, FIRST_ROW, vocabulary_size)[0]
        return belief


class Draft:
    """A text on its way, drawn from beliefs as a Server draws its own from logits."""

    def __init__(self, request: GenerateRequest, gateway: Gateway) -> None:
        self._decode = gateway.tokenizer.decode
        schema = request.json_schema
        self._chooser = Chooser(
            Sampling(request.temperature, request.top_p, request.top_k),
            request.seed,
            request.logprobs,
            Steering(request.frequency_penalty, request.presence_penalty, request.logit_bias),
            None if schema is None else gateway.grammars.compile(schema),
        )
        ends = frozenset({END_TOKEN})
        prompt = request.prompt_tokens or []
        self._reader = Reader(self._decode, prompt, request.stop, ends, request.max_new_tokens)
        self._produced = 0
        self.finish_reason: FinishReason | None = None

    def go_on(self, belief: Floats) -> GeneratePiece:
        """Draw the next token from a distribution, [V]."""
        choice = self._chooser.choose(np.log(np.maximum(belief, TINY)).astype(np.float32))
        text = self._reader.read(choice.token)
        self._produced += 1
        self.finish_reason = self._reader.finish_reason
        top = [
            TopToken(token=token, text=self._decode([token]), logprob=logprob)
            for token, logprob in choice.top
        ]
        return GeneratePiece(token=choice.token, text=text, logprob=choice.logprob, top=top)

    def end(self) -> GenerateEnd:
        assert self.finish_reason is not None
        usage = Usage(prompt_tokens=0, completion_tokens=self._produced)
        return GenerateEnd(finish_reason=self.finish_reason, usage=usage)
