"""The `taonet` command from outside: help at once, one sentence for an error, JSON for programs."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taonet.cli.main import MOUNTS
from taonet.local.home import Home

BOB = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
NOBODY, NOBODY_DB = "http://127.0.0.1:9", "postgresql://127.0.0.1:9/x"


def run(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "taonet.cli.main", *arguments],
        env={**os.environ, "TAONET_HOME": str(home), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_names_every_command_without_importing_any(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "taonet.cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert [name for name in MOUNTS if name not in told.stdout] == []
    for heavy in ("_service.commands", "pydantic_settings", "httpx", "torch"):
        assert heavy not in told.stderr


def test_status_of_no_cluster_has_all_its_fields(tmp_path: Path) -> None:
    told = run("status", "--json", home=tmp_path / "home")

    assert told.returncode == 0
    status = json.loads(told.stdout)
    assert status["ready"] is False
    assert status["processes"] == []
    assert set(status) >= {"height", "issuance_rao", "addresses", "demo_api_key"}
    places = {"chain", "gateway", "exchange", "explorer", "servers", "prometheus"}
    assert set(status["addresses"]) >= places


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["status"], "`taonet up` starts one"),
        (["logs", "nobody"], "no log of 'nobody'"),
        (["wallet", "balance", "nobody"], "`taonet wallet list` shows them"),
        (["validator", "epochs"], "TAONET_DATABASE_URL: field required"),
        (["register", "--wallet", "nobody", "--wallet-path", "/nowhere"], "no hotkey 'default'"),
        (["stake", "add", "1", "--wallet-path", "/nowhere"], "`taonet wallet list` shows all"),
        (["transfer", BOB, "1", "--wallet-path", "/nowhere"], "no coldkey 'default' in /nowhere"),
        (["wallet", "new", "../x", "--no-encrypt"], "'../x' can't be a key's name"),
        (["wallet", "new", "", "--no-encrypt"], "'' can't be a key's name"),
        (["wallet", "new", "x", "--hotkey", "..", "--no-encrypt"], "'..' can't be a key's name"),
        (["key", "new", "--account", "bob"], "`taonet wallet list` shows all"),
        (["chain", "call", "nominate", "[]"], "the arguments are a JSON object"),
        (
            ["chain", "import", "/nowhere", "--database-url", NOBODY_DB],
            "/nowhere can't be read as an export of a chain",
        ),
        (["exchange", "audit", "--url", NOBODY], f"the exchange at {NOBODY} does not answer"),
        (["gateway", "statement", "--coldkey", "foo"], "'foo' is not an SS58 address"),
        (["chain", "proof", "foo"], "'foo' is not an SS58 address"),
        (["extrinsic", "0x12"], "a hash is 64 hexadecimal digits"),
        (["gateway", "audit", "--gateway", NOBODY], f"the gateway at {NOBODY} does not answer"),
        (
            ["exchange", "key", "new", "--name", "x", "--public-key", "/nowhere"],
            "/nowhere: No such",
        ),
    ],
)
def test_an_error_is_one_sentence_on_standard_error(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    told = run(*arguments, home=tmp_path / "home")

    assert told.returncode == 1
    assert sentence in told.stderr
    assert told.stderr.count("\n") == 1
    assert told.stdout == ""


def test_a_database_that_is_away_is_told_in_one_sentence(tmp_path: Path) -> None:
    export = tmp_path / "chain.gz"
    export.write_bytes(gzip.compress(b'{"header": {}}\n'))
    told = run("chain", "import", str(export), "--database-url", NOBODY_DB, home=tmp_path / "home")
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "the database does not answer" in told.stderr


@pytest.mark.parametrize("command", ["epochs", "parked"])
def test_a_validators_database_that_is_away_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("TAONET_DATABASE_URL", NOBODY_DB)
    monkeypatch.setenv("TAONET_REDIS_URL", "redis://127.0.0.1:9/0")

    told = run("validator", command, home=tmp_path / "home")

    assert told.returncode == 1
    assert "the database does not answer" in told.stderr
    assert told.stderr.count("\n") == 1


def test_what_is_no_backup_is_refused_in_one_sentence(tmp_path: Path) -> None:
    told = run("restore", __file__, home=tmp_path / "home")

    assert told.returncode == 1
    assert f"{__file__} is not a whole backup" in told.stderr
    assert told.stderr.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_down_without_a_cluster_is_no_error(tmp_path: Path) -> None:
    told = run("down", home=tmp_path / "home")

    assert told.returncode == 0
    assert "no cluster is running" in told.stdout


def test_logs_show_the_end_of_a_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.log_file("chain").write_text("one\ntwo\nthree\n")

    assert run("logs", "chain", "-n", "2", home=home.path).stdout == "two\nthree\n"


def test_the_operators_token_is_looked_for_in_the_home_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"ports": {"exchange": 9}}))

    told = run("exchange", "market", "CANCEL_ONLY", home=tmp_path)

    assert told.returncode == 1
    assert str(tmp_path / "secrets" / "exchange_operator") in told.stderr


def test_a_validator_that_no_cluster_has_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"ports": {"postgres": 9, "valkey": 9}}))
    monkeypatch.setenv("TAONET_VALIDATOR_NAME", "validator-9")

    told = run("validator", "epochs", home=tmp_path)

    assert told.returncode == 1
    assert f"no Validator 'validator-9' in {tmp_path}" in told.stderr
    assert run("validator", "--help", home=tmp_path).returncode == 0


def test_simulated_traders_keep_their_keys_in_the_home_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"ports": {"exchange": 9}}))
    (tmp_path / "simulated-traders.json").mkdir()

    told = run("exchange", "simulate", "--seconds", "1", home=tmp_path)

    assert told.stderr == f"taonet: {tmp_path / 'simulated-traders.json'}: Is a directory\n"
