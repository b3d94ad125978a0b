"""A real exchange process, on a port, for clients that know nothing of tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.conftest import free_port, wait_until

from exchange_service.client import ExchangeClient

UNLIMITED = str(10**9)
QUIET = ("--log-level", "warning", "--no-access-log")
STOP_SECONDS = 15
OPERATOR_TOKEN = "the operator's own"


@contextmanager
def running_exchange(
    database_url: str, redis_url: str, home: Path, logs: Sequence[str] = QUIET, **settings: str
) -> Iterator[str]:
    """Run the exchange as the cluster does; its address. Limits are off unless given."""
    port = free_port()
    environment = {
        "TAONET_DATABASE_URL": database_url,
        "TAONET_REDIS_URL": redis_url,
        "TAONET_CHAIN_URL": "",
        "TAONET_LOG_LEVEL": "warning",
        "TAONET_EXCHANGE_API_SECRET_FILE": str(home / "api-secret"),
        "TAONET_EXCHANGE_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "TAONET_EXCHANGE_REQUEST_WEIGHT_PER_MINUTE": UNLIMITED,
        "TAONET_EXCHANGE_RAW_REQUESTS_PER_5_MINUTES": UNLIMITED,
        "TAONET_EXCHANGE_ORDERS_PER_10_SECONDS": UNLIMITED,
        "TAONET_EXCHANGE_ORDERS_PER_DAY": UNLIMITED,
        **settings,
    }
    command = [sys.executable, "-m", "exchange_service.serving", "--factory"]
    command += ["tests.exchange.live_app:create_app", "--host", "127.0.0.1", "--port", str(port)]
    command += logs
    process = subprocess.Popen(command, env={**os.environ, **environment})
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: httpx.get(f"{url}/readyz").raise_for_status())
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def open_trader(url: str, name: str, tao: int = 0) -> tuple[ExchangeClient, str, str]:
    """Open a funded account: its client, its key, its secret."""
    with ExchangeClient(url) as public:
        key = public.create_key(name, funded=True)
    if tao:
        path = f"{url}/test/credit"
        httpx.post(path, params={"account_id": key.account_id, "tao": tao}).raise_for_status()
    return ExchangeClient(url, key.api_key, key.secret), key.api_key, key.secret
