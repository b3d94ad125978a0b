import re

import pytest
from tests.conftest import wait_until
from tests.explorer.conftest import Running
from tests.explorer.fake_network import ALICE, FakeNetwork, hash_of

from chain_service.events import UnknownEvent

PAGES = [
    *("/", "/blocks", "/blocks/90", f"/extrinsics/{hash_of(90 + 99)}", f"/accounts/{ALICE}"),
    *(f"/accounts/{ALICE}?signed_before=60-1&events_before=50-0", "/blocks/90?page=2"),
    *("/supply", "/neurons", "/neurons/0", "/neurons/4", "/validators", "/market", "/trade"),
    *("/playground", "/account", "/status", "/dashboards", "/search?q=5", "/search"),
]
HOSTILE = "<script>alert(1)</script>"


def test_home_shows_head_supply_halving_split_neurons_price_and_health(explorer: Running) -> None:
    page = explorer.page("/")

    for words in (
        '<a href="/blocks/95">95</a>',
        "95.000 <small>TAO</small>",
        "0.0005 % of 21 million TAO",
        "number 1 of 64, in 10,499,906 blocks",
        "5.000 <small>TAO, 50.0 %</small>",
        "= issued, to the rao",
        "<bdi>server-1</bdi>",
        "bid 0.004210 · ask 0.004216",
    ):
        assert words in page


def test_home_lists_neurons_by_what_they_earn(explorer: Running) -> None:
    names = re.findall("<bdi>(.*?)</bdi>", explorer.page("/"))

    expected = ["validator-1", "validator-2", "server-1", "server-2", "server-3", "server-4"]
    assert expected == names


def test_supply_that_does_not_add_up_is_said(
    explorer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_supply = FakeNetwork.supply

    def supply_off_by_seven(self: FakeNetwork, height: int) -> object:
        supply = true_supply(self, height)
        return supply.model_copy(update={"issuance_rao": supply.issuance_rao + 7})

    monkeypatch.setattr(FakeNetwork, "supply", supply_off_by_seven)
    explorer.network.height += 1

    wait_until(lambda: "off by 7 rao" in explorer.page("/"))


@pytest.mark.parametrize("path", ["/", "/neurons"])
def test_names_are_text_and_never_markup(explorer: Running, path: str) -> None:
    explorer.network.neuron_names[0] = HOSTILE
    explorer.network.height = 100

    wait_until(lambda: "&lt;script&gt;alert(1)&lt;/script&gt;" in explorer.page(path))
    assert HOSTILE not in explorer.page(path)


def test_events_are_text_and_never_markup(explorer: Running) -> None:
    event = UnknownEvent.model_validate(
        {"kind": HOSTILE, "height": 7, "index": 0, HOSTILE: [HOSTILE]}
    )
    explorer.network.extra_events[7] = [event]

    page = explorer.page("/blocks/7")

    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") == 3


def test_blocks_are_listed_from_the_newest_and_paged(explorer: Running) -> None:
    newest, older = explorer.page("/blocks"), explorer.page("/blocks?newest=20")

    assert [f"{h}" for h in range(95, 70, -1)] == re.findall(r'id="block-(\d+)"', newest)
    assert [f"{h}" for h in range(20, 0, -1)] == re.findall(r'id="block-(\d+)"', older)
    assert 'href="/blocks?newest=70">older' in newest
    assert 'href="/blocks?newest=45">newer' in older
    assert ">older<" not in older


def test_the_first_block_is_reached_from_the_next_and_mints_nothing(explorer: Running) -> None:
    assert '<a href="/blocks/0" rel="prev">' in explorer.page("/blocks/1")
    genesis = explorer.page("/blocks/0")

    assert 'rel="prev"' not in genesis
    assert "nothing was minted yet" in genesis


def test_a_block_shows_what_was_asked_and_what_happened(explorer: Running) -> None:
    page = explorer.page("/blocks/90")

    assert ">set_weights</a></strong>" in page
    assert "NotRegistered: join" in page
    assert "0, 1, 2, 3, 4, 5, 6, 7, … (12 in all)" in page
    assert "<dt>amount</dt><dd>2.200000000 TAO</dd>" in page
    assert "10.000000000 <small>TAO" in page


def test_neurons_sort_by_each_column(explorer: Running) -> None:
    def names(sort: str) -> list[str]:
        return re.findall("<bdi>(.*?)</bdi>", explorer.page(f"/neurons?sort={sort}"))

    assert names("uid")[:2] == ["server-1", "server-2"]
    assert names("incentive")[:2] == ["server-1", "server-2"]
    assert names("dividends")[:2] == ["validator-1", "validator-2"]
    assert names("role")[-1] == "validator-2"


def test_figures_read_as_people_write_them(explorer: Running) -> None:
    assert "5 blocks ago" in explorer.page("/status")
    explorer.network.height = 101
    wait_until(lambda: "1 block ago" in explorer.page("/status"))
    neuron = explorer.page("/neurons/2")
    assert '<td class="number">0.000</td>' in neuron
    assert "-0.000" not in neuron


def test_market_shows_book_and_trades(explorer: Running) -> None:
    page = explorer.page("/market")

    assert page.count("<td>") == 20
    assert "spread 0.14 %" in page
    assert "bought" in page


def test_what_is_not_there_is_a_page_for_people_and_json_for_programs(explorer: Running) -> None:
    for path, status, words in (
        ("/nowhere", 404, "There is no such page"),
        ("/blocks/4000", 404, "Block 4000 is not there yet"),
        ("/neurons?sort=luck", 422, "The address holds a sort that"),
    ):
        seen = explorer.browser.get(path)
        read = explorer.browser.get(path, headers={"accept": "*/*"})

        assert (status, status) == (seen.status_code, read.status_code)
        assert f"<p>{words}" in seen.text
        message = read.json()["error"]["message"]
        assert message[:1].upper() + message[1 : len(words)] == words


def test_without_the_chain_pages_say_so_and_keep_trying(lonely_explorer: Running) -> None:
    home = lonely_explorer.page("/")
    blocks = lonely_explorer.browser.get("/blocks")

    assert "There is nothing to show yet" in home
    assert 'data-live="block market health"' in home
    assert blocks.status_code == 503
    assert "has not answered yet" in blocks.text
    assert 'data-live="block health"' in blocks.text
    assert "The exchange at http://127.0.0.1:9 does not answer" in lonely_explorer.page("/market")
    assert lonely_explorer.page("/neurons")


def test_a_chain_that_is_not_ready_is_said_and_old_figures_stay(explorer: Running) -> None:
    explorer.network.chain_ready = False

    wait_until(lambda: "The chain is not ready" in explorer.page("/"))
    assert "The figures are those of block 95" in explorer.page("/")


def test_an_exchange_that_stops_is_said(explorer: Running) -> None:
    explorer.network.exchange_answers = False

    wait_until(lambda: "the exchange does not answer; trying again" in explorer.page("/"))


def test_every_answer_lets_the_browser_load_from_this_site_only(explorer: Running) -> None:
    for path in ("/", "/nowhere", "/static/app.js", "/data/emission"):
        headers = explorer.browser.get(path).headers

        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_obey_their_own_policy(explorer: Running) -> None:
    for path in PAGES:
        page = explorer.page(path)

        assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", page)
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
            assert explorer.browser.get(address).status_code == 200
        assert re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.|www\.tradingview)', page) == []
