"""A proof of reserves verifies, and fails once a balance, a signature or a coin is altered."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from exchange_service.client import ExchangeRefusal
from exchange_service.reserves.operations import Prover
from exchange_service.verify_reserves import verify_path, verify_proof

from .bitcoin_desk import BitcoinDesk, running_node
from .conftest import Box


@pytest.fixture(scope="module")
def node(postgres_admin_url: str) -> Iterator[TestClient]:
    with running_node(postgres_admin_url) as http:
        yield http


@pytest.fixture
def desk(box: Box, node: TestClient) -> BitcoinDesk:
    desk = BitcoinDesk(box, node)
    state: Any = box.http.app.state  # type: ignore[attr-defined]
    state.prover = Prover(state.engine, state.pool, desk.desk, "")
    return desk


def test_the_proof_verifies_until_one_balance_is_altered(desk: BitcoinDesk, tmp_path: Path) -> None:
    ann, bob = desk.trader("ann"), desk.trader("bob")
    ann.limit_order("BUY", "0.005", "2")
    proof = desk.box.public.reserves()
    assert (proof.users, proof.owed_sat, proof.held_sat) == (2, 2 * 10**8, 2 * 10**8)
    assert proof == desk.box.public.reserves(), "a fresh proof is shown again"
    told, path = (
        proof.model_dump(mode="json"),
        ann.reserves_path(proof.root).model_dump(mode="json"),
    )
    verify_proof(told)
    verify_path(told, path)
    assert path["leaf"]["sat"] == "100000000"

    files = [tmp_path / "proof.json", tmp_path / "path.json"]
    for file, content in zip(files, (told, path), strict=True):
        file.write_text(json.dumps(content))
    command = [sys.executable, "-m", "exchange_service.verify_reserves", *map(str, files)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert (
        b"verified:"
        in subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    )

    path["leaf"]["sat"] = "99999999"
    with pytest.raises(AssertionError, match="not in the sums"):
        verify_path(told, path)
    files[1].write_text(json.dumps(path))
    assert subprocess.run(command, capture_output=True, env=environment, check=False).returncode
    other = bob.reserves_path(proof.root).model_dump(mode="json")
    verify_path(told, other)


def test_what_was_not_signed_for_does_not_verify(desk: BitcoinDesk) -> None:
    desk.trader("ann")
    told = desk.box.public.reserves().model_dump(mode="json")
    cases: list[tuple[str, Any]] = [
        ("owed_sat", "99999999"),
        ("root", "ab" * 32),
        ("challenge", told["challenge"] + "0"),
    ]
    for name, value in cases:
        with pytest.raises(AssertionError, match="sign"):
            verify_proof({**told, name: value})
    for control in range(len(told["controls"])):
        forged = copy.deepcopy(told)
        forged["controls"][control]["address"] = told["controls"][control - 1]["address"]
        with pytest.raises((AssertionError, ValueError)):
            verify_proof(forged)
    poor = copy.deepcopy(told)
    for control in poor["controls"]:
        control["amount"] = "0"
    with pytest.raises(AssertionError, match="held"):
        verify_proof(poor)


def test_an_address_named_twice_does_not_count_twice(desk: BitcoinDesk) -> None:
    desk.trader("ann")
    told = desk.box.public.reserves().model_dump(mode="json")
    told["controls"].append(told["controls"][-1])
    with pytest.raises(AssertionError, match="counted twice"):
        verify_proof(told)


def test_stolen_coins_show(desk: BitcoinDesk) -> None:
    """Failure mode 15: the node knows a coin as spent, whatever our own tables say."""
    ann = desk.trader("ann")
    deposit = ann.deposits()[0]
    with desk.http.app.state.pool.connection() as conn:  # type: ignore[attr-defined]
        conn.execute("UPDATE output SET spent_height = 1 WHERE txid = %s", (deposit["txId"],))
    with pytest.raises(AssertionError, match="BTC: 0 held, 100000000 owed"):
        verify_proof(desk.box.public.reserves().model_dump(mode="json"))


def test_a_path_belongs_to_its_proof(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    proof = desk.box.public.reserves()
    late = desk.box.trader("late", funded=False)
    with pytest.raises(ExchangeRefusal, match="opened after"):
        late.reserves_path(proof.root)
    with pytest.raises(ExchangeRefusal, match="no proof has this root"):
        ann.reserves_path("ab" * 32)
