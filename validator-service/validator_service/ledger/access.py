"""Who calls: the account behind an API key, remembered for a while."""

import time
from dataclasses import dataclass, field
from typing import Annotated

import redis
from fastapi import Depends, Request
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from taonet.kit import signing
from taonet.kit.db import begin
from validator_service.domain.keys import KEY_LENGTH_MAX, Scope, digest_key
from validator_service.domain.pricing import PriceList
from validator_service.ledger import key_repository
from validator_service.ledger.errors import InsufficientScope, InvalidApiKey
from validator_service.ledger.key_repository import Caller

REMEMBERED_SECONDS = 30.0
"""How long a key is taken without asking the books; it buys nothing
meanwhile: each reservation asks the books."""
REMEMBERED_MAX = 10_000


@dataclass
class Access:
    """What the routes of keys and accounts need, made once by `app`."""

    name: str
    hotkey: str
    prices: PriceList
    deposit_seed: str = field(repr=False)
    redis: redis.Redis
    pool: ConnectionPool
    remembered: dict[bytes, tuple[Caller, float]] = field(default_factory=dict, repr=False)

    def find(self, digest: bytes) -> Caller | None:
        """Ask the books whose key this is."""
        with begin(self.pool) as conn:
            return key_repository.find_caller(conn, digest)

    def forget(self, key_id: str) -> None:
        """Ask the books about a key again."""
        self.remembered = {
            digest: kept for digest, kept in self.remembered.items() if kept[0].key_id != key_id
        }


async def read_body(request: Request) -> bytes:
    return await request.body()


async def caller(request: Request) -> Caller:
    """Return the account whose key the request carries, or refuse it."""
    access: Access = request.app.state.access
    scheme, _, api_key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(api_key) <= KEY_LENGTH_MAX:
        raise InvalidApiKey
    digest = digest_key(api_key)
    kept = access.remembered.get(digest)
    if kept is not None and time.monotonic() - kept[1] < REMEMBERED_SECONDS:
        return kept[0]
    found = await run_in_threadpool(access.find, digest)
    if found is None:
        raise InvalidApiKey
    if len(access.remembered) >= REMEMBERED_MAX:
        access.remembered.clear()
    access.remembered[digest] = (found, time.monotonic())
    return found


async def account_holder(who: Annotated[Caller, Depends(caller)]) -> Caller:
    """Return whose key it is, if the key may read the account."""
    if Scope.ACCOUNT not in who.scopes:
        raise InsufficientScope(Scope.ACCOUNT)
    return who


def signing_account(request: Request, body: Annotated[bytes, Depends(read_body)]) -> str:
    """Return the account whose own key signed this request, or refuse it."""
    access: Access = request.app.state.access
    signer = signing.verify_request(
        request.headers, request.method, request.url.path, body, access.hotkey
    )
    signing.claim_nonce(access.redis, signer, request.headers[signing.NONCE])
    return signer


AccountHolder = Annotated[Caller, Depends(account_holder)]
SigningAccount = Annotated[str, Depends(signing_account)]
