"""
What users do while everything fails: each notes what was acknowledged to them, and only that.

A refusal or a silence is no acknowledgement. Where the door offers a name for a request (an order's
own id, a withdrawal's, an idempotency key), the user asks again under it, as a careful client does.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from chain_service.client import ChainClient
from exchange_service.client import ExchangeClient
from exchange_service.keys.schemas import KeyView
from taonet.kit.errors import Refusal
from taonet.kit.keys import Keypair

PAUSE_SECONDS = 0.4
"""Between two requests of one user, so that the faults and not the load are what is tried."""
REFUSED_SECONDS = 0.5
ASK_SECONDS = 20.0
TRANSFERS = 3
"""In one batch."""
TRANSFER_RAO = 1_000
DEPOSIT_RAO = 2_000_000
WITHDRAWAL = "0.003"
WITHDRAWAL_RAO = 3_000_000
WITHDRAWAL_FEE_RAO = 1_000_000
FAILURES = (Refusal, httpx.HTTPError)


@dataclass(frozen=True)
class Doors:
    """Where users come in."""

    chain: str
    gateway: str
    exchange: str


class User(ABC):
    """Does one thing again and again until told to stop."""

    name: str

    def __init__(self) -> None:
        self.acknowledged: list[Any] = []
        self.failures = 0
        self.longest_silence_seconds = 0.0
        """The longest time without an acknowledgement."""
        self.broken: BaseException | None = None
        """What ended this user, where that was no failure of the network."""
        self._last = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)

    def start(self) -> None:
        self._last = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        if self.broken is not None:
            raise self.broken

    @abstractmethod
    def act(self) -> None:
        """Ask for one thing, and note what was acknowledged."""

    def note(self, *acknowledged: Any) -> None:
        now = time.monotonic()
        self.longest_silence_seconds = max(self.longest_silence_seconds, now - self._last)
        self._last = now
        self.acknowledged.extend(acknowledged)

    def _live(self) -> None:
        try:
            while not self._stop.wait(PAUSE_SECONDS):
                try:
                    self.act()
                except FAILURES:
                    self.failures += 1
                    self._stop.wait(REFUSED_SECONDS)
        except BaseException as error:
            self.broken = error


class Payer(User):
    """Sends transfers on chain; notes the hashes that the chain took."""

    name = "transfers"

    def __init__(self, doors: Doors, purse: Keypair, receiver: str) -> None:
        super().__init__()
        self._chain, self._purse = ChainClient(doors.chain), purse
        self._call = ("transfer", {"receiver": receiver, "amount_rao": TRANSFER_RAO})

    def act(self) -> None:
        answers = self._chain.submit_many(self._purse, [self._call] * TRANSFERS)
        self.note(*(answer for answer in answers if isinstance(answer, str)))


class Asker(User):
    """Buys answers; every third as a stream. Notes request and price of those that came whole."""

    name = "questions"

    def __init__(self, doors: Doors, api_key: str) -> None:
        super().__init__()
        self._http = httpx.Client(base_url=doors.gateway, timeout=ASK_SECONDS)
        self._api_key = api_key
        self._number = 0
        self._answered = True

    def act(self) -> None:
        # A question that failed is asked again under its own key: it may have been answered.
        self._number += self._answered
        self._answered = False
        streamed = self._number % 3 == 0
        usage = self._ask_streaming() if streamed else self._ask()
        self._answered = True
        if usage is not None:
            self.note(usage)

    def _request(self, **more: Any) -> dict[str, Any]:
        content = f"Return the sum of {self._number}"
        body = {"model": "network/best", "max_tokens": 6, **more}
        return {
            "json": {**body, "messages": [{"role": "user", "content": content}]},
            "headers": {
                "authorization": f"Bearer {self._api_key}",
                "idempotency-key": f"question-{self._number}",
            },
        }

    def _ask(self) -> tuple[str, int] | None:
        answer = self._http.post("/v1/chat/completions", **self._request())
        if answer.status_code == httpx.codes.CONFLICT and "answered" in answer.text:
            return None  # Answered and paid while we did not hear it.
        answer.raise_for_status()
        return _read_cost(answer.json())

    def _ask_streaming(self) -> tuple[str, int] | None:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        request = self._request(**options)
        with self._http.stream("POST", "/v1/chat/completions", **request) as answer:
            if answer.status_code == httpx.codes.CONFLICT and "answered" in answer.read().decode():
                return None
            answer.raise_for_status()
            return find_cost(answer.iter_lines())


class Trader(User):
    """Places, cancels and buys; notes the order's last state that the exchange told."""

    name = "orders"

    def __init__(self, doors: Doors, key: KeyView) -> None:
        super().__init__()
        self.exchange = ExchangeClient(doors.exchange, key.api_key, key.secret)

    def act(self) -> None:
        resting = self.exchange.limit_order("BUY", "0.00100000", "0.1")
        self.note((resting["orderId"], resting["status"]))
        bought = self.exchange.market_order("BUY", "0.01")
        self.note((bought["orderId"], bought["status"]))
        cancelled = self.exchange.cancel(orderId=resting["orderId"])
        self.note((cancelled["orderId"], cancelled["status"]))


class Depositor(User):
    """Pays TAO from the chain into the exchange; notes the transfers that the chain took."""

    name = "deposits"

    def __init__(self, doors: Doors, purse: Keypair, address: str) -> None:
        super().__init__()
        self._chain, self._purse, self._address = ChainClient(doors.chain), purse, address

    def act(self) -> None:
        arguments = {"receiver": self._address, "amount_rao": DEPOSIT_RAO}
        self.note(self._chain.submit(self._purse, "transfer", arguments))
        self._stop.wait(2)


class Withdrawer(User):
    """Takes TAO out again; asks under one name until it is heard."""

    name = "withdrawals"

    def __init__(self, doors: Doors, key: KeyView, heir: str) -> None:
        super().__init__()
        self.exchange = ExchangeClient(doors.exchange, key.api_key, key.secret)
        self._heir = heir

    def act(self) -> None:
        name = f"withdrawal-{len(self.acknowledged)}"
        self.exchange.withdraw(WITHDRAWAL, self._heir, name)
        self.note(name)
        self._stop.wait(3)


def find_cost(lines: Iterator[str]) -> tuple[str, int]:
    """Return request and price from the last piece of a stream; an end without one is a failure."""
    cost = None
    for line in lines:
        if line.startswith("data: {"):
            piece = json.loads(line.removeprefix("data: "))
            if "error" in piece:
                raise httpx.RemoteProtocolError(str(piece["error"]))
            if piece.get("usage"):
                cost = _read_cost(piece)
    if cost is None:
        raise httpx.RemoteProtocolError("the stream ended without its usage")
    return cost


def _read_cost(answer: Mapping[str, Any]) -> tuple[str, int]:
    # The door writes `chatcmpl-` before the books' own name of the call.
    return str(answer["id"]).partition("-")[2], int(answer["usage"]["cost_rao"])
