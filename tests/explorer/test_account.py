"""The account page: the person's key passes through, and an address becomes a code."""

from tests.explorer.conftest import Running
from tests.explorer.fake_network import GATEWAY_KEY

KEY = {"authorization": f"Bearer {GATEWAY_KEY}", "accept": "*/*"}
ADDRESS = "5CX8HR2bXvrbHAs1BhNnDPvhTqFBNzMTufCqhR4NHsEKFeLR"


def test_the_page_asks_for_a_key_and_shows_nothing_yet(explorer: Running) -> None:
    page = explorer.browser.get("/account")

    assert page.status_code == 200
    assert 'id="sign-in"' in page.text
    assert GATEWAY_KEY not in page.text


def test_a_part_of_the_account_passes_through(explorer: Running) -> None:
    shown = explorer.browser.get("/account/data/summary", headers=KEY)
    wrong = explorer.browser.get(
        "/account/data/summary", headers={**KEY, "authorization": "Bearer wrong"}
    )
    nobody = explorer.browser.get("/account/data/summary", headers={"accept": "*/*"})

    assert shown.json()["balance_rao"] == "5"
    assert (wrong.status_code, nobody.status_code) == (401, 401)


def test_a_part_that_there_is_not_is_refused(explorer: Running) -> None:
    assert explorer.browser.get("/account/data/nothing", headers=KEY).status_code == 422


def test_an_address_is_drawn_and_nothing_else_is(explorer: Running) -> None:
    drawn = explorer.browser.get("/account/qr", params={"address": ADDRESS})
    script = explorer.browser.get("/account/qr", params={"address": "<script>" * 6})

    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.startswith("<svg")
    assert script.status_code == 422
