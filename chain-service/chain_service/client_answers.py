"""What both clients make of the chain's answers: models, or refusals."""

import json
import time
from typing import Any

import httpx

from chain_service.schemas import Receipt
from taonet.kit.errors import RemoteRefusal

TIMEOUT_SECONDS = 10.0
STREAM_TIMEOUT = httpx.Timeout(TIMEOUT_SECONDS, read=60.0)
"""Of a stream of blocks; silence for longer is a dead connection."""
POLL_SECONDS = 0.25
RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX = 0.25, 5.0
NONCE_ATTEMPTS = 5
"""How often `submit` takes a new nonce where another program used the same account meanwhile."""


class ChainRefusal(RemoteRefusal):
    """The chain said no; `code` is the refusal's name, such as NotEnoughBalanceToStake."""


class ChainUnavailable(ChainRefusal):
    """The chain does not answer; trying again later may help."""

    def __init__(self, message: str) -> None:
        super().__init__("ChainUnavailable", message, 503)


def read_submitted(answer: dict[str, Any]) -> str | ChainRefusal:
    if (error := answer.get("error")) is None:
        extrinsic_hash: str = answer["hash"]
        return extrinsic_hash
    return ChainRefusal(error.pop("code"), error.pop("message"), **error)


def check_answer(response: httpx.Response) -> Any:
    """Return what the chain answered, or raise its refusal."""
    if not response.is_error:
        return response.json() if "json" in response.headers.get("content-type", "") else None
    try:
        error = dict(response.json()["error"])
        code, message = str(error.pop("code")), str(error.pop("message"))
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        raise ChainUnavailable(
            f"the chain answered {response.status_code} without a reason"
        ) from None
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise ChainUnavailable(message)
    raise ChainRefusal(code, message, response.status_code, **error)


def check_stream(response: httpx.Response) -> None:
    """As `check_answer`; a stream that has too many readers is one to come again to."""
    try:
        check_answer(response)
    except ChainRefusal as refusal:
        if refusal.status != httpx.codes.TOO_MANY_REQUESTS:
            raise
        raise ChainUnavailable(refusal.message) from None


def tell_unavailable(url: httpx.URL, error: httpx.TransportError) -> ChainUnavailable:
    reason = str(error) or type(error).__name__
    return ChainUnavailable(f"the chain at {url} does not answer ({reason}); is it running?")


def check_deadline(extrinsic_hash: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise ChainUnavailable(f"extrinsic {extrinsic_hash} is still pending; ask for it later")


def check_included(receipt: Receipt) -> Receipt:
    if receipt.status == "included":
        return receipt
    code, _, sentence = (receipt.error or receipt.status).partition(": ")
    raise ChainRefusal(code, sentence or f"the extrinsic is {receipt.status}", hash=receipt.hash)
