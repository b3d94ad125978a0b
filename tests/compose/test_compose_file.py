"""What docker-compose.yml promises of every service, read from the file alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server_service.settings import ServerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
STEPS = {"migrate", "wallets", "corpus", "keys"}
LOOPS = {"chain-author", "chain-follower-worker", "market-maker", "treasury"}
"""These have no door to ask: the engine restarts one that ended."""
WRITES_ITS_ROOT = {"postgres", "grafana"}
"""Images of others that write beside their volumes."""
OPEN_TO_THE_MACHINE = {
    *("chain", "chain-follower", "gateway", "gateway-2", "bitcoin", "exchange", "explorer"),
    *("prometheus", "grafana", "caddy"),
}
DRAIN = "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"
"""uvicorn reads its options from the environment too."""
HERE = {"127.0.0.1", "${TAONET_TLS_BIND:-127.0.0.1}"}
"""Where a port is published: on this machine; for TLS's door, unless its operator says where."""

every_service = pytest.mark.parametrize("name", SERVICES)


@every_service
def test_a_service_is_bounded(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]

    assert limits.keys() == {"cpus", "memory", "pids"}
    assert SERVICES[name]["logging"]["options"]["max-size"]


@every_service
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]

    assert name in WRITES_ITS_ROOT or service["read_only"]
    assert name == "postgres" or service["cap_drop"] == ["ALL"]
    assert name == "postgres" or service["security_opt"] == ["no-new-privileges:true"]


@every_service
def test_a_service_says_when_it_is_ready(name: str) -> None:
    service = SERVICES[name]

    assert name in STEPS | LOOPS or "test" in service["healthcheck"]
    assert service["restart"] == ("no" if name in STEPS else "unless-stopped")


@every_service
def test_who_serves_has_time_to_finish_what_he_has_begun(name: str) -> None:
    service = SERVICES[name]
    patience = ServerSettings.model_fields["server_drain_seconds"].default
    if "server_service" not in service.get("command", []):
        patience = int(service.get("environment", {}).get(DRAIN, 0))

    assert int(service.get("stop_grace_period", "10s").removesuffix("s")) > patience
    assert patience or "uvicorn" not in service.get("command", [])


@every_service
def test_only_doors_are_published_and_only_on_this_machine(name: str) -> None:
    ports = SERVICES[name].get("ports", [])

    assert bool(ports) == (name in OPEN_TO_THE_MACHINE)
    assert {interface_of(port) for port in ports} <= HERE
    assert ("edge" in SERVICES[name]["networks"]) == (bool(ports) or name == "alertmanager")


@every_service
def test_no_secret_is_in_the_environment(name: str) -> None:
    for variable in SERVICES[name].get("environment", {}):
        assert "PASSWORD" not in variable or variable.endswith("_FILE")
        assert not variable.endswith(("DATABASE_URL", "REDIS_URL"))


@every_service
def test_an_image_can_be_replaced_and_is_not_the_latest(name: str) -> None:
    image = str(SERVICES[name]["image"])

    assert image.startswith("${")
    assert ":latest" not in image


@every_service
def test_what_is_built_takes_its_packages_from_where_pip_is_told(name: str) -> None:
    build = SERVICES[name].get("build", COMPOSE["x-build"])

    assert build["args"].keys() == {"PIP_INDEX_URL", "PIP_TRUSTED_HOST", "TORCH_INDEX_URL"}
    assert build["secrets"] == ["ca"]
    assert build["network"] == "${TAONET_BUILD_NETWORK:-default}"


def test_a_server_sees_one_folder_of_hotkeys_and_no_coldkey() -> None:
    assert SERVICES["server"]["volumes"] == ["server-keys:/data/wallets:ro"]
    assert {name for name in SERVICES if mounts(name, "wallets")} == {
        *("wallets", "treasury", "keys")
    }


def test_who_holds_coldkeys_gets_what_opens_them_as_a_file() -> None:
    opens = {"source": "wallet_password", "target": "taonet_wallet_password"}

    openers = {name for name in SERVICES if opens in SERVICES[name].get("secrets", [])}
    assert openers == {"wallets", "treasury"}
    # Deriving the key takes 512 MiB; an engine kills who takes more than he may.
    limits = [SERVICES[name]["deploy"]["resources"]["limits"]["memory"] for name in openers]
    assert all(int(limit.removesuffix("M")) > 512 + 128 for limit in limits), limits


def test_a_backup_of_the_keys_holds_every_volume_that_has_any() -> None:
    ledgers_and_what_is_made_anew = {
        *("postgres", "valkey", "corpus"),
        *("caddy", "prometheus", "alertmanager", "grafana"),
    }

    held = {volume.partition(":")[0] for volume in SERVICES["keys"]["volumes"]}
    assert held == COMPOSE["volumes"].keys() - ledgers_and_what_is_made_anew


def interface_of(port: str | dict[str, Any]) -> str:
    return port.partition(":")[0] if isinstance(port, str) else str(port["host_ip"])


def mounts(service: str, volume: str) -> bool:
    return any(one.startswith(f"{volume}:") for one in SERVICES[service].get("volumes", []))
