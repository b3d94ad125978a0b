"""Names on the hub: what is told of those it does not know, and when it does not answer."""

import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from server_service.tokenizer import ModelUnreadable, load_tokenizer


@pytest.fixture(autouse=True)
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the hub's models lie once they are fetched; the hub itself is out of reach."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that knows no name: what it was asked."""
    asked: list[str] = []

    class NotFound(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), NotFound) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


def test_a_name_unknown_to_the_hub_is_told_after_one_question(hub: list[str]) -> None:
    with pytest.raises(ModelUnreadable, match=r"acrn: .* no model of that name on the hub"):
        load_tokenizer("acrn")

    assert [asked for asked in hub if "acrn" in asked] == ["GET /api/models/acrn"]


def test_a_hub_out_of_reach_is_told_at_once(fetched: Path) -> None:
    began = time.monotonic()

    with pytest.raises(ModelUnreadable, match="the hub is out of reach"):
        load_tokenizer("acrn")

    assert time.monotonic() - began < 2


def test_what_was_fetched_serves_while_the_hub_is_away(fetched: Path, model_folder: Path) -> None:
    folder, revision = fetched / "models--acorn", "0" * 40
    shutil.copytree(model_folder, folder / "snapshots" / revision)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)

    assert load_tokenizer("acorn").sha256 == load_tokenizer(str(model_folder)).sha256
