"""The trading page, and what the explorer passes on to the exchange."""

import xml.etree.ElementTree as ET
from urllib.parse import quote

import pytest
from starlette.requests import Request
from tests.explorer.conftest import Running

from taonet.explorer.trade import tell_person

KEY = {"X-MBX-APIKEY": "k" * 64, "accept": "*/*"}


def test_the_page_is_complete_without_a_key(explorer: Running) -> None:
    page = explorer.page("/trade")

    assert "0.004213" in page
    for heading in ("Place an order", "Order book", "Deposit", "Withdraw", "Latest trades of all"):
        assert heading in page
    assert "TradingView" in page


def test_an_exchange_that_is_away_is_said(lonely_explorer: Running) -> None:
    page = lonely_explorer.page("/trade")
    asked = lonely_explorer.browser.get("/trade/exchange/api/v3/account", headers=KEY)

    candles = lonely_explorer.browser.get("/trade/candles", headers=KEY)
    assert candles.status_code == 503
    assert "The exchange at http://127.0.0.1:9 does not answer" in page
    assert asked.status_code == 503
    assert "does not answer" in asked.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "exchange/v1/keys"),
        ("DELETE", "exchange/v1/account/keys"),
        ("GET", "metrics"),
        ("GET", "api/v3/../../exchange/v1/audit"),
        ("POST", "api/v3/account"),
    ],
)
def test_only_what_the_page_needs_is_passed_on(explorer: Running, method: str, path: str) -> None:
    answer = explorer.browser.request(method, f"/trade/exchange/{quote(path)}", headers=KEY)

    assert answer.status_code in (404, 405)


def test_a_request_without_a_key_goes_no_further(explorer: Running) -> None:
    answer = explorer.browser.get("/trade/exchange/api/v3/account", headers={"accept": "*/*"})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("told", "passed_on"),
    [([], "192.0.2.1"), (["203.0.113.7", "10.1.1.1"], "203.0.113.7, 10.1.1.1, 192.0.2.1")],
)
def test_the_exchange_is_told_who_asks(told: list[str], passed_on: str) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in told]
    request = Request({"type": "http", "client": ("192.0.2.1", 5), "headers": headers})

    assert tell_person(request) == {"X-Forwarded-For": passed_on}


def test_an_address_is_drawn_as_a_code(explorer: Running) -> None:
    answer = explorer.browser.get("/trade/qr", params={"text": "bitcoin:bcrt1q<script>"})

    assert answer.headers["content-type"] == "image/svg+xml"
    assert ET.fromstring(answer.content).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<script" not in answer.content
    assert explorer.browser.get("/trade/qr", params={"text": "x" * 201}).status_code == 422


def test_candles_are_read_from_the_exchange(explorer: Running) -> None:
    candles = explorer.browser.get("/trade/candles", headers=KEY).json()

    assert candles
    assert set(candles[0]) == {"time", "open", "high", "low", "close", "volume"}
    answer = explorer.browser.get("/trade/candles", params={"interval": "7m"}, headers=KEY)
    assert answer.status_code == 422
