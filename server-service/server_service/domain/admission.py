"""Who is served, in this order: known signature → registered → stake floor → token bucket.

The signature is checked before (`taonet.kit.signing`), and the bounded queue comes after
(`server_service.batcher`). A nonce is spent between the stake floor and the bucket: only callers
who may ask at all fill its memory, and a replay takes nothing from its victim's bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from taonet.kit.errors import Forbidden, TooMany, Unavailable
from taonet.kit.names import Hotkey


class NotRegistered(Forbidden):
    """The signer is no neuron of this network."""


class StakeTooLow(Forbidden):
    """The signer holds less stake than this Server asks for."""


class RateLimited(TooMany):
    """This caller's bucket is empty."""


class ChainUnseen(Unavailable):
    """Nobody can be known as registered before the chain was seen once."""


@dataclass(frozen=True)
class Callers:
    """The neurons of one block, as far as admission cares."""

    height: int
    stake_rao_by_hotkey: Mapping[Hotkey, int]


@dataclass(frozen=True)
class Bucket:
    """What one caller may still ask: it fills steadily, and each request takes one."""

    tokens: float
    filled_at_seconds: float


@dataclass(frozen=True)
class Rate:
    per_second: float
    burst: float
    """The most that a bucket holds."""


def check_caller(callers: Callers | None, hotkey: Hotkey, stake_floor_rao: int) -> int:
    """Return the caller's stake in rao, which orders the queue."""
    if callers is None:
        raise ChainUnseen("this Server has not seen the chain yet; ask again in some seconds")
    stake_rao = callers.stake_rao_by_hotkey.get(hotkey)
    if stake_rao is None:
        raise NotRegistered(
            f"{hotkey} is not registered at block {callers.height}; register it on the chain first"
        )
    if stake_rao < stake_floor_rao:
        raise StakeTooLow(f"this Server asks for a stake of {stake_floor_rao} rao")
    return stake_rao


def take_token(bucket: Bucket | None, rate: Rate, now_seconds: float) -> Bucket:
    """
    Return the bucket after one request.

    tokens ← min(burst, tokens + elapsed · per_second) − 1, refused where that is negative.
    A refused request takes nothing, so who waits as told is served.
    """
    if bucket is None:
        bucket = Bucket(rate.burst, now_seconds)
    elapsed = max(now_seconds - bucket.filled_at_seconds, 0.0)
    tokens = min(rate.burst, bucket.tokens + elapsed * rate.per_second) - 1
    if tokens < 0:
        raise RateLimited(f"more than {rate.per_second:g} requests per second; ask less often")
    return Bucket(tokens, now_seconds)
