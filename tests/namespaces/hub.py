"""The box that other machines join: two of its processes are left out, to run elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.chaos.links import Link
from tests.namespaces.machine import HUB

from taonet.local.home import Home
from taonet.local.main import main, prepare_cluster
from taonet.local.processes import ProcessSpec
from taonet.local.settings import LocalSettings

WORKER, SERVER = "validator-1-worker", "server-4"
"""Who runs elsewhere: all that scores for the first Validator, and the Server that knows most."""
HERE = re.compile(r"127\.0\.0\.1:(\d+)")
EVERYWHERE = {"TAONET_SERVER_HOST": "0.0.0.0", "TAONET_SERVER_AXON_IP": HUB}
"""The box's own Servers are asked from other machines too."""


def describe(settings: LocalSettings, home: Home) -> tuple[Sequence[ProcessSpec], list[Link]]:
    """Return the box, whose processes talk without links between them."""
    specs = prepare_cluster(settings, home)
    stay = [spec for spec in specs if spec.name not in (WORKER, SERVER)]
    return [tell_everywhere(spec) for spec in stay], []


def tell_everywhere(spec: ProcessSpec) -> ProcessSpec:
    if "TAONET_SERVER_AXON_IP" not in spec.environment:
        return spec
    return replace(spec, environment={**spec.environment, **EVERYWHERE})


def environment_elsewhere(
    settings: LocalSettings, home: Home, name: str
) -> tuple[dict[str, str], set[int]]:
    """Return what a process is told on another machine, and the ports that it needs of the box."""
    told = next(spec.environment for spec in prepare_cluster(settings, home) if spec.name == name)
    return {key: HERE.sub(rf"{HUB}:\1", value) for key, value in told.items()}, ports_in(told)


def ports_in(environment: Mapping[str, str]) -> set[int]:
    return {int(port) for value in environment.values() for port in HERE.findall(value)}


if __name__ == "__main__":
    main(lambda settings, home: tuple(describe(settings, home)[0]))
