import pytest
from typer.testing import CliRunner

from exchange_service.domain.laboratory import Laboratory, MalformedCommand
from taonet.cli.lab import lab_app

STEP = 10_000_000


def new(name: str, side: str, price: int, steps: int, owner: str, **more: str) -> dict[str, object]:
    return {
        "op": "new", "id": name, "side": side, "price_sat": price,
        "quantity_rao": steps * STEP, "owner": owner, **more,
    }  # fmt: skip


def test_price_first_then_time() -> None:
    laboratory = Laboratory()
    laboratory.run(new("late", "SELL", 500_100, 1, "ann"))
    laboratory.run(new("first", "SELL", 500_000, 1, "ben"))
    laboratory.run(new("second", "SELL", 500_000, 1, "cat"))
    assert [
        {"report": "accepted", "id": "taker"},
        trade("taker", "first", 500_000, 1),
        trade("taker", "second", 500_000, 1),
        {"report": "expired", "id": "taker", "quantity_rao": STEP},
    ] == laboratory.run(new("taker", "BUY", 500_000, 3, "dan", tif="IOC"))


def test_amending_down_keeps_the_place_in_the_queue() -> None:
    laboratory = Laboratory()
    laboratory.run(new("first", "BUY", 500_000, 5, "ann"))
    laboratory.run(new("second", "BUY", 500_000, 5, "ben"))
    (amended,) = laboratory.run({"op": "amend", "id": "first", "quantity_rao": 2 * STEP})
    (more,) = laboratory.run({"op": "amend", "id": "second", "quantity_rao": 6 * STEP})
    reports = laboratory.run(new("taker", "SELL", 500_000, 3, "cat"))
    assert amended["report"] == "amended"
    assert more["report"] == "rejected"
    assert [trade("taker", "first", 500_000, 2), trade("taker", "second", 500_000, 1)] == (
        reports[1:]
    )


def test_cancelling_what_is_not_there_is_rejected() -> None:
    laboratory = Laboratory()
    assert laboratory.run({"op": "cancel", "id": 9})[0]["report"] == "rejected"
    laboratory.run(new("a", "BUY", 500_000, 5, "ann"))
    assert laboratory.run({"op": "cancel", "id": "a"})[0]["report"] == "cancelled"
    assert laboratory.run({"op": "cancel", "id": "a"})[0]["report"] == "rejected"


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"op": "new", "id": 1},
        {"op": "new", "id": 1, "side": "BUY", "price_sat": 1.5, "quantity_rao": STEP},
        {"op": "new", "id": [], "side": "BUY", "price_sat": 100, "quantity_rao": STEP},
        {"op": "new", "id": 1, "side": "UP", "price_sat": 100, "quantity_rao": STEP},
    ],
)
def test_what_is_no_command(line: dict[str, object]) -> None:
    with pytest.raises(MalformedCommand):
        Laboratory().run(line)


def test_the_command_line_reads_lines_and_writes_lines() -> None:
    lines = (
        '{"op":"new","id":1,"side":"SELL","price_sat":500000,"quantity_rao":10000000,"owner":"a"}\n'
        '{"op":"new","id":2,"side":"BUY","type":"MARKET","quantity_rao":10000000,"owner":"b"}\n'
    )
    result = CliRunner().invoke(lab_app, ["match"], input=lines)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        '{"report":"accepted","id":1}',
        '{"report":"accepted","id":2}',
        '{"report":"trade","taker":2,"maker":1,"price_sat":500000,"quantity_rao":10000000}',
    ]
    assert CliRunner().invoke(lab_app, ["match"], input="[]\n").exit_code == 1


def trade(taker: str, maker: str, price: int, steps: int) -> dict[str, object]:
    return {
        "report": "trade", "taker": taker, "maker": maker, "price_sat": price,
        "quantity_rao": steps * STEP,
    }  # fmt: skip


def test_an_id_is_an_open_order_s_alone() -> None:
    laboratory = Laboratory()
    laboratory.run(new("a", "BUY", 500_000, 5, "ann"))
    duplicate = {"report": "rejected", "id": "a", "reason": "Duplicate order sent."}
    assert laboratory.run(new("a", "BUY", 400_000, 5, "ben")) == [duplicate]
    assert laboratory.run({"op": "cancel", "id": "a"})[0]["report"] == "cancelled"
    assert laboratory.run(new("a", "BUY", 400_000, 5, "ann"))[0]["report"] == "accepted"


def test_a_rejected_order_leaves_no_name_behind() -> None:
    laboratory = Laboratory()
    laboratory.run(new("a", "SELL", 500_000, 5, "ann"))
    laboratory.run({"op": "cancel", "id": "a"})
    (rejected,) = laboratory.run(new("a", "SELL", 50, 5, "ann"))
    assert rejected["report"] == "rejected"
    assert laboratory.run({"op": "cancel", "id": "a"})[0]["reason"] == "Unknown order sent."
    assert laboratory.run(new("b", "SELL", 500_000, 5, "ann"))[0]["report"] == "accepted"
    reports = laboratory.run(new("taker", "BUY", 500_000, 5, "ben"))
    assert reports[1:] == [trade("taker", "b", 500_000, 5)]
