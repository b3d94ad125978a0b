"""What the pages are computed by: weights, payouts, Grafana's JSON. No network."""

from pathlib import Path
from typing import Any

import pytest
from tests.explorer.fake_network import FakeNetwork

from chain_service.schemas import Payout, WeightRow
from taonet.explorer.boards import fill_variables, load_boards, read_board
from taonet.explorer.describing import describe_fields
from taonet.explorer.payouts import SPARK_STEPS, Payouts
from taonet.explorer.prometheus import SERIES_MAX, Line, gather, spread, write_label
from taonet.explorer.settings import ExplorerSettings
from taonet.explorer.tables import fill_macros
from taonet.explorer.weighing import choose_columns, mean_shares, weigh_raters

NEURONS = {neuron.uid: neuron for neuron in FakeNetwork().metagraph().neurons}


def weigh(*rows: tuple[int, list[tuple[int, int]]]) -> Any:
    return weigh_raters([WeightRow(uid=uid, weights=weights) for uid, weights in rows], NEURONS)


def test_raters_that_say_the_same_agree_wholly_whatever_their_scale() -> None:
    raters = weigh((4, [(0, 30), (1, 10)]), (5, [(0, 3), (1, 1)]))

    assert [round(rater.agreement, 12) for rater in raters] == [1.0, 1.0]
    assert sum(rater.stake_share for rater in raters) == pytest.approx(1.0)
    assert mean_shares(raters) == pytest.approx({0: 0.75, 1: 0.25})


def test_raters_that_share_nothing_agree_as_far_as_their_own_stake() -> None:
    first, second = weigh((4, [(0, 1)]), (5, [(1, 1)]))

    assert first.agreement == pytest.approx(first.stake_share)
    assert second.agreement == pytest.approx(second.stake_share)


def test_what_a_neuron_gives_itself_and_who_is_gone_count_for_nothing() -> None:
    [rater] = weigh((4, [(4, 5), (0, 5)]), (99, [(0, 1)]))

    assert rater.shares == {0: 1.0}
    assert choose_columns([rater], 5) == [0]


def payout(height: int, *amounts: int) -> Payout:
    uids = list(range(len(amounts)))
    return Payout(
        height=height, time_ms=0, issuance_rao=height, uids=uids, amounts_rao=list(amounts)
    )


def test_sparks_are_each_on_its_own_scale_and_begin_with_the_slot() -> None:
    payouts = Payouts()
    for height in (30, 20, 10):
        payouts.prepend(payout(height, height, 500))
    old = NEURONS[0].model_copy(update={"uid": 0, "registered_block": 1})
    young = NEURONS[1].model_copy(update={"uid": 1, "registered_block": 20})

    assert payouts.sparks([old, young]) == [[33, 66, 99], [0, 0, 99]]
    assert [amount for _, amount in payouts.of(young)] == [500]
    assert payouts.sparks([]) == []
    for height in range(40, 40 + 10 * SPARK_STEPS, 10):
        payouts.prepend(payout(height, 1))
    assert len(payouts.sparks([old])[0]) == SPARK_STEPS


def test_every_dashboard_that_ships_is_read_whole() -> None:
    folder = ExplorerSettings().dashboards()
    boards = load_boards(folder)

    assert len(boards) == len(list(folder.glob("*.json"))) > 1
    panels = [panel for board in boards for panel in board.panels]
    assert all(panel.title and panel.targets for panel in panels)
    for board in boards:
        for panel in board.panels:
            for target in panel.targets:
                text = fill_variables(target.text, board.variables, 15, 900)
                assert "$" not in fill_macros(text, board.variables, 900, 10**9), panel.title


def test_panels_within_a_closed_row_are_read_and_others_of_no_row(tmp_path: Path) -> None:
    inner = {"type": "stat", "title": "b", "targets": [{"expr": "up"}]}
    told = {
        "uid": "x",
        "title": "X",
        "panels": [
            {"type": "timeseries", "title": "a", "targets": [{"expr": "up", "legendFormat": "l"}]},
            {"type": "row", "title": "closed", "panels": [inner]},
        ],
        "templating": {"list": [{"name": "process", "type": "query", "includeAll": True}]},
    }
    board = read_board(told)

    assert [(s.title, len(s.panels)) for s in board.sections] == [("", 1), ("closed", 1)]
    assert [panel.number for panel in board.panels] == [0, 1]
    assert board.variables == {"process": ".*"}
    (tmp_path / "broken.json").write_text("{")
    assert load_boards(tmp_path) == []


def test_variables_are_put_in_and_unknown_ones_stay() -> None:
    text = 'rate(a{process=~"$process"}[$__rate_interval]) + ${process:regex} + $other'

    assert fill_variables(text, {"process": ".*"}, 15, 900) == (
        'rate(a{process=~".*"}[60s]) + .* + $other'
    )


def test_times_of_sql_panels_are_those_of_the_range() -> None:
    text = "SELECT $__timeGroup(at, '1m'), x FROM t WHERE $__timeFilter(at) AND at < $__timeTo()"

    assert fill_macros(text, {}, 900, 1_000) == (
        "SELECT to_timestamp(floor(extract(epoch FROM at) / 5) * 5), x FROM t "
        "WHERE at BETWEEN to_timestamp(100) AND to_timestamp(1000) AND at < to_timestamp(1000)"
    )


def test_answers_of_prometheus_become_lines() -> None:
    assert write_label("uid {{uid}} {{ gone }}", {"uid": "3"}) == "uid 3 "
    assert write_label("", {"__name__": "up", "job": "a"}) == "job a"
    assert spread([(10, "1"), (20, "NaN")], range(10, 31, 10)) == [1.0, None, None]
    many = [Line(str(number), [float(number)]) for number in range(SERIES_MAX + 5)]
    kept = gather(range(0, 1), many)
    assert (len(kept.lines), kept.left_out) == (SERIES_MAX, 5)
    assert kept.lines[0].label == "5"


def test_fields_say_amounts_in_tao_and_link_what_has_a_page() -> None:
    told = {"uid": 3, "amount_rao": "1500000000", "receiver": "5" * 48, "n": 1}
    fields = describe_fields({**told, "calls": [{"call": "transfer", "arguments": {}}] * 2})

    assert [(f.name, f.text, f.link) for f in fields] == [
        ("uid", "3", "/neurons/3"),
        ("amount", "1.500000000 TAO", ""),
        ("receiver", "55555555…5555", f"/accounts/{'5' * 48}"),
        ("n", "1", ""),
        ("calls", "transfer, transfer", ""),
    ]
