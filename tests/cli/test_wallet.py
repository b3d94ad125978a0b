"""Wallets from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taonet.cli.wallet import wallet_app
from taonet.kit.keys import load_coldkey, load_hotkey


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAONET_WALLET_PATH", str(tmp_path))
    return tmp_path


def test_a_new_wallet_is_listed_with_its_keys(folder: Path) -> None:
    made = CliRunner().invoke(wallet_app, ["new", "alice", "--no-encrypt", "--hotkey", "miner"])
    listed = json.loads(CliRunner().invoke(wallet_app, ["list", "--json"]).stdout)

    assert made.exit_code == 0
    assert [(key["name"], key["kind"]) for key in listed] == [
        ("alice", "coldkey"),
        ("alice/miner", "hotkey"),
    ]
    assert listed[0]["address"] == load_coldkey(str(folder), "alice").ss58_address
    assert listed[1]["address"] == load_hotkey(str(folder), "alice", "miner").ss58_address


def test_an_encrypted_coldkey_needs_its_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse battery")
    assert CliRunner().invoke(wallet_app, ["new", "alice"]).exit_code == 0

    address = load_coldkey(str(folder), "alice", "correct horse battery").ss58_address
    assert address in CliRunner().invoke(wallet_app, ["list"]).stdout
    assert b"secretPhrase" not in (folder / "alice" / "coldkey").read_bytes()


def test_a_second_new_leaves_the_keys_alone(folder: Path) -> None:
    CliRunner().invoke(wallet_app, ["new", "alice", "--no-encrypt"])
    before = (folder / "alice" / "coldkey").read_bytes()
    again = CliRunner().invoke(wallet_app, ["new", "alice", "--hotkey", "second"])

    assert again.stderr == "alice has a coldkey already, which stays as it was\n"
    assert (folder / "alice" / "coldkey").read_bytes() == before
    assert (folder / "alice" / "hotkeys" / "second").exists()
