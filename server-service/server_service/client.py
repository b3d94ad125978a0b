"""How others ask a Server: signed requests, and answers that are not believed until checked.

    client = ServerClient(keypair, httpx.AsyncClient())
    phrases = await client.next_phrases(address, tokens, top_k=64, timeout_seconds=2)

Every failure is a `ServerFailure` with a code.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import httpx
import numpy as np
import numpy.typing as npt

from server_service.calls import Call, FailureCode, ServerFailure, parse_refusal, send
from server_service.domain.answers import (
    HIDDEN_WIDTH_MAX,
    PHRASE_LENGTH_MAX,
    NextPhrases,
    Probabilities,
    TokenProbabilities,
    check_hidden_states,
    check_next_phrases,
    check_token_probabilities,
)
from server_service.domain.errors import MalformedAnswer
from server_service.domain.streams import is_end, split_signature
from server_service.grammars import Grammars, UnusableSchema
from server_service.schemas import (
    NETWORK_VOCABULARY_SIZE,
    TIMEOUT_HEADER,
    FinishReason,
    GenerateEnd,
    GeneratePiece,
    GenerateRequest,
    Info,
    RequestKind,
    ServerAddress,
)
from server_service.tensors import CONTENT_TYPE, HEADER_BYTES_MAX, pack_tensors, unpack_tensors
from taonet.kit import signing
from taonet.kit.errors import Unauthenticated
from taonet.kit.keys import Keypair

__all__ = [
    "TIMEOUT_HEADER",
    "FailureCode",
    "FinishReason",
    "GenerateEnd",
    "GeneratePiece",
    "GenerateRequest",
    "Grammars",
    "Info",
    "NextPhrases",
    "RequestKind",
    "ServerAddress",
    "ServerClient",
    "ServerFailure",
    "SignedAnswer",
    "TokenProbabilities",
    "UnusableSchema",
    "verify_next_phrases",
]

NUMBER_BYTES = 4
"""Of one int32 or float32."""
INFO_BYTES_MAX = 16_384
LINE_BYTES_MAX = 16_384
"""Of one token's line, with the likeliest others beside it."""

REFUSAL_LINE = b'{"error":'
"""How a stream begins its last line when the Server cannot go on."""

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SignedAnswer:
    """An answer as it came, and what proves who said it to which question."""

    request_headers: Mapping[str, str]
    body: bytes
    signature: str


