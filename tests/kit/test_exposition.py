import prometheus_client.parser
import pytest

from taonet.kit.exposition import Exposition


def parse(page: Exposition) -> dict[str, list[tuple[dict[str, str], float]]]:
    families = prometheus_client.parser.text_string_to_metric_families(str(page))
    samples = [sample for family in families for sample in family.samples]
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for sample in samples:
        found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_is_written_is_what_prometheus_reads() -> None:
    page = Exposition()
    page.value("gauge", "taonet_height", "Height.", 7)
    page.series(
        "counter", "taonet_paid_total", "Paid.", ("uid", "code"), [(0, "ok", 5), (1, "x", 6)]
    )

    found = parse(page)

    assert found["taonet_height"] == [({}, 7)]
    assert found["taonet_paid_total"] == [
        ({"uid": "0", "code": "ok"}, 5),
        ({"uid": "1", "code": "x"}, 6),
    ]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", '"} 1\nfake_metric 2'])
def test_a_strangers_name_stays_inside_its_label(name: str) -> None:
    page = Exposition()
    page.series("gauge", "taonet_neuron_info", "Who.", ("name",), [(name, 1)])

    assert parse(page) == {"taonet_neuron_info": [({"name": name}, 1)]}


def test_a_histogram_has_buckets_sum_and_count() -> None:
    page = Exposition()
    buckets = [(0.5, 2), (1.0, 3), (float("inf"), 4)]
    page.histogram("taonet_run_seconds", "Run.", ("task",), [(("score",), buckets, 9.5)])

    found = parse(page)

    bounds = [(labels["le"], value) for labels, value in found["taonet_run_seconds_bucket"]]
    assert bounds == [("0.5", 2), ("1.0", 3), ("+Inf", 4)]
    assert found["taonet_run_seconds_count"] == [({"task": "score"}, 4)]
    assert found["taonet_run_seconds_sum"] == [({"task": "score"}, 9.5)]
