"""`taonet chain verify`, `export` and `import`, typed against a real chain."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chain_service.conftest import RunningChain, enrich, key, take_out
from tests.conftest import wait_until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

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
    code, out, error = typed("chain", "verify", "--chain", url)
    assert "every root is right" in out
    assert error == ""
    assert f"--from {snapshot}" in typed("chain", "verify", str(snapshot))[2]
    assert "--snapshot" in typed("chain", "verify", "--from", str(blocks), "--chain", url)[2]


def test_signatures_up_to_a_trusted_block_are_vouched_for_by_its_hash(
    url: str, chain: RunningChain, typed: Typed, tmp_path: Path
) -> None:
    def spoil_signature(lines: list[Any]) -> None:
        signed = next(told for told in lines if told["extrinsics"])
        signed["extrinsics"][0]["signature"] = "00" * 64

    blocks, head = tmp_path / "chain.gz", chain.client.head()
    typed("chain", "export", str(blocks), "--chain", url)
    rewrite(blocks, spoil_signature)
    assert "the signature is not" in typed("chain", "verify", str(blocks))[2]
    trusted = f"{head.height}:{head.block_hash}"
    code, out, _ = typed("chain", "verify", str(blocks), "--trusted", trusted)
    assert code == 0
    assert f"every signature after block {head.height}" in out
    beyond = f"{10**6}:{head.block_hash}"
    code, _, error = typed("chain", "verify", "--chain", url, "--trusted", beyond)
    assert code == 1
    assert "before the trusted block 1000000" in error
    for text in ("7", "seven:" + "ab" * 32, "7:abc"):
        code, _, error = typed("chain", "verify", "--chain", url, "--trusted", text)
        assert code != 0
        assert "write HEIGHT:HASH" in error


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


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_a_file_without_a_block_is_no_chain(typed: Typed, tmp_path: Path, text: bytes) -> None:
    empty = tmp_path / "empty.gz"
    empty.write_bytes(gzip.compress(text))

    code, out, _ = typed("chain", "verify", str(empty), "--json")
    assert code == 1
    assert not json.loads(out)["verified"]
    code, out, error = typed("chain", "verify", str(empty))
    assert (code, out) == (1, "")
    assert "there is no block at all" in error
    code, _, error = typed("chain", "import", str(empty), "--database-url", "postgresql://nowhere")
    assert code == 1
    assert "begins with no block" in error


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


def test_a_follower_begins_with_a_snapshot(
    url: str,
    chain: RunningChain,
    typed: Typed,
    tmp_path: Path,
    database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot, spoiled = tmp_path / "state.gz", tmp_path / "spoiled.gz"
    assert typed("chain", "export", "--snapshot", str(snapshot), "--chain", url)[0] == 0
    spoiled.write_bytes(snapshot.read_bytes())
    rewrite(spoiled, lambda lines: lines[-1].update(coldkey=BOB.ss58_address))
    (tmp_path / "copy").mkdir()
    copy = RunningChain(database("chain_service"), chain.redis_url, tmp_path / "copy")
    try:
        monkeypatch.setenv("TAONET_DATABASE_URL", copy.database_url)
        code, _, error = typed("chain", "import", str(spoiled))
        assert (code, "nothing is written" in error) == (1, True)
        trusted = ("--trusted", f"1:{'ab' * 32}")
        assert "--trusted is for blocks" in typed("chain", "import", str(snapshot), *trusted)[2]
        assert copy.query("SELECT FROM genesis") == []
        assert "the author is trusted" in typed("chain", "import", str(snapshot))[1]
        code, _, error = typed("chain", "import", str(snapshot))
        assert (code, "begins in an empty one" in error) == (1, True)

        [(began,)] = copy.query("SELECT snapshot_height FROM genesis")
        copy.start_author("follower", TAONET_CHAIN_FOLLOW=url)
        copy.start_web()
        wait_until(lambda: copy.height() > began + 3)
        check_like_the_whole(copy, chain, began)
        verified = typed("chain", "verify", "--from", str(snapshot), "--chain", copy.url, "--json")
        assert json.loads(verified[1])["blocks"] >= 3
    finally:
        copy.close()


def check_like_the_whole(copy: RunningChain, chain: RunningChain, began: int) -> None:
    """What a node keeps, it tells as the whole chain does; of the rest it says that it lacks it."""
    assert copy.client.block(began + 1) == chain.client.block(began + 1)
    head = copy.client.head()
    assert copy.client.supply(head.height) == chain.client.supply(head.height)
    assert copy.client.account(ALICE.ss58_address).nonce > 0
    for path in (
        f"/blocks/{began}",
        "/blocks?from=1",
        "/events?from=0",
        "/blocks/sealed",
        "/blocks/stream",
        f"/supply?at={began - 1}",
    ):
        answer = httpx.get(copy.url + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BlockNotKept")
        assert answer.json()["error"]["first_height"] == began + 1
    with pytest.raises(InvalidStatus, match="404"):
        connect(f"ws://127.0.0.1:{copy.port}/blocks/ws?from=1")
