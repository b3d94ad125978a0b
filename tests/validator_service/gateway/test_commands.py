"""`taonet key new`, as a person and as a program would use it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from taonet.kit.keys import ensure_wallet
from validator_service.ledger.commands import key_app

RUN = "from validator_service.commands import validator_app; validator_app()"


def test_a_key_is_made_for_a_wallet_by_name_or_address(gateway_url: str, tmp_path: Path) -> None:
    address = ensure_wallet(tmp_path, "alice", []).coldkeypub.ss58_address

    def new(account: str, *options: str) -> Any:
        arguments = ["new", "--account", account, "--gateway", gateway_url]
        return CliRunner().invoke(key_app, [*arguments, "--wallet-path", str(tmp_path), *options])

    by_name, by_address = json.loads(new("alice", "--json").stdout), new(address).stdout

    assert by_name["api_key"].startswith("sk-taonet-")
    assert by_name["deposit_address"] in by_address
    assert by_name["api_key"] not in by_address
    missing = new("bob")
    assert "no wallet" in str(missing.exception)


def test_an_encrypted_coldkey_signs_by_the_password_in_the_environment(
    gateway_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_wallet(tmp_path, "carol", [], "correct horse battery")
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse battery")
    arguments = ["new", "--account", "carol", "--gateway", gateway_url, "--json"]

    made = CliRunner().invoke(key_app, [*arguments, "--wallet-path", str(tmp_path)])

    assert json.loads(made.stdout)["api_key"].startswith("sk-taonet-")


def test_a_gateway_that_is_away_is_told(tmp_path: Path) -> None:
    ensure_wallet(tmp_path, "alice", [])
    arguments = ["new", "--account", "alice", "--gateway", "http://127.0.0.1:9"]

    result = CliRunner().invoke(key_app, [*arguments, "--wallet-path", str(tmp_path)])

    assert "is it running?" in str(result.exception)


def test_one_command_runs_a_whole_validator(
    chain: Any, make_server: Any, environment: dict[str, str], wait: Any
) -> None:
    server = make_server(0.5)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "run"],
        env={**os.environ, **environment, "TAONET_VALIDATOR_AXON_PORT": port},
    )
    try:
        wait(lambda: chain.weights, 60)
        wait(lambda: httpx.get(f"http://127.0.0.1:{port}/v1/models").json()["data"][1:])
    finally:
        process.terminate()
        code = process.wait(timeout=30)

    assert code == 0
    assert chain.registrations == 1
    (validator,) = [n for n in chain.neurons if n["hotkey"] != server.hotkey]
    assert validator["axon"] == {"ip": "127.0.0.1", "port": int(port)}
    shown = chain.weights[validator["hotkey"]]
    assert set(shown) == {0, validator["uid"]}
