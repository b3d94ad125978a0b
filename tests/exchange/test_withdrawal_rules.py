"""Large withdrawals are held, lists of addresses are kept to, limits hold against a crowd."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from exchange_service.client import ExchangeRefusal
from exchange_service.domain.commands import Asset, SetFeeRates
from exchange_service.domain.payout import AllowList, PayoutRules, is_allowed
from exchange_service.signer.operations import WillNotSign
from exchange_service.signer.schemas import ChainPlace

from .conftest import Box

SOMEBODY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
OTHER = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
PLACE = ChainPlace(genesis_hash="ab" * 32, nonce=0, last_valid_block=100)
TAO = 10**9


def sign(box: Box, number: str) -> Any:
    signer = box.http.app.state.funds_terms.desk.signer  # type: ignore[attr-defined]
    return signer.sign_tao(int(number), PLACE)


def shift_time(box: Box, seconds: int) -> None:
    """Let everything have happened so much earlier."""
    with box.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
        milliseconds = seconds * 1_000
        conn.execute("UPDATE withdrawal SET requested_ms = requested_ms - %s", (milliseconds,))
        conn.execute("UPDATE withdrawal_address SET added_ms = added_ms - %s", (milliseconds,))
        conn.execute("UPDATE allow_list SET changed_ms = changed_ms - %s", (milliseconds,))


def test_a_large_withdrawal_is_held_and_can_be_taken_back(box: Box) -> None:
    ann = box.trader("ann", tao=500)
    number = ann.withdraw("101", SOMEBODY)["id"]
    (seen,) = ann.withdrawals()
    assert (seen["status"], seen["info"][:4]) == (2, "held")
    with pytest.raises(WillNotSign, match="still held"):
        sign(box, number)
    ann.cancel_withdrawal(number)
    with pytest.raises(WillNotSign, match="cancelling"):
        sign(box, number)
    finish_cancellations(box)
    assert ann.balances()["TAO"] == ("500.000000000", "0.000000000")
    assert ann.withdrawals()[0]["status"] == 1
    with pytest.raises(ExchangeRefusal, match="signed already"):
        ann.cancel_withdrawal(number)
    assert box.audit().sound


def test_once_its_time_has_come_it_is_signed_and_cannot_be_taken_back(box: Box) -> None:
    ann, bob = box.trader("ann", tao=500), box.trader("bob")
    number = ann.withdraw("101", SOMEBODY)["id"]
    with pytest.raises(ExchangeRefusal, match="not this account's"):
        bob.cancel_withdrawal(number)
    shift_time(box, 61)
    assert sign(box, number).arguments["receiver"] == SOMEBODY
    with pytest.raises(ExchangeRefusal, match="signed already"):
        ann.cancel_withdrawal(number)
    with pytest.raises(WillNotSign, match="not signed again"):
        sign(box, number)


def test_an_allow_list_holds_against_a_stolen_key(box: Box) -> None:
    ann = box.trader("ann", tao=50)
    ann.list_address("TAO", SOMEBODY, "my vault")
    ann.enforce_allow_list()
    with pytest.raises(ExchangeRefusal, match="-4035"):
        ann.withdraw("1", SOMEBODY)
    shift_time(box, 61)
    sign(box, ann.withdraw("1", SOMEBODY)["id"])
    with pytest.raises(ExchangeRefusal, match="-4035"):
        ann.withdraw("1", OTHER)
    ann.enforce_allow_list(False)
    with pytest.raises(ExchangeRefusal, match="-4035"):
        ann.withdraw("1", OTHER)
    shift_time(box, 61)
    ann.withdraw("1", OTHER)
    assert [row["label"] for row in ann.withdrawal_addresses()] == ["my vault"]


def test_the_signer_keeps_to_the_list_whatever_the_desk_says(box: Box) -> None:
    ann = box.trader("ann", tao=50)
    number = ann.withdraw("1", OTHER)["id"]
    ann.enforce_allow_list()
    with pytest.raises(WillNotSign, match="not on the list"):
        sign(box, number)


def test_a_day_has_a_limit_for_an_account_and_for_the_signer(box: Box) -> None:
    ann = box.trader("ann", tao=30_000)
    ann.withdraw("9000", SOMEBODY)
    with pytest.raises(ExchangeRefusal, match="-4023"):
        ann.withdraw("1001", SOMEBODY)
    ann.withdraw("1000", SOMEBODY)
    shift_time(box, 24 * 3_600)
    ann.withdraw("9000", SOMEBODY)
    signer: Any = box.http.app.state.funds_terms.desk.signer  # type: ignore[attr-defined]
    signer._rules = signer._rules._replace(signer_daily={Asset.TAO: 9_500 * TAO, Asset.BTC: 0})
    sign(box, "1")
    with pytest.raises(WillNotSign, match="limit for TAO"):
        sign(box, "2")


def test_the_signer_gives_a_nonce_to_one_payment(box: Box) -> None:
    ann = box.trader("ann", tao=50)
    first, second = ann.withdraw("1", SOMEBODY)["id"], ann.withdraw("1", SOMEBODY)["id"]
    sign(box, first)
    with pytest.raises(WillNotSign, match="on its way"):
        sign(box, second)


def test_a_crowd_of_requests_for_all_of_it_gets_it_once(box: Box) -> None:
    """Failure mode 1: parallel withdrawals that overdraw."""
    ann = box.trader("ann", tao=50)
    start = threading.Barrier(20)

    def ask(number: int) -> str:
        start.wait()
        try:
            return str(ann.withdraw("50", SOMEBODY)["id"])
        except ExchangeRefusal as refusal:
            return refusal.code

    answers: list[str] = []
    for _ in range(10):
        with ThreadPoolExecutor(20) as crowd:
            answers += crowd.map(ask, range(20))
    # −1021: the same bytes in the same millisecond count as sent twice.
    assert {"-4026", "1"} <= set(answers) <= {"-4026", "1", "-1021"}
    assert answers.count("1") == 1
    assert ann.balances()["TAO"] == ("0.000000000", "50.000000000")
    assert box.audit().sound


def test_listed_addresses_are_checked(box: Box) -> None:
    ann = box.trader("ann")
    with pytest.raises(ExchangeRefusal, match="-4007"):
        ann.list_address("TAO", "nowhere")
    with pytest.raises(ExchangeRefusal, match="-4019"):
        ann.list_address("BTC", "bcrt1qytss5wmafr0ktc7s9436vjr8xgnlj6wul6qvay")


@pytest.mark.parametrize("enforced", ["True", "1", "on", ""])
def test_an_allow_list_is_not_switched_off_by_a_word_that_means_yes(
    box: Box, enforced: str
) -> None:
    ann = box.trader("ann", tao=50)
    ann.enforce_allow_list()
    with pytest.raises(ExchangeRefusal, match=r"-1130|-1102"):
        ann._signed("PUT", "/exchange/v1/allow-list", enforced=enforced)
    shift_time(box, 61)
    with pytest.raises(ExchangeRefusal, match="-4035"):
        ann.withdraw("1", SOMEBODY)


@pytest.mark.parametrize(("coin", "network"), [("TAO", "BTC"), ("TAO", "ETH"), ("TAO", "tao")])
def test_a_network_that_is_not_the_coins_is_refused(box: Box, coin: str, network: str) -> None:
    """Who names another chain has an address there: the coins would be lost."""
    ann = box.trader("ann", tao=50)
    asked = {"coin": coin, "network": network, "amount": "1", "address": SOMEBODY}
    with pytest.raises(ExchangeRefusal, match=r"-1130.*network"):
        ann._signed("POST", "/sapi/v1/capital/withdraw/apply", **asked)
    with pytest.raises(ExchangeRefusal, match=r"-1130.*network"):
        ann._signed("GET", "/sapi/v1/capital/deposit/address", coin=coin, network=network)
    assert ann._signed("POST", "/sapi/v1/capital/withdraw/apply", **{**asked, "network": "TAO"})


def test_the_same_name_is_the_same_withdrawal(box: Box) -> None:
    """Failure mode 4: whoever got no answer asks again, and learns the first one's number."""
    ann = box.trader("ann", tao=50)
    first = ann.withdraw("40", SOMEBODY, "rent")
    assert ann.withdraw("40", SOMEBODY, "rent") == first
    assert ann.balances()["TAO"] == ("10.000000000", "40.000000000")
    with pytest.raises(ExchangeRefusal, match="-4115"):
        ann.withdraw("1", SOMEBODY, "rent")
    # It stays so when the rules have changed since.
    ann.enforce_allow_list()
    assert ann.withdraw("40", SOMEBODY, "rent") == first
    assert len(ann.withdrawals()) == 1


