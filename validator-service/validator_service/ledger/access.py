"""Who calls: the account behind an API key, remembered for a while."""

import time
from dataclasses import dataclass, field

import redis
from fastapi import Request
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin
from validator_service.domain.keys import KEY_LENGTH_MAX, digest_key
from validator_service.domain.pricing import Price
from validator_service.ledger import repository
from validator_service.ledger.errors import InvalidApiKey

REMEMBERED_SECONDS = 30.0
"""How long a key is taken without asking the books; so long a withdrawn one may still work."""
REMEMBERED_MAX = 10_000


@dataclass
class Access:
    """What the routes of keys and accounts need, made once by `app`."""

    name: str
    hotkey: str
    price: Price
    deposit_seed: str = field(repr=False)
    redis: redis.Redis
    pool: ConnectionPool
    remembered: dict[bytes, tuple[str, float]] = field(default_factory=dict, repr=False)


def caller(request: Request) -> str:
    """Return the account whose key the request carries, or refuse it."""
    access: Access = request.app.state.access
    scheme, _, api_key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(api_key) <= KEY_LENGTH_MAX:
        raise InvalidApiKey
    digest = digest_key(api_key)
    known, since = access.remembered.get(digest, ("", 0.0))
    if known and time.monotonic() - since < REMEMBERED_SECONDS:
        return known
    with begin(access.pool) as conn:
        account = repository.find_key_account(conn, digest)
    if account is None:
        raise InvalidApiKey
    if len(access.remembered) >= REMEMBERED_MAX:
        access.remembered.clear()
    access.remembered[digest] = (account, time.monotonic())
    return account
