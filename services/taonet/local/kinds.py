"""The kinds of processes that a cluster is made of, and how each of them is started."""

from collections.abc import Mapping
from dataclasses import replace

from taonet.local.command import Command
from taonet.local.place import HOST, Place
from taonet.local.processes import HttpProbe, ProcessSpec

NURSERY = "nursery"
"""The process that Python processes are forked from."""
DRAIN_SECONDS = 3
"""How long a web server waits for its open requests; streams that have no end are cut then."""


def program(place: Place, name: str, command: Command) -> ProcessSpec:
    return ProcessSpec(
        name,
        tuple(command.arguments),
        environment=command.environment,
        user=command.user,
        port=place.port(name),
    )


def web(place: Place, name: str, application: str, environment: Mapping[str, str]) -> ProcessSpec:
    port = place.port(name)
    listen = ("--factory", application, "--host", HOST, "--port", str(port))
    quiet = ("--log-level", "warning", "--no-access-log")
    drain = ("--timeout-graceful-shutdown", str(DRAIN_SECONDS))
    spec = nursed(place, name, ("uvicorn", *listen, *quiet, *drain), environment)
    return replace(spec, port=port, probe=HttpProbe(port))


def worker(
    place: Place, name: str, command: tuple[str, ...], environment: Mapping[str, str]
) -> ProcessSpec:
    """Describe a process without web pages; it answers Prometheus, and so whether it lives."""
    port = place.port(name)
    spec = nursed(place, name, command, {**environment, "METRICS_LISTEN": f"{HOST}:{port}"})
    return replace(spec, port=port, probe=HttpProbe(port))


def nursed(
    place: Place, name: str, command: tuple[str, ...], environment: Mapping[str, str]
) -> ProcessSpec:
    """Describe a Python process: a module with its arguments, forked from the nursery."""
    shared = {"CHAIN_URL": place.address("chain"), "LOG_LEVEL": place.settings.log_level}
    named = {f"TAONET_{key}": value for key, value in {**shared, **environment}.items()}
    return ProcessSpec(name, command, nursery=NURSERY, environment=named)
