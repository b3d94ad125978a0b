"""Who asks: API keys, and signatures over the bytes as they were received.

A secret is not stored anywhere. It is derived, HMAC-SHA256(master secret, API key), when it is
shown at the key's creation and whenever a signature is checked.
"""

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request

from exchange_service.domain.refusals import Reason
from exchange_service.errors import (
    BAD_KEY_FORMAT,
    INVALID_SIGNATURE,
    REJECTED_KEY,
    BinanceRefusal,
    Unauthorised,
)
from exchange_service.parameters import Parameters, illegal
from exchange_service.web import now_ms

KEY_HEADER: Final = "x-mbx-apikey"
KEY_FORMAT: Final = re.compile(r"[A-Za-z0-9]{64}")
WINDOW_MS_DEFAULT: Final = 5_000
WINDOW_MS_MAX: Final = 60_000
AHEAD_MS_MAX: Final = 1_000
"""How far a client's clock may be ahead of ours."""
MICROSECONDS_FROM: Final = 10**15
"""A timestamp of this size or more counts microseconds."""
WINDOW: Final = re.compile(r"([0-9]{1,6})(?:\.[0-9]{1,3})?")
WINDOW_TOO_LONG: Final = Reason(-1131, "recvWindow must be less than 60000.")
TOO_LATE: Final = Reason(-1021, "Timestamp for this request is outside of the recvWindow.")
TOO_EARLY: Final = Reason(
    -1021, "Timestamp for this request was 1000ms ahead of the server's time."
)


class Keyring:
    """The API keys that are valid, in memory, and the secret behind their secrets."""

    def __init__(self, master_secret: bytes, accounts: dict[str, int]) -> None:
        self._master = hashlib.sha256(b"taonet exchange api secrets" + master_secret).digest()
        self._accounts = accounts

    def add(self, api_key: str, account_id: int) -> None:
        self._accounts[api_key] = account_id

    def find(self, api_key: str) -> int | None:
        return self._accounts.get(api_key)

    def derive_secret(self, api_key: str) -> str:
        """Return the secret of a key: 64 hex digits."""
        return hmac.new(self._master, api_key.encode(), hashlib.sha256).hexdigest()


class SignedRequest(NamedTuple):
    """A request whose signer is known."""

    account_id: int
    parameters: Parameters


def generate_api_key() -> str:
    return secrets.token_hex(32)


def sign(secret: str, payload: bytes) -> str:
    """Return HMAC-SHA256 over the payload, in hex, as all Binance clients do."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def verify(keyring: Keyring, api_key: str, query: bytes, body: bytes, now_ms: int) -> SignedRequest:
    """Return who signed this request, or refuse it."""
    if KEY_FORMAT.fullmatch(api_key) is None:
        raise Unauthorised(BAD_KEY_FORMAT)
    parameters = Parameters(query, body)
    signature = parameters.text("signature")
    check_time(parameters, now_ms)
    # Unknown keys take the same path, so that the time of the answer says nothing about a key.
    expected = sign(keyring.derive_secret(api_key), strip_signature(query) + strip_signature(body))
    genuine = hmac.compare_digest(expected.encode(), signature.lower().encode())
    account_id = keyring.find(api_key)
    if account_id is None:
        raise Unauthorised(REJECTED_KEY)
    if not genuine:
        raise BinanceRefusal(INVALID_SIGNATURE)
    return SignedRequest(account_id, parameters)


def check_time(parameters: Parameters, now_ms: int) -> None:
    """Refuse unless timestamp < now + 1 s and now − timestamp ≤ recvWindow."""
    timestamp = parameters.integer("timestamp")
    if timestamp >= MICROSECONDS_FROM:
        timestamp //= 1_000
    window = parameters.optional_text("recvWindow", str(WINDOW_MS_DEFAULT))
    match = WINDOW.fullmatch(window)
    if match is None:
        raise illegal("recvWindow", r"^[0-9]{1,6}(\.[0-9]{1,3})?$")
    window_ms = int(match[1])
    if window_ms > WINDOW_MS_MAX:
        raise BinanceRefusal(WINDOW_TOO_LONG)
    if timestamp >= now_ms + AHEAD_MS_MAX:
        raise BinanceRefusal(TOO_EARLY)
    if now_ms - timestamp > window_ms:
        raise BinanceRefusal(TOO_LATE)


def strip_signature(raw: bytes) -> bytes:
    """Return the bytes without their `signature` parameter, everything else untouched."""
    return b"&".join(part for part in raw.split(b"&") if not part.startswith(b"signature="))


async def read_signed(request: Request) -> SignedRequest:
    """Give a route the request's signer and parameters."""
    api_key = request.headers.get(KEY_HEADER, "")
    body = await request.body()
    query: bytes = request.scope["query_string"]
    return verify(request.app.state.keyring, api_key, query, body, now_ms())


async def read_unsigned(request: Request) -> Parameters:
    """Give a public route its parameters."""
    return Parameters(request.scope["query_string"], b"")


Signed = Annotated[SignedRequest, Depends(read_signed)]
Unsigned = Annotated[Parameters, Depends(read_unsigned)]
