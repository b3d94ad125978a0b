import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from taonet.kit.money import AMOUNT_MAX, AmountInJson, format_tao, parse_btc, parse_tao


class Payment(BaseModel):
    amount_rao: AmountInJson


@given(st.integers(0, AMOUNT_MAX))
def test_an_amount_survives_json_and_peoples_notation(amount: int) -> None:
    payment = Payment(amount_rao=amount)

    assert payment == Payment.model_validate_json(payment.model_dump_json())
    assert f'{{"amount_rao":"{amount}"}}' == payment.model_dump_json()
    assert amount == parse_tao(format_tao(amount).replace(",", ""))
    assert parse_btc(f"{amount // 10**8}.{amount % 10**8:08d}") == amount


@pytest.mark.parametrize("bad", ["-1", "1.0", "1e3", " 1", "", "٣", "1" * 21, 1.0, True, None, -1])
def test_what_is_not_an_amount_is_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        Payment.model_validate({"amount_rao": bad})


@pytest.mark.parametrize("bad", ["0.0000000001", "-1", "NaN", "Infinity", "one", "1e400"])
def test_what_is_not_a_tao_amount_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="TAO"):
        parse_tao(bad)
