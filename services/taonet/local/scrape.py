"""Prometheus' and Alertmanager's configuration for the embedded cluster, written at each start."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from taonet.local.home import Home
from taonet.local.probes import HOST
from taonet.local.processes import HttpProbe, ProcessSpec

SCRAPE_SECONDS = 5
FOREIGN = ("prometheus", "alertmanager")
"""What has a job of its own."""
WEBHOOK_URL = "WEBHOOK_URL"
"""What stands in `alertmanager.yml` for the address."""
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


def write_configuration(home: Home, specs: Iterable[ProcessSpec], rules: Path) -> None:
    """Write `prometheus.yml`: a target for each web process, and the rules if there are any."""
    folder = home.path / "prometheus"
    folder.mkdir(exist_ok=True)
    configuration = describe_scrapes(specs, sorted(str(file) for file in rules.glob("*.yml")))
    # JSON is YAML too.
    (folder / "prometheus.yml").write_text(json.dumps(configuration, indent=1))


def write_routes(home: Home, template: Path, webhook_url: str | None) -> None:
    """Write `alertmanager.yml`: the one that containers use, or one that tells nobody."""
    folder = home.path / "alertmanager"
    folder.mkdir(exist_ok=True)
    text = json.dumps(NOBODY)
    if webhook_url is not None:
        text = template.read_text().replace(WEBHOOK_URL, webhook_url)
    (folder / "alertmanager.yml").write_text(text)


def describe_scrapes(specs: Iterable[ProcessSpec], rule_files: list[str]) -> dict[str, Any]:
    """Return the configuration: our processes as one job, each with its name, and the programs."""
    asked = [spec for spec in specs if isinstance(spec.probe, HttpProbe)]
    interval = f"{SCRAPE_SECONDS}s"
    foreign = {spec.name: _target(spec) for spec in asked if spec.name in FOREIGN}
    own = [_target(spec) for spec in asked if spec.name not in FOREIGN]
    configuration = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": rule_files,
        "scrape_configs": [
            {"job_name": "taonet", "static_configs": own},
            *({"job_name": name, "static_configs": [target]} for name, target in foreign.items()),
        ],
    }
    if "alertmanager" in foreign:
        targets = {"targets": foreign["alertmanager"]["targets"]}
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [targets]}]}
    return configuration


def _target(spec: ProcessSpec) -> dict[str, Any]:
    return {"targets": [f"{HOST}:{spec.port}"], "labels": {"process": spec.name}}
