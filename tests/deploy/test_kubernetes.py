"""The manifests say of each service what docker-compose.yml says: command, secrets, settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SHARED = {"TAONET_CHAIN_PRESET", "TAONET_HANDOUTS"}
"""Which preset, and whose keys, each place decides for itself."""
ONLY_IN_CONTAINERS = {
    *("gateway-2", "worker-2", "beat-2"),  # one Validator more is the first one's files again
    *("treasury", "market-maker", "server-gpu"),  # the demonstration's, and another image
    "keys",  # a cluster's volumes have snapshots
    *("postgres", "valkey"),  # the overlays'
    *("prometheus", "alertmanager", "grafana", "caddy"),  # a cluster has its own
}


def workloads() -> Iterator[dict[str, Any]]:
    for file in sorted(BASE.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document["kind"] in {"Deployment", "Job"}:
                yield document


WORKLOADS = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in workloads()}
every_workload = pytest.mark.parametrize("name", WORKLOADS)


def main_container(name: str) -> dict[str, Any]:
    container: dict[str, Any] = WORKLOADS[name]["containers"][0]
    assert container["name"] == "main", "the patch that takes its rights away finds it by this name"
    return container


def test_every_service_is_there_or_left_out_on_purpose() -> None:
    assert COMPOSE.keys() - WORKLOADS.keys() - ONLY_IN_CONTAINERS == set()
    assert WORKLOADS.keys() <= COMPOSE.keys()


@every_workload
def test_it_runs_the_same_command(name: str) -> None:
    assert main_container(name)["command"] == COMPOSE[name]["command"]


@every_workload
def test_it_reads_the_same_secrets_under_the_same_names(name: str) -> None:
    volumes = {volume["name"]: volume for volume in WORKLOADS[name].get("volumes", [])}
    items = volumes["secrets"]["secret"]["items"] if "secrets" in volumes else []
    here = {(item["key"], item["path"]) for item in items}

    assert here == {(s["source"], s["target"]) for s in COMPOSE[name].get("secrets", [])}


@every_workload
def test_it_may_take_as_much_memory(name: str) -> None:
    here = main_container(name)["resources"]["limits"]["memory"]
    there = COMPOSE[name]["deploy"]["resources"]["limits"]["memory"]

    assert int(here.removesuffix("Mi")) >= int(there.removesuffix("M"))


@every_workload
def test_what_is_set_is_set_alike(name: str) -> None:
    there = COMPOSE[name].get("environment", {})
    for variable in main_container(name).get("env", []):
        if variable["name"].startswith("TAONET_") and variable["name"] not in SHARED:
            assert there[variable["name"]] == variable["value"]
