"""Every page in a real browser: a click path each, nothing complained of, readable by everybody."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.explorer.browsing import PHONE, Visit, list_barriers, open_browser, visiting
from tests.explorer.conftest import Running
from tests.explorer.fake_network import ALICE, hash_of

PAGES = [
    *("/", "/blocks", "/blocks/90", f"/extrinsics/{hash_of(90 + 99)}", f"/accounts/{ALICE}"),
    *("/supply", "/neurons", "/neurons/0", "/neurons/4", "/validators", "/market", "/trade"),
    *("/playground", "/account", "/status", "/dashboards", "/dashboards/{board}", "/search?q=5"),
    *("/search", "/nowhere"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, explorer: Running) -> Iterator[Visit]:
    with visiting(browser, str(explorer.browser.base_url)) as opened:
        yield opened
        opened.check_calm()


def name_board(visit: Visit) -> str:
    link = visit.go("/dashboards").locator(".hits a").first
    return str(link.get_attribute("href")).rsplit("/", 1)[1]


def from_home_to_a_block_and_its_extrinsic(page: Page) -> None:
    page.get_by_role("link", name="Chain", exact=True).click()
    page.get_by_role("link", name="90", exact=True).click()
    expect(page.get_by_role("heading", name="Block 90")).to_be_visible()
    page.get_by_role("link", name="next").click()
    expect(page.get_by_role("heading", name="Block 91")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="set_weights").first.click()
    expect(page.get_by_text("What it caused")).to_be_visible()


def from_an_extrinsic_to_older_ones_of_its_signer(page: Page) -> None:
    page.goto(page.url + f"extrinsics/{hash_of(90 + 99)}")
    page.get_by_role("link", name="5GrwvaEF").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    expect(page.get_by_text("3.000 TAO")).to_be_visible()
    page.get_by_role("link", name="older extrinsics").click()
    expect(page.locator("#signed + *, section").first).to_be_visible()
    assert "signed_before=" in page.url


def the_supply_has_64_halvings(page: Page) -> None:
    page.get_by_role("link", name="Chain", exact=True).click()
    page.get_by_role("link", name="Supply").click()
    expect(page.get_by_role("row")).to_have_count(66)
    expect(page.locator("#chart-schedule canvas")).to_be_visible()


def neurons_sort_and_lead_to_one(page: Page) -> None:
    page.get_by_role("link", name="Neurons", exact=True).first.click()
    expect(page.locator(".whole")).to_be_visible()
    page.get_by_role("link", name="Incentive").click()
    expect(page.locator("tbody .c-name").first).to_contain_text("server-1")
    page.get_by_role("link", name="Incentive").click()
    expect(page.locator("tbody .c-name").first).not_to_contain_text("server-1")
    page.get_by_role("link", name="server-1").click()
    expect(page.get_by_text("Why it earns this")).to_be_visible()
    expect(page.get_by_text("2.345")).to_be_visible()
    expect(page.locator("#chart-past canvas")).to_be_visible()


def validators_agree_and_show_their_weights(page: Page) -> None:
    page.get_by_role("link", name="Neurons", exact=True).first.click()
    page.get_by_role("link", name="Validators").click()
    expect(page.locator(".heat tbody tr")).to_have_count(3)
    page.locator(".heat").get_by_role("link", name="server-1").click()
    expect(page.get_by_role("heading", name="server-1")).to_be_visible()


def the_market_leads_to_trading(page: Page) -> None:
    page.get_by_role("link", name="Market", exact=True).click()
    expect(page.locator("#chart-price canvas")).to_be_visible()
    page.get_by_role("link", name="Trade", exact=True).click()
    expect(page.get_by_text("Place an order")).to_be_visible()
    expect(page.locator("#candles canvas").first).to_be_visible()
    page.get_by_role("button", name="5m", exact=True).click()


def the_playground_streams_an_answer(page: Page) -> None:
    page.get_by_role("link", name="Inference").click()
    page.get_by_label("API key").fill("tao-key-1")
    page.get_by_label("Model").fill("taonet")
    page.get_by_role("button", name="Continue it").click()
    expect(page.locator(".turn")).to_contain_text("Return a list ofthe items in order.")
    page.get_by_role("button", name="Chat").click()
    for number in (1, 2):
        page.get_by_label("Your message").fill("And then?")
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".turn output")).to_have_count(number)
        expect(page.locator(".turn output").last).to_have_text(f"after {2 * number - 1} messages")
    page.get_by_role("link", name="Your account").click()
    expect(page.get_by_role("button", name="Show my account")).to_be_visible()


def dashboards_draw_what_prometheus_says(page: Page) -> None:
    page.get_by_role("link", name="Operation").click()
    expect(page.get_by_text("to the rao, at block")).to_be_visible()
    page.get_by_role("link", name="Dashboards").click()
    page.locator(".hits a").first.click()
    expect(page.locator(".drawn canvas").first).to_be_visible()
    page.get_by_role("link", name="6h").click()
    expect(page.locator(".drawn canvas").first).to_be_visible()
    page.get_by_role("button", name="Change between light and dark").click()
    expect(page.locator(".drawn canvas").first).to_be_visible()
    expect(page.locator("#dashboard-problem")).to_be_hidden()


def search_finds_each_kind_of_thing(page: Page) -> None:
    for text, lands in (
        ("93", "/blocks/93"),
        (hash_of(90), "/blocks/90"),
        (hash_of(90 + 99), "/extrinsics/"),
        (ALICE, "/accounts/"),
        ("uid 2", "/neurons/2"),
        ("validator-2", "/neurons/5"),
    ):
        page.get_by_role("searchbox").fill(text)
        page.get_by_role("searchbox").press("Enter")
        page.wait_for_url(f"**{lands}*")
    page.get_by_role("searchbox").fill("3")
    page.get_by_role("searchbox").press("Enter")
    # Block 3, neuron 3, and the neuron named server-3.
    expect(page.locator(".hits a")).to_have_count(3)
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_text("Nothing on this chain goes by that")).to_be_visible()


PATHS = [
    from_home_to_a_block_and_its_extrinsic,
    from_an_extrinsic_to_older_ones_of_its_signer,
    the_supply_has_64_halvings,
    neurons_sort_and_lead_to_one,
    validators_agree_and_show_their_weights,
    the_market_leads_to_trading,
    the_playground_streams_an_answer,
    dashboards_draw_what_prometheus_says,
    search_finds_each_kind_of_thing,
]


def test_people_find_their_way(visit: Visit) -> None:
    path: Callable[[Page], None]
    for path in PATHS:
        path(visit.go("/"))
        visit.check_calm()


def test_pages_are_live_without_reload(visit: Visit, explorer: Running) -> None:
    page = visit.go("/")
    expect(page.get_by_role("link", name="95", exact=True)).to_be_visible()
    page.evaluate("document.body.dataset.kept = 'yes'")
    explorer.network.height = 101

    expect(page.get_by_role("link", name="101", exact=True)).to_be_visible()
    assert page.evaluate("document.body.dataset.kept") == "yes"


def test_the_metagraph_follows_the_steps(visit: Visit, explorer: Running) -> None:
    page = visit.go("/neurons")
    expect(page.locator(".whole tbody .c-past canvas")).to_have_count(6)
    explorer.network.neuron_names[0] = "renamed"
    explorer.network.height = 100

    expect(page.get_by_text("renamed")).to_be_visible()


def test_everything_is_reached_by_the_keyboard(visit: Visit) -> None:
    page = visit.go("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("main a").first).to_be_focused()


def test_the_theme_is_chosen_and_kept(visit: Visit) -> None:
    page = visit.go("/")
    page.get_by_role("button", name="Change between light and dark").click()
    page.goto(page.url + "blocks")

    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


@pytest.mark.parametrize(
    ("theme", "rules"),
    [("light", ("wcag2a", "wcag2aa")), ("dark", {"type": "rule", "values": ["color-contrast"]})],
    ids=["light", "dark"],
)
def test_pages_are_readable_by_everybody(
    browser: Browser, explorer: Running, theme: str, rules: Any
) -> None:
    """No rule of WCAG A and AA that a program can check is broken; in the dark, contrast."""
    found = []
    with visiting(browser, str(explorer.browser.base_url), theme=theme) as visit:
        for _, page in visit_all(visit):
            found += list_barriers(page, rules)

    assert not found, "\n".join(found)


def test_pages_fit_a_phone(browser: Browser, explorer: Running) -> None:
    with visiting(browser, str(explorer.browser.base_url), PHONE) as visit:
        assert len(list(visit_all(visit))) == len(PAGES)


def visit_all(visit: Visit) -> Iterator[tuple[str, Page]]:
    """Go to every page there is; none may complain, but the one that is not there."""
    board = name_board(visit)
    for path in PAGES:
        page = visit.go(path.format(board=board))
        page.wait_for_timeout(100)
        yield path, page
        if path == "/nowhere":
            visit.complaints = [one for one in visit.complaints if "404" not in one]
        visit.check_calm()


def test_without_prometheus_the_dashboards_say_what_helps(
    browser: Browser, lonely_explorer: Running
) -> None:
    with visiting(browser, str(lonely_explorer.browser.base_url)) as visit:
        page = visit.go("/dashboards")
        page.locator(".hits a").first.click()

        expect(page.locator("#dashboard-problem")).to_contain_text("apt-get install prometheus")
