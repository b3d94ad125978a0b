"""Our own paths are weighed as Binance's are, and what is dear is the operator's alone."""

from pathlib import Path
from typing import Any

import pytest
from tests.exchange.live import OPERATOR_TOKEN
from typer.testing import CliRunner

from exchange_service import commands
from exchange_service.settings import ExchangeSettings

AUDIT = "/exchange/v1/audit"
STATUS = "/exchange/v1/market-status"


@pytest.fixture
def exchange_settings(exchange_settings: ExchangeSettings) -> ExchangeSettings:
    return exchange_settings.model_copy(update={"exchange_request_weight_per_minute": 100})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_our_own_paths_have_a_limit(box: Any) -> None:
    answers = [box.http.post("/exchange/v1/keys", json={"name": f"n{n}"}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert answers[0].headers["x-mbx-used-weight-1m"] == "20"
    assert answers[-1].json()["code"] == -1003
    assert box.http.get(AUDIT).status_code == 429


def test_no_ban_keeps_the_operator_from_the_switch(box: Any) -> None:
    for _ in range(30):
        last = box.http.get(AUDIT)
    assert last.status_code == 418
    assert box.http.get(STATUS).status_code == 200
    body, headers = {"status": "CANCEL_ONLY"}, bearer(OPERATOR_TOKEN)
    assert box.http.put(STATUS, json=body, headers=headers).status_code == 200


def test_only_the_operator_has_everything_checked_anew(box: Any) -> None:
    for headers in ({}, bearer(""), bearer("x")):
        refused = box.http.get(f"{AUDIT}?deep=true", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "Unauthenticated")
    plain = box.http.get(AUDIT).json()
    assert (plain["sound"], plain["fingerprint"]) == (True, "")
    deep = box.audit()
    assert deep.sound
    assert len(deep.fingerprint) == 64


def test_the_command_shows_the_operators_token(exchange: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{OPERATOR_TOKEN}\n")
    asked = ["audit", "--url", exchange, "--json"]
    deep = [*asked, "--deep", "--token-file"]
    run = CliRunner().invoke
    assert '"fingerprint":""' in run(commands.exchange_app, asked).stdout
    told = run(commands.exchange_app, [*deep, str(tmp_path / "token")])
    assert told.exit_code == 0
    assert '"fingerprint":""' not in told.stdout
    assert run(commands.exchange_app, [*deep, str(tmp_path / "none")]).exit_code == 1
