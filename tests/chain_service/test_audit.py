"""`taonet chain verify`, `export` and `import`, typed against a real chain."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.conftest import wait_until

from taonet.cli.main import main

ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def url(chain: RunningChain) -> str:
    """A chain with some history, which has come to rest."""
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 100_000_000)
    chain.client.execute(ALICE, "transfer", {"receiver": BOB.ss58_address, "amount_rao": 1000})
    return chain.url


def rewrite(file: Path, alter: Callable[[list[Any]], None]) -> None:
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    alter(lines)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    file.write_bytes(gzip.compress(text.encode()))


def test_a_chain_and_its_export_are_verified_from_genesis_and_from_a_snapshot(
    url: str, chain: RunningChain, typed: Typed, tmp_path: Path
) -> None:
    snapshot, blocks = tmp_path / "state.gz", tmp_path / "chain.gz"
    assert typed("chain", "export", "--snapshot", str(snapshot), "--chain", url)[0] == 0
    height = chain.height()
    wait_until(lambda: chain.height() > height + 5)
    chain.kill("author")
    assert typed("chain", "export", str(blocks), "--chain", url)[0] == 0
    head = chain.client.block(chain.height()).header

    told = []
    for words in ((), (str(blocks),), ("--from", str(snapshot)), (str(blocks), "--from", snapshot)):
        code, out, _ = typed("chain", "verify", *map(str, words), "--chain", url, "--json")
        assert code == 0
        told.append(json.loads(out))
    for found in told:
        assert found["verified"]
        assert (found["height"], found["state_root"]) == (head.height, head.state_root)
        assert found["author"] == chain.client.parameters().author
    assert [found["blocks"] for found in told[:2]] == [head.height + 1] * 2
    assert 5 <= told[2]["blocks"] == told[3]["blocks"] <= head.height
    assert "every root is right" in typed("chain", "verify", "--chain", url)[1]


def test_what_is_altered_is_told(url: str, typed: Typed, tmp_path: Path) -> None:
    def alter_block(lines: list[Any]) -> None:
        lines[7]["header"]["state_root"] = "00" * 32

    def alter_account(lines: list[Any]) -> None:
        lines[2][1] = str(int(lines[2][1]) + 1)
        lines[0]["counters"]["free_rao"] += 1
        lines[0]["counters"]["pot_rao"] -= 1

    def move_stake(lines: list[Any]) -> None:
        lines[-1]["stakes_rao"] = {BOB.ss58_address: sum(lines[-1]["stakes_rao"].values())}

    blocks, snapshot = tmp_path / "chain.gz", tmp_path / "state.gz"
    typed("chain", "export", str(blocks), "--chain", url)
    rewrite(blocks, alter_block)
    code, out, _ = typed("chain", "verify", str(blocks), "--json")
    assert code == 1
    assert not json.loads(out)["verified"]
    assert json.loads(out)["height"] == 6
    assert "block 7" in typed("chain", "verify", str(blocks))[2]
    for alter in (alter_account, move_stake):
        typed("chain", "export", "--snapshot", str(snapshot), "--chain", url)
        rewrite(snapshot, alter)
        code, _, error = typed("chain", "verify", "--from", str(snapshot), "--chain", url)
        assert code == 1
        assert "the stored state has the root" in error
    blocks.write_bytes(blocks.read_bytes()[:-50])
    assert "can't be read as an export" in typed("chain", "verify", str(blocks))[2]
    code, _, error = typed("chain", "verify", "--chain", url, "--author", BOB.ss58_address)
    assert code == 1
    assert f"the author should be {BOB.ss58_address}" in error


def test_an_import_makes_the_same_chain_and_goes_on_where_it_was_interrupted(
    url: str,
    chain: RunningChain,
    typed: Typed,
    tmp_path: Path,
    database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks, corrupted = tmp_path / "chain.gz", tmp_path / "corrupted.gz"
    chain.kill("author")
    typed("chain", "export", str(blocks), "--chain", url)
    corrupted.write_bytes(blocks.read_bytes())
    rewrite(corrupted, lambda lines: lines.pop(9))
    (tmp_path / "copy").mkdir()
    copy = RunningChain(database("chain_service"), chain.redis_url, tmp_path / "copy")
    try:
        monkeypatch.setenv("TAONET_DATABASE_URL", copy.database_url)
        code, _, error = typed("chain", "import", str(corrupted))
        assert code == 1
        assert "block 9: the height should be 9, the block says 10" in error
        height = chain.height()
        assert f"block {height}" in typed("chain", "import", str(blocks))[1]
        assert f"block {height}" in typed("chain", "import", str(blocks))[1]
        copy.start_web()
        wait_until(copy.height)
        assert copy.client.block(height) == chain.client.block(height)
        assert copy.query("SELECT * FROM account ORDER BY 1") == chain.query(
            "SELECT * FROM account ORDER BY 1"
        )
    finally:
        copy.close()
