"""What a running Server holds: made once at start-up, handed to every request."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import redis

from server_service.domain.admission import Bucket, Rate, take_token
from server_service.domain.behaviour import Behaviour
from server_service.domain.requests import RequestLimits
from server_service.learning import Learner
from server_service.membership import ChainWatch
from server_service.model import ServedModel
from server_service.nonces import LocalNonces
from server_service.relaying import Relay
from server_service.schemas import RequestKind
from server_service.tokenizer import NetworkTokenizer
from taonet.kit.keys import Keypair

BUCKETS_MAX = 10_000
"""Above the 4096 slots of the network, so that only keys that lost theirs are forgotten."""


class Buckets:
    """How much each caller may still ask."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def take(self, hotkey: str, now_seconds: float) -> None:
        with self._lock:
            bucket = take_token(self._buckets.get(hotkey), self._rate, now_seconds)
            self._buckets.pop(hotkey, None)
            self._buckets[hotkey] = bucket
            if len(self._buckets) > BUCKETS_MAX:
                del self._buckets[next(iter(self._buckets))]


@dataclass(frozen=True, eq=False)
class ServerState:
    name: str
    keypair: Keypair
    model: ServedModel
    tokenizer: NetworkTokenizer
    watch: ChainWatch
    nonces: redis.Redis | LocalNonces
    """Redis where replicas share a hotkey."""
    buckets: Buckets
    limits: RequestLimits
    requests: frozenset[RequestKind]
    stake_floors: Mapping[RequestKind, int]
    """In rao, for each kind of request."""
    behaviour: Behaviour
    relay: Relay | None
    """Who answers in this Server's place, where it was told to have others work."""
    body_bytes_max: int
    learner: Learner | None = None
