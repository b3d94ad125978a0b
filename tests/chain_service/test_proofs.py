"""Proofs of accounts and neurons, checked by the script that ships, and only by it."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.scripts import load_script

from chain_service.client import ChainRefusal
from taonet.cli.main import main

SCRIPT = Path(__file__).parents[2] / "chain-service" / "verify_proof.py"
verify_proof: Any = load_script(SCRIPT)

ALICE, SERVER, VALIDATOR = key("Alice"), key("server"), key("validator")


def altered(value: Any) -> Iterator[Any]:
    """Yield every value that differs from this one in a single field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            for other in altered(inner):
                yield {**value, name: other}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for other in altered(inner):
                yield [*value[:index], other, *value[index + 1 :]]
    elif isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    else:
        yield (value[:-1] + ("0" if value[-1:] != "0" else "1")) or "1"


@pytest.fixture
def proofs(chain: RunningChain) -> tuple[str, list[dict[str, Any]]]:
    """Return the author, and proofs of an account, a hotkey's account, and a neuron."""
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 100_000_000)
    found = [
        chain.client.account_proof(ALICE.ss58_address),
        chain.client.account_proof(VALIDATOR.ss58_address),
        chain.client.neuron_proof(1),
    ]
    return chain.client.parameters().author, [proof.model_dump(mode="json") for proof in found]


def test_a_proof_holds_and_fails_with_any_field_altered(
    chain: RunningChain, proofs: tuple[str, list[dict[str, Any]]]
) -> None:
    author, good = proofs
    for proof in good:
        verify_proof.check(proof, author)
        count = 0
        for bad in altered(proof):
            with pytest.raises(ValueError):  # noqa: PT011 (any will do)
                verify_proof.check(bad, author)
            count += 1
        assert count > 60
        with pytest.raises(ValueError, match="written by"):
            verify_proof.check(proof, ALICE.ss58_address)
        shorter = copy.deepcopy(proof)
        shorter["path"].pop()
        with pytest.raises(ValueError, match="does not lead"):
            verify_proof.check(shorter, author)
    assert good[0]["leaf"]["free_rao"] == "100000000"
    assert good[2]["leaf"]["hotkey"] == VALIDATOR.ss58_address


def test_the_script_says_what_it_found(proofs: tuple[str, list[dict[str, Any]]]) -> None:
    author, (proof, *_) = proofs

    def run(told: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, SCRIPT, author], input=told, text=True, capture_output=True
        )

    assert f"proven at block {proof['header']['height']}" in run(json.dumps(proof)).stdout
    proof["leaf"]["free_rao"] = "100000001"
    for no_proof in ("", "{", "[]", "7", '{"header": {}}', json.dumps({**proof, "path": [{}]})):
        refused = run(no_proof)
        assert refused.returncode == 1
        assert refused.stderr.startswith("REFUSED: this is no ")
        assert refused.stderr.count("\n") == 1
    refused = run(json.dumps(proof))
    assert refused.returncode == 1
    assert refused.stderr == "REFUSED: the path does not lead to the state root\n"


def test_there_is_no_proof_of_nothing(
    chain: RunningChain, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ChainRefusal, match="in no block yet"):
        chain.client.account_proof(ALICE.ss58_address)
    with pytest.raises(ChainRefusal, match="no neuron 7"):
        chain.client.neuron_proof(7)
    monkeypatch.setenv("TAONET_CHAIN_URL", f"http://127.0.0.1:{chain.port}")
    chain.client.register_by_work(SERVER, ALICE.ss58_address)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["chain", "proof", SERVER.ss58_address])
    proof = json.loads(capsys.readouterr().out)
    verify_proof.check(proof, chain.client.parameters().author)
    assert proof["leaf"] == {"address": SERVER.ss58_address, "free_rao": "0", "nonce": 1}
