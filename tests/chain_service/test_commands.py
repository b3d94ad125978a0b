"""The chain's commands, typed against a real chain."""

import json
from pathlib import Path
from typing import Any

import pytest
from bittensor_wallet import Wallet
from tests.chain_service.conftest import RunningChain, enrich, key
from tests.conftest import wait_until

from chain_service.domain.parameters import RAO_PER_TAO
from taonet.cli.main import main
from taonet.kit.keys import ensure_hotkeys, ensure_wallet, load_coldkey, load_hotkey

BOB = key("Bob")


@pytest.fixture
def wallets(chain: RunningChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAONET_CHAIN_URL", f"http://127.0.0.1:{chain.port}")
    monkeypatch.setenv("TAONET_WALLET_PATH", str(tmp_path))
    monkeypatch.setenv("TAONET_WALLET_NAME", "miner")
    monkeypatch.setenv("TAONET_HOTKEY_NAME", "one")
    ensure_wallet(tmp_path, "miner", ["one", "two"])
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(words)
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    return captured.out


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code
    return capsys.readouterr().err


def test_from_registering_to_sending(
    chain: RunningChain, wallets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(typed(capsys, "register", "--json"))["uid"] == 0
    assert "as uid 1" in typed(capsys, "register", "--hotkey", "two")
    hotkeys = [load_hotkey(str(wallets), "miner", name) for name in ("one", "two")]
    coldkey = load_coldkey(str(wallets), "miner")
    enrich(chain.client, coldkey, *hotkeys)

    assert "done in block" in typed(capsys, "stake", "remove", "0.9")
    assert "done in block" in typed(capsys, "stake", "add", "0.1")
    receipt = json.loads(typed(capsys, "transfer", BOB.ss58_address, "0.25", "--json"))
    assert receipt["status"] == "included"
    assert chain.client.account(BOB.ss58_address).free_rao == 250_000_000
    told: Any = json.loads(typed(capsys, "extrinsic", receipt["hash"], "--json"))
    assert told["height"] == receipt["height"]
    block: Any = json.loads(typed(capsys, "block", str(receipt["height"]), "--json"))
    assert "Transferred" in [event["kind"] for event in block["events"]]
    for extrinsic_hash in (receipt["hash"], f"0x{receipt['hash']}"):
        told_plainly = typed(capsys, "extrinsic", extrinsic_hash)
        assert f"included in block {receipt['height']}" in told_plainly
    assert "Transferred" in typed(capsys, "chain", "block", str(receipt["height"]))
    delegate = json.dumps({"hotkey": hotkeys[0].ss58_address, "take": 5000})
    assert "done in block" in typed(capsys, "chain", "call", "become_delegate", delegate)
    lacking = json.dumps({"receiver": BOB.ss58_address})
    assert "amount_rao: Field required\n" in failed(capsys, "chain", "call", "transfer", lacking)


def test_a_slot_is_paid_for_and_the_rest_is_sent(
    chain: RunningChain, wallets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_hotkeys(wallets, "miner", ["three"])
    one, two, three = (load_hotkey(str(wallets), "miner", n) for n in ("one", "two", "three"))
    address = load_coldkey(str(wallets), "miner").ss58_address
    enrich(chain.client, load_coldkey(str(wallets), "miner"), one, two)
    by_burning = ("register", "--hotkey", "three", "--burn", "--json")
    assert "InsufficientBalance" in failed(capsys, *by_burning)
    wait_until(lambda: chain.client.neuron(0).stake_rao > 2 * RAO_PER_TAO)
    typed(capsys, "stake", "remove", "2")

    assert json.loads(typed(capsys, *by_burning)) == {"uid": 2, "hotkey": three.ss58_address}
    assert 0 < chain.client.account(address).free_rao < 2 * RAO_PER_TAO
    assert "or --all" in failed(capsys, "transfer", BOB.ss58_address)
    assert "or --all" in failed(capsys, "transfer", BOB.ss58_address, "1", "--all")
    receipt: Any = json.loads(typed(capsys, "transfer", BOB.ss58_address, "--all", "--json"))
    assert receipt["status"] == "included"
    assert chain.client.account(address).free_rao == 0
    assert chain.client.account(BOB.ss58_address).free_rao > 0


def test_an_encrypted_coldkey_signs_and_the_ecosystems_wallet_reads_it(
    chain: RunningChain,
    wallets: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse")
    monkeypatch.setenv("TAONET_WALLET_NAME", "safe")
    told = typed(capsys, "wallet", "new", "safe")
    assert (wallets / "safe" / "coldkey").read_bytes().startswith(b"$NACL")
    coldkey = Wallet(name="safe", path=str(wallets)).get_coldkey(password="correct horse")
    assert coldkey.ss58_address in told
    refused = failed(capsys, "transfer", BOB.ss58_address, "1")
    assert "InsufficientBalance" in refused
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "battery staple")
    assert "stays closed" in failed(capsys, "transfer", BOB.ss58_address, "1")


def test_a_presets_parameters_are_shown_without_a_chain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("chain", "parameters", "--preset", "mainnet-2022")
    told: Any = json.loads(typed(capsys, *words, "--json"))
    assert told["maximum_difficulty"] == str((2**64 - 1) // 4)
    assert told["blocks_per_step"] == 100
    assert "NAK live: 4096" in typed(capsys, *words)


def test_reading_for_programs_and_for_people(
    chain: RunningChain, wallets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(capsys, "register")
    graph: Any = json.loads(typed(capsys, "metagraph", "--json"))
    assert graph["neurons"][0]["stake_rao"] == "0"
    assert graph["neurons"][0]["incentive"] == 0.0
    assert "incentive" in typed(capsys, "metagraph")
    wait_until(lambda: chain.height() >= 3)
    supply: Any = json.loads(typed(capsys, "chain", "supply", "--at", "3", "--json"))
    assert supply["issuance_rao"] == "3000000000"
    parts = [int(supply[name]) for name in ("free_rao", "stake_rao", "pot_rao")]
    assert sum(parts) == int(supply["issuance_rao"])
    assert "3.000000000 TAO" in typed(capsys, "chain", "supply", "--at", "3")
    assert "no block 999; the chain is at" in failed(capsys, "chain", "supply", "--at", "999")
    assert json.loads(typed(capsys, "chain", "parameters", "--json"))["preset"] == "box"


def test_a_refusal_is_one_sentence(wallets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("transfer", BOB.ss58_address, "1"), ("transfer", BOB.ss58_address, "much")):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 1
        assert capsys.readouterr().err.count("\n") == 1
