"""The whole way of a consumer's TAO: deposit, call, share, payout, with every process running."""

import json
from typing import Any

from tests.validator_service.rounds.test_live import WORKER, celery
from tests.validator_service.stand_ins import HttpThread, StubServer, StubWire
from typer.testing import CliRunner

from validator_service.payouts.commands import gateway_app

TAO = 10**9


def test_a_servers_owner_is_paid_for_the_call_that_was_answered(
    consumer: Any,
    chain: Any,
    environment: dict[str, str],
    followers: Any,
    tokenizer: Any,
    wait: Any,
) -> None:
    text = tokenizer.encode("for name in names: print(name)\n" * 8).ids
    server = StubServer(table=followers, skill=1.0, text=text)
    server.http = HttpThread(StubWire(server, tokenizer).app)
    uid = chain.serve(server.keypair, server.http.port)
    consumer.pay(TAO // 2)
    payouts = {
        "TAONET_VALIDATOR_PAYOUT_SECONDS": "1",
        "TAONET_VALIDATOR_PAYOUT_MINIMUM_RAO": "1000",
    }
    chain.transfer(consumer.gateway.audit().treasury_address, 50_000_000)
    model = f"server/{uid}"
    client = consumer.openai()
    wait(lambda: model in [known.id for known in client.models.list()])
    raw = client.completions.with_raw_response.create(model=model, prompt="for", max_tokens=80)

    with celery({**environment, **payouts}, *WORKER), celery({**environment, **payouts}, "beat"):
        wait(lambda: chain.free_rao(chain.owner.ss58_address) > 0)
        wait(lambda: consumer.gateway.payouts().payouts[0].state == "settled")
    server.http.stop()

    cost_rao = int(raw.parse().usage.cost_rao)
    arguments = ["--gateway", consumer.gateway.url, "--json"]
    shown = CliRunner().invoke(gateway_app, ["statement", *arguments])
    (payout,) = json.loads(shown.stdout)["payouts"]
    assert payout["coldkey"] == chain.owner.ss58_address
    assert int(payout["amount_rao"]) == cost_rao * 80 // 100
    assert chain.free_rao(chain.owner.ss58_address) == int(payout["amount_rao"])
    (call,) = payout["calls"]
    assert call["request_id"] == raw.headers["x-request-id"]
    assert (call["server_uid"], call["server_hotkey"]) == (uid, server.hotkey)
    assert int(call["cost_rao"]) == cost_rao
    plain = CliRunner().invoke(gateway_app, ["statement", "--gateway", consumer.gateway.url])
    assert call["request_id"] in plain.stdout
    audited = CliRunner().invoke(gateway_app, ["audit", "--gateway", consumer.gateway.url])
    assert audited.exit_code == 0, audited.stdout
    assert "they agree" in audited.stdout
