"""The description of the cluster: the table of docs/interfaces.md, as data."""

import re
import signal
from pathlib import Path

import pytest

from taonet.kit.reading import ROLE
from taonet.local.cluster import describe_cluster
from taonet.local.command import Command
from taonet.local.home import Home
from taonet.local.place import OFFSETS, Place
from taonet.local.processes import HttpProbe, ProcessSpec, check_cluster, dependents
from taonet.local.settings import LocalSettings
from taonet.local.stores import OWNERS, SHARED_SECRETS, Stores

ROOT = Path(__file__).parents[2]
EMBEDDED = Stores(
    "postgresql://postgres:secret@127.0.0.1:8032/postgres",
    "redis://:secret@127.0.0.1:8079/0",
    {owner: f"{owner}-password" for owner in (*OWNERS, *SHARED_SECRETS, ROLE)},
    postgres=Command(["postgres"], user=65534),
    valkey=Command(["valkey-server"]),
)
GIVEN = Stores("postgresql://admin:x@db:5432/taonet", "redis://:x@cache:6379/0", EMBEDDED.passwords)


def describe(stores: Stores = EMBEDDED, port_base: int = 8000) -> dict[str, ProcessSpec]:
    settings = LocalSettings(port_base=port_base)
    specs = describe_cluster(
        Place(settings, Home(Path("/home/box")), stores), "/bin/prometheus", "/bin/alertmanager"
    )
    check_cluster(specs)
    return {spec.name: spec for spec in specs}


def test_it_is_what_the_interfaces_page_says() -> None:
    page = (ROOT / "docs" / "interfaces.md").read_text()
    told = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (\d+) \| \d+ \|$", page, re.MULTILINE))

    assert {name: int(offset) for name, offset in told.items()}.items() <= OFFSETS.items()
    assert {"explorer", "postgres", "exchange", "exchange-signer", "bitcoin", "valkey", "exporter",
            "prometheus", "alertmanager", "chain", "chain-author", "chain-follower",
            "market-maker", "treasury"} == set(told)  # fmt: skip
    assert set(OFFSETS) <= set(describe())


def test_one_number_moves_every_port() -> None:
    here = {name: spec.port for name, spec in describe().items() if spec.port}
    there = {name: spec.port for name, spec in describe(port_base=18000).items() if spec.port}

    assert {name: port + 10_000 for name, port in here.items()} == there
    assert len(set(here.values())) == len(here)


def test_everything_stays_on_this_machine() -> None:
    for spec in describe().values():
        if spec.command[0] == "uvicorn":
            assert spec.command[spec.command.index("--host") + 1] == "127.0.0.1"


def test_what_answers_http_is_asked_whether_it_is_ready() -> None:
    cluster = describe()
    asked = {name for name, spec in cluster.items() if isinstance(spec.probe, HttpProbe)}

    assert asked == {name for name in OFFSETS if name not in ("postgres", "valkey")}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("postgres", "migrate"),
        ("migrate", "chain"),
        ("wallets", "chain-author"),
        ("corpus", "validator-1-worker"),
        ("chain", "server-1"),
        ("chain", "validator-2-worker"),
        ("model-nursery", "server-4"),
        ("nursery", "explorer"),
        ("exchange", "market-maker"),
        ("exchange-signer", "exchange"),
        ("bitcoin", "exchange"),
    ],
)
def test_what_stands_on_another_starts_after_it(first: str, then: str) -> None:
    assert then in dependents(describe().values(), first)


def test_each_service_gets_its_own_role_and_key() -> None:
    cluster = describe()
    urls = {
        cluster[name].environment["TAONET_DATABASE_URL"]
        for name in ("chain", "exchange", "validator-1-gateway", "validator-2-gateway")
    }
    hotkeys = {
        cluster[name].environment["TAONET_HOTKEY_NAME"]
        for name in ("server-1", "server-2", "server-3", "server-4", "validator-1-worker")
    }

    assert len(urls) == 4
    assert "postgresql://validator_1:validator_1-password@127.0.0.1:8032/postgres" in urls
    assert len(hotkeys) == 5


def test_given_stores_are_not_started() -> None:
    cluster = describe(GIVEN)

    assert not {"postgres", "valkey"} & set(cluster)
    url = cluster["chain"].environment["TAONET_DATABASE_URL"]
    assert url == "postgresql://chain:chain-password@db:5432/taonet"
    assert cluster["chain"].environment["TAONET_REDIS_URL"] == GIVEN.redis_url


def test_postgres_stops_fast_and_last() -> None:
    cluster = describe()

    assert cluster["postgres"].stop_signal == signal.SIGINT
    users = {name for name, spec in cluster.items() if "TAONET_DATABASE_URL" in spec.environment}
    assert users <= set(dependents(cluster.values(), "postgres"))


def test_secrets_do_not_show_where_a_description_is_printed() -> None:
    assert "secret" not in repr(describe())
    assert "-password" not in repr(describe())
