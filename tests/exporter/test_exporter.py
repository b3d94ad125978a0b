"""The exporter on real stores: queues, streams, and what both stores say of themselves."""

from collections.abc import Callable, Iterator

import pytest
import redis
from fastapi.testclient import TestClient
from tests.streams import read_group

from taonet.exporter.app import create_app
from taonet.kit.queue import create_celery


@pytest.fixture
def exporter(
    redis_url: str, database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setenv("TAONET_DATABASE_URL", database("chain_service"))
    monkeypatch.setenv("TAONET_REDIS_URL", redis_url)
    with TestClient(create_app()) as client:
        yield client


def send_jobs(redis_url: str, prefix: str, count: int) -> None:
    app = create_celery("test", redis_url, [], prefix=prefix)
    app.conf.task_default_queue = "rounds"
    for _ in range(count):
        app.send_task("nobody.works", queue="rounds")
    app.close()


def test_jobs_are_counted_by_application_and_queue(exporter: TestClient, redis_url: str) -> None:
    send_jobs(redis_url, "validator-1", 3)

    shown = exporter.get("/metrics").text

    waiting = 'taonet_queue_waiting_jobs{application="validator-1",queue="%s"} %d\n'
    assert waiting % ("rounds", 3) in shown
    assert waiting % ("scoring", 0) in shown, "an empty queue is told of too"
    assert 'taonet_queue_unacknowledged_jobs{application="validator-1"} 0\n' in shown


def test_streams_tell_how_far_their_readers_are(exporter: TestClient, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        fields = {"id": 1, "kind": "Said", "body": "{}"}
        client.xadd("chain.blocks", fields)
        read_group(client, "chain.blocks", "watchers", lambda event: None)
        client.xadd("chain.blocks", fields)

    shown = exporter.get("/metrics").text

    named = '{stream="chain.blocks",group="watchers"}'
    assert 'taonet_stream_entries{stream="chain.blocks"} 2\n' in shown
    assert f"taonet_stream_lag_entries{named} 1\n" in shown
    assert f"taonet_stream_pending_entries{named} 0\n" in shown


def test_both_stores_tell_of_themselves(exporter: TestClient) -> None:
    shown = exporter.get("/metrics").text

    figures = dict(line.rsplit(" ", 1) for line in shown.splitlines() if line[:1] != "#")
    assert float(figures["taonet_redis_memory_bytes"]) > 100_000
    assert float(figures["taonet_redis_evicted_keys_total"]) == 0
    assert 0 < float(figures["taonet_postgres_connections"]) <= 200
    assert float(figures["taonet_postgres_commits_total"]) > 0
    assert figures["taonet_state_readable"] == "1"


def test_a_store_that_is_away_is_said_and_nothing_else_breaks(
    database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAONET_DATABASE_URL", database("chain_service"))
    monkeypatch.setenv("TAONET_REDIS_URL", "redis://127.0.0.1:1/0")
    with TestClient(create_app()) as client:
        answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "\ntaonet_state_readable 0\n" in answer.text
    assert "taonet_build_info" in answer.text
