"""A whole exchange on a real Postgres, and traders with keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from exchange_service.app import create_app
from exchange_service.client import ExchangeClient
from exchange_service.domain.commands import Asset, CreditDeposit
from exchange_service.engine import Engine
from exchange_service.settings import ExchangeSettings

RAO_PER_TAO = 10**9


class Box:
    """A running exchange: `box.trader("ann", tao=5)` gives a client with money."""

    def __init__(self, http: TestClient) -> None:
        self.http = http
        self.public = ExchangeClient(http=http)  # type: ignore[arg-type]
        self._height = 0

    @property
    def engine(self) -> Engine:
        engine: Engine = self.http.app.state.engine  # type: ignore[attr-defined]
        return engine

    def trader(self, name: str, *, funded: bool = True, tao: int = 0) -> ExchangeClient:
        key = self.public.create_key(name, funded)
        if tao:
            self._height += 1
            deposit = CreditDeposit(
                0, key.account_id, Asset.TAO, tao * RAO_PER_TAO, self._height, 0, "somewhere", "x"
            )
            self.engine.submit(deposit).result(10)
        return ExchangeClient(api_key=key.api_key, secret=key.secret, http=self.http)  # type: ignore[arg-type]


@pytest.fixture
def exchange_settings(database: Callable[[str], str], tmp_path: Path) -> ExchangeSettings:
    return ExchangeSettings(
        database_url=database("exchange_service"),
        redis_url="redis://127.0.0.1:1/0",
        chain_url="",
        exchange_wallet_seed_file=str(tmp_path / "seed"),
    )


@contextmanager
def running_box(settings: ExchangeSettings) -> Iterator[Box]:
    failures: list[str] = []
    app = create_app(settings, on_engine_failure=lambda: failures.append("engine"))
    with TestClient(app) as http:
        yield Box(http)


@pytest.fixture
def start_box(exchange_settings: ExchangeSettings) -> Callable[[], "object"]:
    """Start the exchange on the test's database, as often as one likes, one after another."""
    return lambda: running_box(exchange_settings)


@pytest.fixture
def box(exchange_settings: ExchangeSettings) -> Iterator[Box]:
    with running_box(exchange_settings) as running:
        yield running