def test_an_account_sees_the_rates_that_its_own_orders_pay(box: Box) -> None:
    ann, bob = box.trader("ann"), box.trader("bob")
    box.engine.submit(SetFeeRates(0, 1001, 100, 250)).result(10)
    account = ann._signed("GET", "/api/v3/account")
    assert (account["makerCommission"], account["takerCommission"]) == (1, 2)
    assert account["commissionRates"]["maker"] == "0.00010000"
    (fee,) = ann._signed("GET", "/sapi/v1/asset/tradeFee")
    assert (fee["makerCommission"], fee["takerCommission"]) == ("0.00010000", "0.00025000")
    (fee,) = bob._signed("GET", "/sapi/v1/asset/tradeFee")
    assert fee["makerCommission"] == "0.00100000"


def test_a_list_that_was_never_on_forbids_nothing() -> None:
    rules = PayoutRules({}, 60_000, {}, {})
    assert is_allowed(rules, AllowList(False, 0, None), 10**12)
    assert not is_allowed(rules, AllowList(True, 5, None), 10**12)
    assert not is_allowed(rules, AllowList(False, 10**12, None), 10**12 + 59_999)
    assert is_allowed(rules, AllowList(False, 10**12, None), 10**12 + 60_000)


def finish_cancellations(box: Box) -> None:
    from exchange_service.funds.withdrawals import Payer

    state: Any = box.http.app.state  # type: ignore[attr-defined]
    chain: Any = None
    desk = state.funds_terms.desk
    Payer(chain, state.engine, state.pool, desk.signer, desk.rules).finish_cancellations()
