"""Prometheus' configuration for the embedded cluster, written anew at each start."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from taonet.local.home import Home
from taonet.local.probes import HOST
from taonet.local.processes import HttpProbe, ProcessSpec

SCRAPE_SECONDS = 5


def write_configuration(home: Home, specs: Iterable[ProcessSpec], rules: Path) -> None:
    """Write `prometheus.yml`: a target for each web process, and the rules if there are any."""
    folder = home.path / "prometheus"
    folder.mkdir(exist_ok=True)
    configuration = describe_scrapes(specs, sorted(str(file) for file in rules.glob("*.yml")))
    # JSON is YAML too.
    (folder / "prometheus.yml").write_text(json.dumps(configuration, indent=1))


def describe_scrapes(specs: Iterable[ProcessSpec], rule_files: list[str]) -> dict[str, Any]:
    """Return the configuration: one job per service, one target per process."""
    targets = [
        {"targets": [f"{HOST}:{spec.port}"], "labels": {"process": spec.name}}
        for spec in specs
        if isinstance(spec.probe, HttpProbe) and spec.name != "prometheus"
    ]
    interval = f"{SCRAPE_SECONDS}s"
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": rule_files,
        "scrape_configs": [{"job_name": "taonet", "static_configs": targets}],
    }
