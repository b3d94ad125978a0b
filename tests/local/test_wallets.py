"""The step that makes the wallets: what lies on the disk afterwards."""

from pathlib import Path

import pytest

from taonet.kit.keys import load_coldkey
from taonet.local import wallets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAONET_WALLET_PATH", str(tmp_path))
    monkeypatch.setattr(wallets, "WALLETS", {"operator": ["server-1"]})
    return tmp_path / "operator"


def test_with_a_password_no_coldkey_lies_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse battery")

    wallets.main()

    assert (folder / "coldkey").read_bytes().startswith(b"$NACL")
    assert b"secret" in (folder / "hotkeys" / "server-1").read_bytes()


def test_a_coldkey_from_before_there_was_a_password_is_encrypted_and_stays_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallets.main()
    before = load_coldkey(str(folder.parent), "operator").ss58_address
    monkeypatch.setenv("TAONET_WALLET_PASSWORD", "correct horse battery")

    for _ in range(2):
        wallets.main()

    assert (folder / "coldkey").read_bytes().startswith(b"$NACL")
    assert {file.name for file in folder.glob("coldkey*")} == {"coldkey", "coldkeypub.txt"}
    assert (folder / "coldkey").stat().st_mode & 0o077 == 0
    opened = load_coldkey(str(folder.parent), "operator", "correct horse battery")
    assert opened.ss58_address == before


def test_a_hotkey_that_is_handed_out_comes_without_its_coldkey(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    monkeypatch.setenv("TAONET_HANDOUTS", f'{{"{served}": ["server-1"]}}')

    wallets.main()

    handed = {str(file.relative_to(served)) for file in served.rglob("*") if file.is_file()}
    assert {"operator/coldkeypub.txt", "operator/hotkeys/server-1"} <= handed
    assert "operator/coldkey" not in handed
    assert not (folder / "hotkeys" / "server-1").exists()
