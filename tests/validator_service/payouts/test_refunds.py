"""A balance goes back to whom it belongs to, once."""

from dataclasses import replace
from typing import Any

import pytest
from tests.validator_service.payouts.test_paying import audit, pay

from taonet.kit.db import begin
from validator_service.payouts.refund_repository import list_refunds
from validator_service.payouts.refunding import Fees, NothingToRefund, request_refund

TAO = 10**9


@pytest.fixture
def fees(books: Any) -> Fees:
    parameters = books.chain.running.client.parameters()
    return Fees(
        parameters.transfer_fee_rao,
        parameters.fee_rao_per_byte,
        parameters.existential_deposit_rao,
    )


def ask_back(books: Any, amount_rao: int | None, fees: Fees) -> None:
    with begin(books.pool) as conn:
        request_refund(conn, books.caller.account, amount_rao, fees)


def test_refunds_and_shares_leave_in_one_batch_and_the_books_agree(books: Any, fees: Fees) -> None:
    owner, consumer = books.chain.owner.ss58_address, books.consumer
    before = books.chain.free_rao(consumer)
    books.use(5_000_000, 4_000_000, owner)

    ask_back(books, 100_000_000, fees)
    asked = audit(books)
    pay(books)
    ask_back(books, None, fees)
    pay(books)

    assert asked.balanced, asked.problems
    assert asked.consumers_rao == TAO // 2 - 5_000_000 - fees.refund_rao()
    arrived = TAO // 2 - 5_000_000 - 2 * fees.refund_rao()
    assert books.chain.free_rao(consumer) - before == arrived
    assert books.chain.free_rao(owner) == 4_000_000
    with begin(books.pool) as conn:
        refunds = list_refunds(conn, books.caller.account, 10)
    assert [refund.state for refund in refunds] == ["settled", "settled"]
    assert books.rows("SELECT count(*) FROM payment WHERE kind = 'payout'") == [(2,)]
    seen = audit(books)
    assert seen.balanced, seen.problems
    assert seen.consumers_rao == 0


def test_what_is_not_there_or_too_little_is_not_sent(books: Any, fees: Fees) -> None:
    least = fees.refund_rao() + max(fees.existential_deposit_rao, 1)
    with pytest.raises(NothingToRefund, match="no call holds"):
        ask_back(books, TAO, fees)
    with pytest.raises(NothingToRefund, match="least"):
        ask_back(books, least - 1, fees)
    dear = replace(fees, transfer_fee_rao=TAO)
    with pytest.raises(NothingToRefund):
        ask_back(books, None, dear)

    assert books.rows("SELECT count(*) FROM refund") == [(0,)]
    assert audit(books).balanced