class ServerClient:
    """Asks Servers in the name of one hotkey, over a pool of connections that the caller owns."""

    def __init__(
        self,
        keypair: Keypair,
        http: httpx.AsyncClient,
        *,
        vocabulary_size: int = NETWORK_VOCABULARY_SIZE,
    ) -> None:
        self.keypair = keypair
        self.http = http
        self.vocabulary_size = vocabulary_size

    async def next_phrases(
        self, address: ServerAddress, tokens: Tokens, *, top_k: int, timeout_seconds: float
    ) -> NextPhrases:
        """The likeliest continuations of each row of `tokens`, [batch, sequence] network ids."""
        call = next_phrases_call(address, tokens, top_k, timeout_seconds)
        async with send(self.http, self.keypair, call) as answer:
            return check_next_phrases(
                unpack_tensors(await answer.read()).tensors,
                batch=tokens.shape[0],
                top_k=top_k,
                vocabulary_size=self.vocabulary_size,
            )

    async def signed_next_phrases(
        self, address: ServerAddress, tokens: Tokens, *, top_k: int, timeout_seconds: float
    ) -> SignedAnswer:
        """The same, unread, with the signatures by which others can check it later."""
        call = next_phrases_call(address, tokens, top_k, timeout_seconds)
        async with send(self.http, self.keypair, call) as answer:
            body = await answer.read()
            signature = answer.response.headers[signing.SIGNATURE]
            return SignedAnswer(dict(answer.request_headers), body, signature)

    async def token_probabilities(
        self, address: ServerAddress, tokens: Tokens, *, top_k: int, timeout_seconds: float
    ) -> TokenProbabilities:
        """The likeliest next tokens after every position of `tokens`."""
        batch, sequence = tokens.shape
        numbers = 2 * batch * sequence * top_k
        call = tensor_call(address, RequestKind.EVERY, tokens, top_k, timeout_seconds, numbers)
        async with send(self.http, self.keypair, call) as answer:
            return check_token_probabilities(
                unpack_tensors(await answer.read()).tensors,
                batch=batch,
                sequence=sequence,
                top_k=top_k,
                vocabulary_size=self.vocabulary_size,
            )

    async def hidden_states(
        self, address: ServerAddress, tokens: Tokens, *, timeout_seconds: float
    ) -> Probabilities:
        """The last hidden state at every position of `tokens`, [batch, sequence, width]."""
        batch, sequence = tokens.shape
        numbers = batch * sequence * HIDDEN_WIDTH_MAX
        call = tensor_call(address, RequestKind.HIDDEN, tokens, 1, timeout_seconds, numbers)
        async with send(self.http, self.keypair, call) as answer:
            tensors = unpack_tensors(await answer.read()).tensors
            return check_hidden_states(tensors, batch=batch, sequence=sequence)

    async def generate(
        self, address: ServerAddress, request: GenerateRequest, *, timeout_seconds: float
    ) -> AsyncGenerator[GeneratePiece | GenerateEnd, None]:
        """Each token as it comes, then the end, whose signature covers all of it.

        Leave early within `contextlib.aclosing`: closing the stream tells the Server to stop.
        """
        call = generate_call(address, request, timeout_seconds)
        async with send(self.http, self.keypair, call) as answer:
            seen, end, tokens = bytearray(), None, 0
            # Read until nothing more comes: only then can the connection be used again.
            async for line in answer.lines(LINE_BYTES_MAX):
                if end is not None:
                    raise MalformedAnswer("the stream went on after its end")
                seen += line
                if is_end(line):
                    signed, signature = split_signature(bytes(seen))
                    answer.verify(signature, signed)
                    end = GenerateEnd.model_validate_json(line)
                elif line.startswith(REFUSAL_LINE):
                    raise parse_refusal(503, line)
                else:
                    tokens += 1
                    if tokens > request.max_new_tokens:
                        raise MalformedAnswer("more tokens than were asked for")
                    yield GeneratePiece.model_validate_json(line)
            if end is None:
                raise MalformedAnswer("the stream broke off before its end")
            yield end

    async def info(self, address: ServerAddress, *, timeout_seconds: float) -> Info:
        call = Call(address, "GET", "/info", b"", CONTENT_TYPE, timeout_seconds, INFO_BYTES_MAX)
        async with send(self.http, self.keypair, call) as answer:
            return Info.model_validate_json(await answer.read())


def verify_next_phrases(
    signed: SignedAnswer, server_hotkey: str, tokens: Tokens, top_k: int
) -> str:
    """Return who asked these tokens; raise a Refusal unless this Server answered so to that."""
    call = next_phrases_call(ServerAddress(server_hotkey, "", 0), tokens, top_k, 0.0)
    headers = signed.request_headers
    if headers.get(signing.RECEIVER) != server_hotkey:
        raise Unauthenticated(f"the question was not for {server_hotkey}")
    signing.check_request(headers, call.method, call.path, call.body)
    signature = headers[signing.SIGNATURE]
    signing.verify_answer(signed.signature, signed.body, signature, server_hotkey)
    return headers[signing.HOTKEY]


def next_phrases_call(
    address: ServerAddress, tokens: Tokens, top_k: int, timeout_seconds: float
) -> Call:
    numbers = tokens.shape[0] * (top_k * (PHRASE_LENGTH_MAX + 1) + 1)
    return tensor_call(address, RequestKind.NEXT, tokens, top_k, timeout_seconds, numbers)


def tensor_call(
    address: ServerAddress,
    kind: RequestKind,
    tokens: Tokens,
    top_k: int,
    timeout_seconds: float,
    answer_numbers: int,
) -> Call:
    body = pack_tensors({"tokens": tokens.astype(np.int64)}, {"top_k": str(top_k)})
    size = HEADER_BYTES_MAX + answer_numbers * NUMBER_BYTES
    return Call(address, "POST", kind.path, body, CONTENT_TYPE, timeout_seconds, size)


def generate_call(address: ServerAddress, request: GenerateRequest, timeout_seconds: float) -> Call:
    body = request.model_dump_json(exclude_none=True).encode()
    size = (request.max_new_tokens + 1) * LINE_BYTES_MAX
    path = RequestKind.GENERATE.path
    return Call(address, "POST", path, body, "application/json", timeout_seconds, size)
