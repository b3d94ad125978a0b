"""Whose word about a client's address is believed: nobody's, but for the proxies that are named."""

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.live import running_exchange

from exchange_service.proxies import Proxies
from taonet.kit import db

PEER = "10.1.2.3"
CLIENT = "203.0.113.7"
FAKED = {"X-Forwarded-For": CLIENT}


def ask(named: str, told: list[str], peer: str = PEER) -> str:
    """Return whom the exchange takes for its client."""
    proxies = Proxies(named)
    proxies.look_up()
    headers = [(b"x-forwarded-for", line.encode()) for line in told]
    client = proxies.find_client({"client": (peer, 50_000), "headers": headers})
    assert client is not None
    return client[0]


@pytest.mark.parametrize(
    ("named", "told", "client"),
    [
        ("", [CLIENT], PEER),
        ("10.9.9.9", [CLIENT], PEER),
        (PEER, [], PEER),
        (PEER, [CLIENT], CLIENT),
        ("192.0.2.0/24, 10.0.0.0/8", [CLIENT], CLIENT),
        # What a stranger made up stands before what a proxy knows.
        (PEER, [f"192.0.2.1, {CLIENT}"], CLIENT),
        (PEER, ["192.0.2.1", CLIENT], CLIENT),
        ("10.0.0.0/8", [f"192.0.2.1, {CLIENT}, 10.7.7.7"], CLIENT),
        ("10.0.0.0/8", ["10.7.7.7"], "10.7.7.7"),
        (PEER, ["nonsense"], PEER),
        (PEER, [f"{CLIENT}, nonsense"], PEER),
        (PEER, ["\xff"], PEER),
        (PEER, ["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_the_last_stranger_in_the_chain_is_the_client(
    named: str, told: list[str], client: str
) -> None:
    assert client == ask(named, told)


def test_a_proxy_may_have_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(name: str, port: Any) -> Any:
        if name != "caddy":
            raise socket.gaierror(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PEER, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert ask("caddy,explorer", [CLIENT]) == CLIENT
    assert ask("explorer", [CLIENT]) == PEER


def test_nobody_on_this_machine_makes_up_an_address(exchange: str) -> None:
    """Neither at the gate, nor behind it, nor on its short way: the key is for one address."""
    wanted = {"name": "bound-elsewhere", "addresses": [CLIENT]}
    key = httpx.post(f"{exchange}/exchange/v1/keys", json=wanted).json()
    assert (refused := try_key(exchange, key)).status_code == 401, refused.text


def test_a_trusted_proxy_is_believed(
    postgres_admin_url: str, redis_server_url: str, tmp_path: Path
) -> None:
    url = db.provision(postgres_admin_url, "proxied_exchange", password="test")
    db.migrate(url, "exchange_service")
    trusted = {"TAONET_EXCHANGE_TRUSTED_PROXIES": "localhost"}
    with running_exchange(url, redis_server_url, tmp_path, **trusted) as exchange:
        wanted = {"name": "bound", "addresses": [CLIENT]}
        key = httpx.post(f"{exchange}/exchange/v1/keys", json=wanted).json()
        assert try_key(exchange, key).status_code == 200
        assert try_key(exchange, key, {}).status_code == 401


def try_key(exchange: str, key: Any, headers: dict[str, str] = FAKED) -> httpx.Response:
    """Ask as a client of Binance's that sends no signature: it is told a stream's key, or not."""
    own = {"X-MBX-APIKEY": key["api_key"], **headers}
    return httpx.post(f"{exchange}/api/v3/userDataStream", headers=own)
