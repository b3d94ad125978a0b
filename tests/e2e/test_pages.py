"""A person before the explorer of a live box: trades, asks, and looks at the bill, in a browser."""

import re
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.conftest import wait_until
from tests.explorer.browsing import Visit, list_barriers, open_browser, visiting

from .conftest import Box

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

TICK = 0.000001
LIVE_SECONDS = 30
SUPPLIED_SECONDS = 180
"""A young box mines what its market maker sells."""
BILL = re.compile(r"\d+ tokens in, \d+ out · 0\.\d+ TAO · answered by Server uid \d")
COUNT_PIECES = """
    window.pieces = 0;
    new MutationObserver((seen) => { window.pieces += seen.length; })
        .observe(document.getElementById("turns"), { childList: true, subtree: true })
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, box: Box) -> Iterator[Visit]:
    with visiting(browser, box.address("explorer")) as opened:
        yield opened
        opened.check_calm()
        assert not list_barriers(opened.page)


def is_drawn(picture: Locator) -> bool:
    return bool(picture.evaluate("image => image.complete && image.naturalWidth > 0"))


def enter(page: Page) -> None:
    """Open an account with a test coin, forget its key, and sign in with it."""
    page.get_by_label("Name", exact=False).last.fill(f"person-{time.time_ns()}")
    page.get_by_role("button", name="Open an account").click()
    expect(page.locator("#new-key")).to_be_visible()
    key, secret = (page.locator(f"#new-{part}").inner_text() for part in ("api-key", "secret"))
    page.get_by_role("button", name="Forget the key").click()
    page.get_by_label("API key").fill(key)
    page.get_by_label("Secret").fill(secret)
    page.get_by_role("button", name="Use this key").click()


def see_both_deposit_addresses(page: Page) -> None:
    for coin, begin in (("BTC", "bcrt1"), ("TAO", "5")):
        page.locator(f"[data-deposit={coin}]").click()
        expect(page.locator("#deposit-text")).to_have_text(re.compile(f"^{begin}"))
        wait_until(lambda: is_drawn(page.locator("#deposit-code")), LIVE_SECONDS)


def place_and_cancel(page: Page) -> None:
    """Bid where nobody sells; the book shows it, and shows it no more once cancelled."""
    lowest = float(page.locator(".bids tr").last.locator("td").first.inner_text())
    price = f"{lowest + TICK:.6f}"
    in_book = page.locator(".bids tr").filter(has_text=price)
    page.get_by_label("Price, BTC for one TAO").fill(price)
    page.get_by_label("Amount, TAO").fill("0.37")
    page.locator("#place").click()

    expect(page.locator("#order-done")).to_contain_text("is in the book")
    expect(page.locator("#orders tr")).to_contain_text(["buy"])
    expect(page.locator("#orders")).to_contain_text(price)
    expect(in_book).to_be_visible()
    expect(page.locator("#balances tr").first.locator("td").last).not_to_have_text("0.00")

    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#orders")).to_contain_text("No order of yours is open.")
    expect(in_book.filter(has_text="0.37")).to_have_count(0)
    expect(page.locator("#balances tr").first.locator("td").last).to_have_text("0.00")


def is_enough_on_sale(page: Page) -> bool:
    """Whether the market maker has its first TAO, and people left some of it."""
    return float(page.locator(".asks tr").first.locator("td").last.inner_text()) > 0.5


def see_each_fill_among_all_trades(page: Page) -> None:
    """A market order may meet several others: each part is a trade; together they are all of it."""
    expect(page.locator("#fills tr").first).to_contain_text("buy")
    mine = [row.locator("td").all_inner_texts() for row in page.locator("#fills tr").all()]
    assert {side for _, side, *_ in mine} == {"buy"}
    assert sum(Decimal(amount) for _, _, _, amount, _ in mine) == Decimal("0.23")
    for _, _, price, amount, _ in mine:
        trade = page.locator(".trades tbody tr").filter(has_text=price).filter(has_text=amount)
        expect(trade.first).to_contain_text("bought")


def buy_at_the_market(page: Page) -> None:
    wait_until(lambda: is_enough_on_sale(page), SUPPLIED_SECONDS)
    candles = page.locator("#candles").screenshot()
    page.get_by_label("Kind").select_option("MARKET")
    page.get_by_label("Amount, TAO").fill("0.23")
    page.locator("#place").click()

    expect(page.locator("#order-done")).to_contain_text("0.23 of 0.23 TAO for")
    expect(page.locator("#balances tr").last).to_contain_text("0.23")
    expect(page.locator("#balances tr").first).not_to_contain_text("1.00")
    see_each_fill_among_all_trades(page)
    wait_until(lambda: page.locator("#candles").screenshot() != candles, LIVE_SECONDS)


def test_a_person_trades(visit: Visit) -> None:
    page = visit.go("/trade")
    expect(page.locator(".bids .bar").first).to_be_visible()
    page.evaluate("document.body.dataset.kept = 'yes'")

    enter(page)
    expect(page.locator("#balances tr").first).to_contain_text("1.00")
    see_both_deposit_addresses(page)
    place_and_cancel(page)
    buy_at_the_market(page)

    assert page.evaluate("document.body.dataset.kept") == "yes", "it was loaded again"


def test_a_person_asks_and_sees_the_bill(visit: Visit, box: Box) -> None:
    page = visit.go("/playground")
    page.get_by_label("API key").fill(box.status()["demo_api_key"])
    page.get_by_label("API key").press("Tab")
    expect(page.get_by_label("Model")).to_have_value("network/best")
    page.evaluate(COUNT_PIECES)
    page.get_by_role("button", name="Continue it").click()
    expect(page.locator(".turn .note")).to_have_text(BILL)
    assert page.evaluate("window.pieces") > 3, "the answer came in one piece"

    page.get_by_role("button", name="Chat").click()
    for number in (1, 2):
        page.get_by_label("Your message").fill("Return the sum of")
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".turn .note").nth(number - 1)).to_have_text(BILL)

    page.locator(".turn .note a").first.click()
    expect(page.get_by_text("Why it earns this")).to_be_visible()


def test_a_person_looks_at_the_account(visit: Visit, box: Box) -> None:
    with box.gateway() as client:
        client.completions.create(model="network/best", prompt="Return", max_tokens=4)
    page = visit.go("/account")
    page.get_by_label("API key").fill(box.status()["demo_api_key"])
    page.get_by_role("button", name="Show my account").click()

    expect(page.locator("#balance")).to_have_text(re.compile(r"^\d+\.\d+$"))
    expect(page.locator("#spent-calls")).to_have_text(re.compile(r"^in (1 call|[1-9]\d* calls)$"))
    expect(page.locator("#usage-chart canvas")).to_be_visible()
    expect(page.locator("#deposit-address")).to_have_text(re.compile("^5"))
    wait_until(lambda: is_drawn(page.locator("#deposit-code")), LIVE_SECONDS)
    expect(page.locator("#call-rows tr").first).to_contain_text("network/best")


def test_all_books_agree(visit: Visit) -> None:
    page = visit.go("/status")

    expect(page.locator(".audits .state.ready")).to_have_count(4)
