"""A whole exchange on a real Postgres, and traders with keys."""

import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.exchange.live import OPERATOR_TOKEN, running_exchange

from exchange_service.app import create_app
from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import Asset, CreditDeposit
from exchange_service.engine import Engine
from exchange_service.keys.schemas import AuditView
from exchange_service.settings import ExchangeSettings
from exchange_service.signer.operations import Signer
from exchange_service.signer.wallet import Wallet
from taonet.kit import db
from taonet.kit.db import open_pool

RAO_PER_TAO = 10**9


class Box:
    """A running exchange: `box.trader("ann", tao=5)` gives a client with money."""

    def __init__(self, http: TestClient, failures: list[str]) -> None:
        self.http = http
        self.failures = failures
        """Filled when the engine stops, where a real process would end."""
        self.public = ExchangeClient(http=http)  # type: ignore[arg-type]
        self._height = 0

    @property
    def engine(self) -> Engine:
        engine: Engine = self.http.app.state.engine  # type: ignore[attr-defined]
        return engine

    def audit(self) -> AuditView:
        """Have everything checked anew, as the operator may."""
        return self.public.audit(OPERATOR_TOKEN)

    def client(self, api_key: str, secret: str) -> ExchangeClient:
        return ExchangeClient(api_key=api_key, secret=secret, http=self.http)  # type: ignore[arg-type]

    def trader(self, name: str, *, funded: bool = True, tao: int = 0) -> ExchangeClient:
        key = self.public.create_key(name, funded)
        if tao:
            self.deposit(key.account_id, tao)
        return self.client(key.api_key, key.secret)

    def deposit(self, account_id: int, tao: int) -> None:
        """Credit TAO as if it had come from the chain."""
        self._height += 1
        amount_rao = tao * RAO_PER_TAO
        self.engine.submit(
            CreditDeposit(0, account_id, Asset.TAO, amount_rao, self._height, 0, "somewhere", "x")
        ).result(10)


@pytest.fixture(scope="session")
def exchange(
    postgres_admin_url: str, redis_server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real exchange process, shared: its address."""
    url = db.provision(postgres_admin_url, "live_exchange", password="test")
    db.migrate(url, "exchange_service")
    with running_exchange(url, redis_server_url, tmp_path_factory.mktemp("live")) as address:
        yield address


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def exchange_settings(database: Callable[[str], str], tmp_path: Path) -> ExchangeSettings:
    return ExchangeSettings(
        database_url=database("exchange_service"),
        redis_url="redis://127.0.0.1:1/0",
        chain_url="",
        exchange_api_secret_file=str(tmp_path / "api-secret"),
        exchange_operator_token=OPERATOR_TOKEN,
        exchange_request_weight_per_minute=10**9,
        exchange_raw_requests_per_5_minutes=10**9,
        exchange_orders_per_10_seconds=10**9,
    )


@contextmanager
def running_box(settings: ExchangeSettings) -> Iterator[Box]:
    failures: list[str] = []
    with signing(settings) as signer:
        app = create_app(settings, lambda: failures.append("engine"), signer)
        with TestClient(app, client=("127.0.0.1", 50_000)) as http:
            yield Box(http, failures)


@contextmanager
def signing(settings: ExchangeSettings) -> Iterator[Signer]:
    """The signer, in this process: what the exchange asks over HTTP elsewhere."""
    pool = open_pool(settings.database_url, 3)
    seed = hashlib.sha256(settings.database_url.encode()).digest()
    yield Signer(pool, Wallet(seed), settings.payout_rules())
    pool.close()


@pytest.fixture
def start_box(exchange_settings: ExchangeSettings) -> Callable[[], "object"]:
    """Start the exchange on the test's database, as often as one likes, one after another."""
    return lambda: running_box(exchange_settings)


@pytest.fixture
def box(exchange_settings: ExchangeSettings) -> Iterator[Box]:
    with running_box(exchange_settings) as running:
        yield running
