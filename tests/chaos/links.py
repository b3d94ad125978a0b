"""
A proxy between every two processes that talk: the cluster's description, rewritten.

Each process finds its stores and its neighbours by addresses in its environment. Each such address
is replaced by a port of its own, so that one link can fail while all others hold.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from taonet.local.processes import ProcessSpec

ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
TOLD_PORT, OWN_PORT = "TAONET_SERVER_AXON_PORT", "TAONET_SERVER_PORT"
NEVER_USED = {(name, "chain") for name in ("bitcoin", "chain-author", "market-maker")}
"""Every process is told where the chain is; these don't ask it."""
CALLERS = "its callers"
"""The near end of a Server's link: whoever read its address on the chain."""


@dataclass(frozen=True)
class Link:
    """From a process to a port that another listens at, by way of a port between them."""

    source: str
    target: str
    port: int
    target_port: int


def interpose(
    specs: Sequence[ProcessSpec], first_port: int
) -> tuple[tuple[ProcessSpec, ...], list[Link]]:
    """Return the same cluster with a link wherever one process knows another's address."""
    owners = {spec.port: spec.name for spec in specs if spec.port is not None}
    links: dict[tuple[str, str], Link] = {}

    def lay(source: str, target_port: int) -> int:
        target = owners.get(target_port)
        # Prometheus has an address also where it is not installed.
        if target is None or source == target or (source, target) in NEVER_USED:
            return target_port
        port = first_port + len(links)
        return links.setdefault((source, target), Link(source, target, port, target_port)).port

    def rewrite(spec: ProcessSpec) -> ProcessSpec:
        environment = {
            name: ADDRESS.sub(lambda found: f"127.0.0.1:{lay(spec.name, int(found[1]))}", value)
            for name, value in spec.environment.items()
        }
        if TOLD_PORT in environment:
            environment[OWN_PORT] = environment[TOLD_PORT]
            environment[TOLD_PORT] = str(lay(CALLERS, int(environment[TOLD_PORT])))
        return replace(spec, environment=environment)

    return tuple(rewrite(spec) for spec in specs), list(links.values())


def find_targets(links: Iterable[Link]) -> dict[str, list[str]]:
    """Return whom each process talks to; a Server also to those who call it."""
    targets: dict[str, list[str]] = {}
    for link in links:
        near, far = (link.target, CALLERS) if link.source == CALLERS else (link.source, link.target)
        targets.setdefault(near, []).append(far)
    return targets


def find_link(links: Iterable[Link], process: str, target: str) -> Link:
    wanted = (CALLERS, process) if target == CALLERS else (process, target)
    return next(link for link in links if (link.source, link.target) == wanted)
