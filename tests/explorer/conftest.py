"""An explorer with a small network before it: all over real HTTP."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.conftest import wait_until
from tests.explorer.fake_history import add_history
from tests.explorer.fake_network import FakeNetwork, create_fake, serving
from tests.explorer.fake_prometheus import add_prometheus

from taonet.explorer.app import create_app


@dataclass
class Running:
    network: FakeNetwork
    browser: httpx.Client

    def page(self, path: str) -> str:
        answer = self.browser.get(path)
        answer.raise_for_status()
        return answer.text


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An explorer that has read all of a network of 95 blocks."""
    network = FakeNetwork()
    fake = create_fake(network)
    add_history(fake, network)
    add_prometheus(fake)
    with serving(fake) as url, browsing(monkeypatch, url, network) as running:
        wait_until(lambda: steps_shown(running) == 9)
        wait_until(lambda: "0.004213" in running.page("/"))
        wait_until(lambda: running.page("/").count("state ready") == 3)
        yield running


@pytest.fixture
def lonely_explorer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An explorer whom no service answers."""
    with browsing(monkeypatch, "http://127.0.0.1:9", FakeNetwork()) as running:
        wait_until(lambda: "The chain does not answer" in running.page("/"))
        yield running


@contextlib.contextmanager
def browsing(monkeypatch: pytest.MonkeyPatch, url: str, network: FakeNetwork) -> Iterator[Running]:
    for service in ("CHAIN", "GATEWAY", "EXCHANGE", "PROMETHEUS"):
        monkeypatch.setenv(f"TAONET_{service}_URL", url)
    monkeypatch.setenv("TAONET_EXPLORER_POLL_SECONDS", "0.1")
    headers = {"accept": "text/html"}
    with (
        serving(create_app()) as address,
        httpx.Client(base_url=address, headers=headers, timeout=10) as browser,
    ):
        yield Running(network, browser)


def steps_shown(running: Running) -> int:
    return len(running.browser.get("/data/emission").json()["steps"])
