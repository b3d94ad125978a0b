"""
The whole cluster by its one command: real text to prompts, answers, scores, weights, TAO; a paid
question; a trade; hostile input; and every process killed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openai import APIStatusError, OpenAI
from tests.conftest import free_port, wait_until

from chain_service.client import ChainClient
from exchange_service.client import ExchangeClient
from server_service.starters import STARTER_MODELS
from server_service.tensors import pack_tensors
from taonet.kit import signing
from taonet.kit.keys import Keypair, load_coldkey, load_hotkey
from taonet.local.main import find_program
from validator_service.client import GatewayClient

from .conftest import ELSEWHERE_PORT_BASE, Box, new_box
from .rolling import GATEWAY, Front, asking, can_ask, renew, replica

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

ORDER_SECONDS = 180
BACK_SECONDS = 60
PAYOUT_SECONDS = 240
SUPPLIED_SECONDS = 180
"""A young box mines what its market maker sells."""
QUESTIONS_AT_ONCE = 20
PROMETHEUS, PROMTOOL = find_program("prometheus"), find_program("promtool")
NO_DOORS = {
    *("postgres", "valkey", "prometheus", "alertmanager"),
    *("chain-author", "chain-follower", "market-maker", "treasury"),
}
"""Programs of others, and loops of ours that tell nothing but their metrics."""
SHOWN_BY_THE_KERNEL = ("environ", "cmdline")
"""What others on the machine may see of a process, more easily than its memory."""
QUESTION: Any = {
    "model": "network/best",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Return the sum of"}],
}


def heldout_loss(address: str) -> float:
    """Return the loss on the card of the model that a Server says it holds."""
    model = httpx.get(f"{address}/info").json()["model"]
    card = json.loads((STARTER_MODELS / Path(model).name / "training.json").read_text())
    return float(card["measured"]["heldout_nats"])


def balance_rao(client: OpenAI) -> int:
    answer = httpx.get(
        f"{client.base_url}account", headers={"authorization": f"Bearer {client.api_key}"}
    )
    return int(answer.json()["balance_rao"])


def assert_supply_is_exact(box: Box) -> None:
    """Check the first era's schedule and the ledger at the head and at heights before it."""
    head = box.read("chain", "supply")
    for height in {0, 1, head["height"] // 2, head["height"]}:
        supply = box.read("chain", "supply", "--at", str(height))
        parts = (int(supply[part]) for part in ("free_rao", "stake_rao", "pot_rao"))
        assert sum(parts) == int(supply["issuance_rao"]) == height * 10**9


def tao_on_sale(trader: ExchangeClient) -> float:
    return sum(float(amount) for _, amount in trader.depth(limit=20)["asks"])


def wait_until_ready(box: Box) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while not (status := box.status())["ready"]:
        assert time.monotonic() < deadline, [p for p in status["processes"] if not p["healthy"]]
        time.sleep(0.5)


def wait_for_block(chain: ChainClient, height: int) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while chain.head().height < height:
        assert time.monotonic() < deadline, f"no block {height}"
        time.sleep(0.2)


def test_the_whole_network_is_alive(box: Box) -> None:
    status = box.status()

    assert status["ready"]
    assert {"chain", "gateway", "exchange", "explorer", "servers"} <= set(status["addresses"])
    assert len(status["addresses"]["servers"]) == 4
    assert all(process["healthy"] for process in status["processes"])


def test_incentive_follows_what_the_models_know(box: Box) -> None:
    """Servers are paid in the order of their models' loss on text that they have never seen."""
    servers = box.address_list("servers")
    names = [httpx.get(f"{address}/info").json()["name"] for address in servers]
    losses = dict(zip(names, map(heldout_loss, servers), strict=True))
    best_first = sorted(losses, key=lambda name: losses[name])

    deadline = time.monotonic() + ORDER_SECONDS
    while True:
        graph = box.read("metagraph")
        incentive = {n["name"]: n["incentive"] for n in graph["neurons"] if n["name"] in losses}
        ranked = [incentive.get(name, 0.0) for name in best_first]
        if ranked[-1] > 0 and all(better > worse for better, worse in pairwise(ranked)):
            break
        assert time.monotonic() < deadline, f"{best_first} earn {ranked}"
        time.sleep(2)

    assert sum(int(neuron["stake_rao"]) for neuron in graph["neurons"]) > 0


def test_the_supply_is_exact_at_every_block(box: Box) -> None:
    assert_supply_is_exact(box)


def test_a_consumer_asks_and_pays(box: Box) -> None:
    with box.gateway() as client:
        before = balance_rao(client)
        answer = client.chat.completions.create(**QUESTION)
        after = balance_rao(client)

        assert answer.choices[0].message.content
        assert answer.usage is not None
        assert before - after == int(answer.usage.model_dump()["cost_rao"]) > 0

        stream = client.chat.completions.create(
            **QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        usage = chunks[-1].usage
        assert usage is not None
        assert after - balance_rao(client) == int(usage.model_dump()["cost_rao"])


def test_a_buy_meets_a_sell(box: Box) -> None:
    name = f"trader-{time.time_ns()}"
    key = box.read("exchange", "key", "new", "--name", name, "--funded")
    with ExchangeClient(box.address("exchange"), key["api_key"], key["secret"]) as trader:
        wait_until(lambda: tao_on_sale(trader) > 0.1, SUPPLIED_SECONDS)

        order = trader.market_order("BUY", "0.10")

        assert order["status"] == "FILLED"
        assert float(trader.balances()["TAO"][0]) == pytest.approx(0.1)
        assert box.read("exchange", "audit", "--deep")["sound"]


def test_the_explorer_shows_the_network(box: Box) -> None:
    page = httpx.get(box.address("explorer")).text

    for words in ("Head", "Issued", "Emission", "server-4", "validator-1"):
        assert words in page


def test_hostile_requests_to_a_server_are_refused(box: Box) -> None:
    address = box.address_list("servers")[0]
    info = httpx.get(f"{address}/info").json()
    path = "/v1/text-causal-lm-next"
    body = pack_tensors({"tokens": np.zeros((1, 8), dtype=np.int64)}, {"top_k": "16"})
    validator = load_hotkey(str(box.home / "wallets"), "operator", "validator-1")
    stranger = Keypair.create_from_uri("//Stranger")

    def ask(headers: dict[str, str], content: bytes = body) -> int:
        return httpx.post(address + path, content=content, headers=headers).status_code

    def sign(keypair: Keypair) -> dict[str, str]:
        return signing.sign_request(keypair, "POST", path, body, info["hotkey"])

    true = sign(validator)
    assert ask(true) == 200
    assert ask(true) == 401, "replayed"
    assert ask({}) == 401, "unsigned"
    assert ask(sign(validator), body + b" ") == 401, "another body than was signed"
    assert ask(sign(stranger)) == 403, "not registered"
    assert ask(sign(validator), b"x" * 50_000_000) == 413, "oversized"


def test_a_forged_transfer_changes_nothing(box: Box) -> None:
    operator = load_coldkey(str(box.home / "wallets"), "operator")
    thief = Keypair.create_from_uri("//Thief")
    with box.chain() as chain:
        forged = {
            "genesis_hash": chain.head().genesis_hash,
            "signer": operator.ss58_address,
            "nonce": chain.account(operator.ss58_address).nonce,
            "last_valid_block": chain.head().height + 50,
            "tip_rao": "0",
            "call": "transfer",
            "arguments": {"receiver": thief.ss58_address, "amount_rao": "1000000"},
            "signature": bytes(thief.sign(b"give me")).hex(),
        }
        answer = httpx.post(f"{box.address('chain')}/extrinsics", json=forged)

        assert answer.status_code == 401
        assert chain.account(thief.ss58_address).free_rao == 0


def test_a_wrong_key_buys_nothing(box: Box) -> None:
    with box.gateway() as client, pytest.raises(APIStatusError) as refusal:
        client.with_options(api_key="sk-taonet-wrong").chat.completions.create(**QUESTION)

    assert refusal.value.status_code == 401


def test_no_secret_is_in_a_log_an_environment_or_a_command_line(box: Box) -> None:
    secrets = {
        *(file.read_text().strip() for file in (box.home / "secrets").iterdir()),
        *(json.loads(key.read_text())["secretSeed"] for key in private_keys(box)),
        *(json.loads(key.read_text())["secretPhrase"] for key in private_keys(box)),
    }
    processes = [Path(f"/proc/{pid}") for pid in box.pids().values()]
    shown = [
        *(box.home / "logs").iterdir(),
        *(process / file for process in processes for file in SHOWN_BY_THE_KERNEL),
    ]

    assert len(secrets) > 20
    assert [
        (str(file), secret[:4])
        for file in shown
        for secret in secrets
        if secret.encode() in file.read_bytes()
    ] == []


def test_every_door_tells_browsers_to_be_careful(box: Box) -> None:
    """Another site's page may not read an answer, nor frame it, nor ask for what needs leave."""
    foreign = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    processes = [one for one in box.status()["processes"] if one["name"] not in NO_DOORS]
    doors = {one["name"]: f"http://127.0.0.1:{one['port']}" for one in processes if one["port"]}

    for name, url in doors.items():
        for method in ("GET", "OPTIONS"):
            headers = httpx.request(method, f"{url}/healthz", headers=foreign).headers
            assert headers["x-content-type-options"] == "nosniff", name
            assert headers["x-frame-options"] == "DENY", name
            assert not [one for one in headers if one.startswith("access-control-")], name
    assert len(doors) > 10


def private_keys(box: Box) -> list[Path]:
    wallets = box.home / "wallets"
    found = [*wallets.glob("*/coldkey"), *wallets.glob("*/hotkeys/*")]
    return [file for file in found if not file.name.endswith("pub.txt")]


@pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None,
    reason="no Prometheus or promtool: `make monitoring-tools` brings both",
)
def test_every_process_shows_metrics_as_they_should_be(box: Box) -> None:
    assert PROMTOOL is not None
    prometheus = box.address("prometheus")
    targets = httpx.get(f"{prometheus}/api/v1/targets").json()["data"]["activeTargets"]

    for target in targets:
        if target["labels"]["job"] != "taonet":
            continue
        page = httpx.get(target["scrapeUrl"]).text
        checked = subprocess.run(
            [PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, ""), target["labels"]["process"]
    assert len(targets) > 15


@pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus: `make monitoring-tools` brings it")
def test_every_panel_of_every_dashboard_has_data(box: Box) -> None:
    """A payout follows once Servers are owed enough for one, and a rate its second scrape."""
    deadline = time.monotonic() + PAYOUT_SECONDS
    with box.gateway() as client:
        while (told := check_dashboards(box)).returncode != 0:
            assert time.monotonic() < deadline, told.stdout + told.stderr
            for _ in range(QUESTIONS_AT_ONCE):
                client.chat.completions.create(**QUESTION | {"max_tokens": 128})


def check_dashboards(box: Box) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitoring.check_dashboards"],
        env=box.environment,
        cwd=STARTER_MODELS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_backup_goes_on_in_an_empty_place(box: Box) -> None:
    backup = str(box.home.parent / "backup.tar.gz")
    with box.chain() as chain:
        before = chain.head()
    elsewhere = {**box.environment, "TAONET_PORT_BASE": str(ELSEWHERE_PORT_BASE)}
    Box(box.home, elsewhere).taonet("backup", backup)

    with new_box(ELSEWHERE_PORT_BASE) as other:
        other.taonet("restore", backup)
        with pytest.raises(AssertionError, match="is not empty"):
            other.taonet("restore", backup)
        other.up()

        with other.chain() as chain:
            assert chain.block(before.height).header.block_hash == before.block_hash
            wait_for_block(chain, before.height + 1)
        assert_supply_is_exact(other)
        assert httpx.get(f"{other.address('exchange')}/exchange/v1/audit").json()["sound"]
        with other.gateway() as client:
            assert client.chat.completions.create(**QUESTION).choices[0].message.content


def test_stateless_parts_are_replaced_without_a_failed_request(box: Box) -> None:
    """Gateway, Servers and worker give way to new ones while consumers go on asking."""
    own_port, other_port = box.port(GATEWAY), free_port()
    wait_until(lambda: can_ask(box), BACK_SECONDS)

    with closing(Front(own_port)) as front, asking(front.url, box) as consumers:
        consumers.wait_for_answers()
        with replica(box, other_port):
            front.point_to(other_port)
            renew(box, GATEWAY)
            consumers.wait_for_answers()
            front.point_to(own_port)
        for name in ("server-4", "server-3", "validator-1-worker"):
            renew(box, name)
            consumers.wait_for_answers()

    assert consumers.failures == []
    for name in (GATEWAY, "validator-2-gateway"):
        wait_until(partial(books_agree, f"http://127.0.0.1:{box.port(name)}"), BACK_SECONDS)


def books_agree(url: str) -> bool:
    with GatewayClient(url) as gateway:
        return gateway.audit().balanced


def test_every_process_may_be_killed(box: Box) -> None:
    with box.chain() as chain:
        before = chain.head()
    for name, pid in box.pids().items():
        if name in box.pids() and box.pids()[name] == pid:
            os.kill(pid, signal.SIGKILL)
            time.sleep(1)
            wait_until_ready(box)

    with box.chain() as chain:
        after = chain.head()
    assert after.genesis_hash == before.genesis_hash
    assert after.height > before.height
    assert_supply_is_exact(box)
    with box.gateway() as client:
        assert client.chat.completions.create(**QUESTION).choices[0].message.content


def test_a_killed_supervisor_loses_nothing(box: Box) -> None:
    with box.chain() as chain:
        before = chain.head()
    os.kill(int(box.status()["pid"]), signal.SIGKILL)

    box.up()

    with box.chain() as chain:
        assert chain.head().genesis_hash == before.genesis_hash
        assert chain.head().height >= before.height
        assert chain.block(before.height).header.block_hash == before.block_hash
    assert_supply_is_exact(box)
