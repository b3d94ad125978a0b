"""One signed request on its way to one Server, and its answer: bounded, timed, verified.

No answer may be larger than its request can need or take longer than the caller allows, and
whatever goes wrong becomes a `ServerFailure` with a code.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

import httpx
import orjson
from pydantic import ValidationError

from server_service.domain.errors import Malformed, MalformedAnswer
from server_service.schemas import TIMEOUT_HEADER, ServerAddress
from taonet.kit import signing
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair
from taonet.kit.tracing import asking

ERROR_BYTES_MAX = 16_384
MESSAGE_CHARACTERS_MAX = 300
"""Of a Server's own words in our logs."""


class FailureCode(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    """Not within the time that the caller gave."""
    UNAVAILABLE = "unavailable"
    """Nobody answers there, or the Server cannot serve now."""
    QUEUE_FULL = "queue_full"
    """The Server has as much waiting as it takes; another may be free."""
    RATE_LIMITED = "rate_limited"
    """This caller asks more than the Server allows one caller."""
    UNAUTHENTICATED = "unauthenticated"
    """The Server does not accept our signature."""
    REFUSED = "refused"
    """The Server will not do this; its message says why."""
    MALFORMED = "malformed"
    """What came is not an answer."""
    UNSIGNED = "unsigned"
    """What came is not signed by the Server that was asked."""


CODES_BY_NAME = {
    "QueueFull": FailureCode.QUEUE_FULL,
    "RateLimited": FailureCode.RATE_LIMITED,
    "DeadlinePassed": FailureCode.TIMEOUT,
}
CODES_BY_STATUS = {
    401: FailureCode.UNAUTHENTICATED,
    429: FailureCode.QUEUE_FULL,
    500: FailureCode.UNAVAILABLE,
    502: FailureCode.UNAVAILABLE,
    503: FailureCode.UNAVAILABLE,
    504: FailureCode.TIMEOUT,
}


class ServerFailure(Exception):
    """A Server gave no answer that can be used."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Call:
    """One request to one Server."""

    address: ServerAddress
    method: str
    path: str
    body: bytes
    content_type: str
    timeout_seconds: float
    answer_bytes_max: int


@dataclass(frozen=True)
class Answer:
    """A 200 whose body has yet to be read and believed."""

    call: Call
    request_headers: Mapping[str, str]
    """Those that prove who asks."""
    response: httpx.Response
    deadline: float
    """On the event loop's clock."""

    async def read(self) -> bytes:
        """The whole body, once its signature was found true."""
        body = b"".join([chunk async for chunk in self._bounded()])
        self.verify(self.response.headers.get(signing.SIGNATURE), body)
        return body

    async def lines(self, bytes_max: int) -> AsyncIterator[bytes]:
        """Each line with its newline, none longer; what follows the last newline is dropped."""
        rest = b""
        async for chunk in self._bounded():
            *lines, rest = (rest + chunk).split(b"\n")
            if max(map(len, (*lines, rest))) >= bytes_max:
                raise MalformedAnswer(f"a line is longer than the {bytes_max} bytes it may")
            for line in lines:
                yield line + b"\n"

    def verify(self, signature: str | None, body: bytes) -> None:
        try:
            request_signature = self.request_headers[signing.SIGNATURE]
            signing.verify_answer(signature, body, request_signature, self.call.address.hotkey)
        except Refusal as refusal:
            raise ServerFailure(FailureCode.UNSIGNED, refusal.message) from None

    async def begin(self, size: int) -> bytes:
        """At least so many bytes of the body, or all of it; what it signs is not looked at."""
        body = b""
        async for chunk in self._chunks():
            body += chunk
            if len(body) >= size:
                break
        return body

    async def _bounded(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._chunks():
            received += len(chunk)
            if received > self.call.answer_bytes_max:
                raise MalformedAnswer(f"larger than the {self.call.answer_bytes_max} bytes it may")
            yield chunk

    async def _chunks(self) -> AsyncIterator[bytes]:
        chunks = self.response.aiter_raw().__aiter__()
        while True:
            # Around each read, and not around the whole: between two reads the caller works.
            async with asyncio.timeout_at(self.deadline):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


@asynccontextmanager
async def send(http: httpx.AsyncClient, keypair: Keypair, call: Call) -> AsyncIterator[Answer]:
    """Send a call; inside, every failure of the wire or of the answer is a `ServerFailure`."""
    deadline = asyncio.get_running_loop().time() + call.timeout_seconds
    headers = signing.sign_request(keypair, call.method, call.path, call.body, call.address.hotkey)
    with asking("ask a Server", **{"url.path": call.path}) as traced:
        request = http.build_request(
            call.method,
            base_url(call.address) + call.path,
            content=call.body,
            timeout=call.timeout_seconds,
            headers={
                **headers,
                **traced,
                "content-type": call.content_type,
                "accept-encoding": "identity",
                TIMEOUT_HEADER: str(int(call.timeout_seconds * 1000)),
            },
        )
        with failures_have_codes():
            async with asyncio.timeout_at(deadline):
                response = await http.send(request, stream=True, follow_redirects=False)
            try:
                answer = Answer(call, headers, response, deadline)
                await check_status(answer)
                yield answer
            finally:
                await response.aclose()


@contextmanager
def failures_have_codes() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, httpx.TimeoutException):
        raise ServerFailure(FailureCode.TIMEOUT, "no answer in time") from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        raise ServerFailure(FailureCode.UNAVAILABLE, f"{type(error).__name__}: {error}") from None
    except (Malformed, ValidationError) as error:
        message = str(error)[:MESSAGE_CHARACTERS_MAX]
        raise ServerFailure(FailureCode.MALFORMED, message) from None


async def check_status(answer: Answer) -> None:
    response = answer.response
    if response.status_code != 200:
        body = await answer.begin(ERROR_BYTES_MAX)
        raise parse_refusal(response.status_code, body)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise MalformedAnswer("compressed, which was not asked for")


def parse_refusal(status: int, body: bytes) -> ServerFailure:
    """The failure that a Server's refusal stands for; its words are only ever quoted."""
    try:
        error = orjson.loads(body)["error"]
        name, message = str(error["code"]), str(error["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        name, message = "", f"status {status} without a reason"
    code = CODES_BY_NAME.get(name) or CODES_BY_STATUS.get(status, FailureCode.REFUSED)
    return ServerFailure(code, message[:MESSAGE_CHARACTERS_MAX])


def base_url(address: ServerAddress) -> str:
    """Only addresses are dialled, never names: what a neuron announces must not ask our DNS."""
    try:
        ip = ipaddress.ip_address(address.ip)
    except ValueError:
        raise ServerFailure(FailureCode.UNAVAILABLE, "announced no IP address") from None
    if "%" in address.ip:
        # An interface's name follows it: one of ours, and of any letters, which no URL can hold.
        raise ServerFailure(FailureCode.UNAVAILABLE, "announced an interface with its address")
    if not 0 < address.port < 65536:
        raise ServerFailure(FailureCode.UNAVAILABLE, "announced no port")
    return f"http://{f'[{ip}]' if ip.version == 6 else ip}:{address.port}"
