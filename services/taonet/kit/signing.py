"""
Signed requests and signed answers between neurons.

A request's signature covers the method, the path, the body's hash, the receiver, a nonce and
the time: it can't be moved to another body, another Server or another moment, nor used twice.
An answer's signature covers its body and the request's signature: it answers that request and
no other.
"""

import hashlib
import secrets
import time
from collections.abc import Mapping

import redis

from taonet.kit.errors import Forbidden, Unauthenticated
from taonet.kit.keys import Keypair, check_address, check_signature

HOTKEY = "taonet-hotkey"
RECEIVER = "taonet-receiver"
NONCE = "taonet-nonce"
TIMESTAMP = "taonet-timestamp"
SIGNATURE = "taonet-signature"
WINDOW_SECONDS = 8
"""How old a request may be, and how far ahead its clock."""
NONCE_LENGTH_MAX = 64


def sign_request(
    keypair: Keypair, method: str, path: str, body: bytes, receiver_hotkey: str
) -> dict[str, str]:
    """Return the headers that prove who asks, what, whom and when."""
    nonce = secrets.token_hex(16)
    timestamp = str(time.time_ns() // 1_000_000)
    message = _request_message(method, path, body, receiver_hotkey, nonce, timestamp)
    return {
        HOTKEY: keypair.ss58_address,
        RECEIVER: receiver_hotkey,
        NONCE: nonce,
        TIMESTAMP: timestamp,
        SIGNATURE: bytes(keypair.sign(message)).hex(),
    }


def verify_request(
    headers: Mapping[str, str], method: str, path: str, body: bytes, own_hotkey: str
) -> str:
    """
    Return the hotkey that signed this request, or refuse it.

    Replays are the next question, which `claim_nonce` answers: only a true signature may fill
    its memory.
    """
    missing = [
        name for name in (HOTKEY, RECEIVER, NONCE, TIMESTAMP, SIGNATURE) if not headers.get(name)
    ]
    if missing:
        raise Unauthenticated(f"the request is not signed: header {missing[0]} is missing")
    if headers[RECEIVER] != own_hotkey:
        raise Forbidden(f"the request is for {headers[RECEIVER][:60]}, this is {own_hotkey}")
    nonce, timestamp = headers[NONCE], headers[TIMESTAMP]
    if len(nonce) > NONCE_LENGTH_MAX or not nonce.isalnum():
        raise Unauthenticated(f"a nonce is up to {NONCE_LENGTH_MAX} letters and digits")
    check_fresh(timestamp)
    check_request(headers, method, path, body)
    # A key has an address for each network's prefix, and the signature is true for all of them:
    # under another one the same request would be answered twice, and be another account's.
    return check_address(headers[HOTKEY])


def check_request(headers: Mapping[str, str], method: str, path: str, body: bytes) -> None:
    """Refuse headers whose signature is not true for this request, however long ago it was made."""
    message = _request_message(
        method, path, body, headers[RECEIVER], headers[NONCE], headers[TIMESTAMP]
    )
    check_signature(headers[HOTKEY], message, headers[SIGNATURE])


def check_fresh(timestamp: str) -> None:
    """Refuse a time in milliseconds that is further than the window from now."""
    # Also `²` is a digit, and no number.
    readable = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 17
    if not readable or abs(time.time() - int(timestamp) / 1000) > WINDOW_SECONDS:
        raise Unauthenticated(
            f"the request's time is not within {WINDOW_SECONDS} s of ours; check the clock"
        )


def claim_nonce(client: redis.Redis, hotkey: str, nonce: str) -> None:
    """Refuse a nonce that was seen before; shared by all replicas through Redis."""
    key = f"nonce:{hotkey}:{nonce}"
    if not client.set(key, "1", nx=True, ex=2 * WINDOW_SECONDS + 1):
        raise Unauthenticated("this request was answered before; sign each request anew")


def sign_answer(keypair: Keypair, body: bytes, request_signature: str) -> str:
    """Return the signature that ties an answer's body to the request it answers."""
    return bytes(keypair.sign(_answer_message(body, request_signature))).hex()


def verify_answer(
    signature: str | None, body: bytes, request_signature: str, expected_hotkey: str
) -> None:
    """Refuse an answer that is not the expected hotkey's answer to this request."""
    if not signature:
        raise Unauthenticated("the answer is not signed")
    check_signature(expected_hotkey, _answer_message(body, request_signature), signature)


def _request_message(
    method: str, path: str, body: bytes, receiver: str, nonce: str, timestamp: str
) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(
        ["taonet:v1:request", method.upper(), path, digest, receiver, nonce, timestamp]
    ).encode()


def _answer_message(body: bytes, request_signature: str) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join(["taonet:v1:answer", digest, request_signature]).encode()
