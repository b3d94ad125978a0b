"""The signer's door: it answers its exchange alone, and only what it was made for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from exchange_service.domain.commands import Asset
from exchange_service.settings import SignerSettings
from exchange_service.signer.app import OpenDoor, create_app
from exchange_service.signer.client import SignerClient
from exchange_service.signer.schemas import ChainPlace, Outpoint
from taonet.kit.errors import RemoteRefusal, Unavailable

TOKEN = "a token of tests"
PLACE = ChainPlace(genesis_hash="ab" * 32, nonce=0, last_valid_block=9)


@pytest.fixture
def http(database: Callable[[str], str], tmp_path: Path) -> Iterator[TestClient]:
    settings = SignerSettings(
        database_url=database("exchange_service"),
        redis_url="redis://127.0.0.1:1/0",
        exchange_signer_token=TOKEN,
        exchange_wallet_seed_file=str(tmp_path / "seed"),
        exchange_wallet_passphrase="a passphrase of tests",
    )
    with TestClient(create_app(settings)) as running:
        yield running


def open_client(http: TestClient, token: str) -> SignerClient:
    client = SignerClient("http://signer", token)
    client.close()
    http.headers["authorization"] = f"Bearer {token}"
    client._http = http  # type: ignore[assignment]
    return client


def test_the_exchange_gets_addresses_and_proofs(http: TestClient) -> None:
    signer = open_client(http, TOKEN)
    address = signer.address(1001, Asset.BTC)
    assert address.startswith("bcrt1q")
    assert address == signer.address(1001, Asset.BTC) != signer.address(1002, Asset.BTC)
    assert {one.asset for one in signer.prove("anything")} == set(Asset)
    assert signer.sign_sweep(1001, PLACE).arguments == {"receiver": signer.describe().tao}


def test_nobody_else_is_answered(http: TestClient) -> None:
    for token in ("", "wrong", TOKEN + " "):
        with pytest.raises((RemoteRefusal, Unavailable), match="Unauthenticated"):
            open_client(http, token).describe()


def test_what_the_books_do_not_hold_is_not_signed(http: TestClient) -> None:
    signer = open_client(http, TOKEN)
    with pytest.raises(RemoteRefusal, match="WillNotSign: there is no withdrawal 7 of TAO"):
        signer.sign_tao(7, PLACE)
    with pytest.raises(RemoteRefusal, match="WillNotSign: there is no withdrawal 7 of BTC"):
        signer.sign_bitcoin(7, [Outpoint(txid="ab" * 32, vout=0)], 500, 9)
    with pytest.raises(RemoteRefusal, match="no payment on its way"):
        signer.bump_bitcoin(7, 500, 9)


def test_a_signer_without_a_token_does_not_start() -> None:
    settings = SignerSettings(
        database_url="", redis_url="", exchange_wallet_passphrase="a passphrase of tests"
    )
    with pytest.raises(OpenDoor, match="SIGNER_TOKEN"):
        create_app(settings)


def test_a_signer_that_is_away_is_said() -> None:
    client = SignerClient("http://127.0.0.1:1", TOKEN)
    with pytest.raises(Unavailable, match="signer does not answer"):
        client.describe()
    client.close()
