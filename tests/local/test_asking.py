"""A container's health check, asked of a page that is ready, of one that is not, and of nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.conftest import free_port

from taonet.local.asking import is_ready


@contextmanager
def page(status: int) -> Iterator[int]:
    """Answer `/readyz` with a status, at a port."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_what_the_page_says_is_said_on(status: int, ready: bool) -> None:
    with page(status) as port:
        assert is_ready(port) is ready


def test_nobody_is_not_ready() -> None:
    assert not is_ready(free_port())
