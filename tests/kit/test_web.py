import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from taonet.kit.version import VERSION
from taonet.kit.web import create_app


class Order(BaseModel):
    title: str


def create() -> FastAPI:
    app = create_app("bookshop", title="Bookshop", body_bytes_max=1000, body_seconds_max=0.3)

    @app.post("/orders")
    def order(order: Order) -> Order:
        return order

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/slow-work")
    async def slow_work(request: Request) -> str:
        await request.body()
        try:
            async with asyncio.timeout(0.6):
                await request.receive()
        except TimeoutError:
            return "done"
        return "nobody there"

    @app.get("/mistake")
    def mistake() -> None:
        raise ZeroDivisionError("never shown to callers")

    @app.get("/away")
    def away() -> None:
        raise psycopg.OperationalError("the server closed the connection")

    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create(), raise_server_exceptions=False) as client:
        yield client


def test_a_service_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive", "version": VERSION}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_an_answer_tells_browsers_to_be_careful(client: TestClient) -> None:
    for path in ("/healthz", "/nowhere", "/mistake"):
        headers = client.get(path, headers={"origin": "https://elsewhere.example"}).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers, "closed to other sites' scripts"


def test_a_failing_check_is_named() -> None:
    app = create_app("bookshop", title="Bookshop", checks={"shelf": lambda: "the shelf is empty"})
    with TestClient(app) as client:
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "shelf: the shelf is empty" in answer.json()["error"]["message"]


def test_malformed_input_says_where(client: TestClient) -> None:
    answer = client.post("/orders", json={"name": "dune"})

    assert answer.status_code == 422
    assert answer.json()["error"] == {"code": "Malformed", "message": "body.title: Field required"}


def test_an_unknown_path_has_the_same_error_shape(client: TestClient) -> None:
    assert client.get("/nothing").json()["error"] == {
        "code": "Http404",
        "message": "this service has no GET /nothing; its /docs lists what it has",
    }


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/raw", "/orders"])
def test_a_large_body_is_refused_before_it_is_read(
    client: TestClient, path: str, chunked: bool
) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    answer = client.post(path, content=chunks() if chunked else b"x" * 2000)

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TooLarge")


async def send_in_drops(path: str, drops: int, pause_seconds: float) -> list[dict[str, Any]]:
    """Have the application answer a body that comes letter by letter; then nobody hangs up."""
    left, answered = drops, []

    async def receive() -> dict[str, Any]:
        nonlocal left
        if not left:
            await asyncio.sleep(60)
        left -= 1
        await asyncio.sleep(pause_seconds)
        return {"type": "http.request", "body": b"1", "more_body": left > 0}

    async def send(message: Any) -> None:
        answered.append(message)

    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": "POST"}
    scope |= {
        "path": path,
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    async with asyncio.timeout(10):
        await create()(scope, receive, send)
    return answered


@pytest.mark.parametrize("path", ["/raw", "/orders"])
def test_a_body_that_comes_drop_by_drop_is_cut_off(path: str) -> None:
    began = time.monotonic()

    start, body = asyncio.run(send_in_drops(path, drops=900, pause_seconds=0.05))

    assert 0.25 < time.monotonic() - began < 5
    assert (start["status"], json.loads(body["body"])["error"]["code"]) == (408, "BodyTooSlow")
    assert (b"connection", b"close") in start["headers"]


def test_work_may_take_longer_than_the_body_that_asks_for_it() -> None:
    start, body = asyncio.run(send_in_drops("/slow-work", drops=4, pause_seconds=0.01))

    assert (start["status"], body["body"]) == (200, b'"done"')


def test_every_answer_carries_its_request_id_and_is_counted(client: TestClient) -> None:
    assert len(client.get("/healthz").headers["x-request-id"]) == 32
    metrics = client.get("/metrics").text
    assert (
        'taonet_http_request_seconds_count{method="GET",route="/healthz",status="200"}' in metrics
    )


def test_the_docs_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text

    assert "https://" not in page
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_our_own_mistake_has_the_same_shape_and_gives_nothing_away(client: TestClient) -> None:
    answer = client.get("/mistake")

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalError")
    assert "never shown" not in answer.text


def test_a_database_that_is_away_means_try_again(client: TestClient) -> None:
    answer = client.get("/away")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "Unavailable")
    assert answer.headers["retry-after"] == "1"
