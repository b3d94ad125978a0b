"""What `taonet status` tells: each process asked now, the chain's head, where everything is."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from chain_service.client import ChainClient, ChainRefusal
from taonet.local.home import ClusterState, Home, ProcessState
from taonet.local.probes import HOST, is_ready
from taonet.local.processes import AliveProbe, HttpProbe, Probe
from taonet.local.secret_files import DEMO_KEY_FILE, load_secret

CHAIN_SECONDS = 3.0
PROGRAMS = ("prometheus", "alertmanager")
"""Those that are not ours, and say in their own way that they are ready."""


def describe_status(home: Home, state: ClusterState | None) -> dict[str, Any]:
    """Return the status as JSON-plain values; without a cluster it is all there, and not ready."""
    running = state if state is not None and state.alive else None
    processes = [] if running is None else check_processes(running.processes)
    height, issuance_rao = (None, None) if running is None else ask_chain(running)
    return {
        "ready": running is not None
        and running.phase == "ready"
        and all(process["healthy"] for process in processes),
        "phase": "stopped" if running is None else running.phase,
        "pid": None if running is None else running.pid,
        "uptime_seconds": None if running is None else round(time.time() - running.started, 1),
        "height": height,
        "issuance_rao": issuance_rao,
        "processes": processes,
        "addresses": describe_addresses({} if running is None else running.ports),
        "demo_api_key": load_secret(home.secrets, DEMO_KEY_FILE),
    }


def check_processes(processes: Sequence[ProcessState]) -> list[dict[str, Any]]:
    """Ask all processes at once whether they are ready; steps that are done are left out."""
    lasting = [process for process in processes if not process.once]

    async def ask_all() -> list[bool]:
        return await asyncio.gather(*(is_healthy(process) for process in lasting))

    return [
        {
            "name": process.name,
            "pid": process.pid,
            "state": process.state,
            "healthy": healthy,
            "port": process.port,
            "restarts": process.restarts,
        }
        for process, healthy in zip(lasting, asyncio.run(ask_all()), strict=True)
    ]


async def is_healthy(process: ProcessState) -> bool:
    return process.state == "running" and await is_ready(probe_of(process))


def probe_of(process: ProcessState) -> Probe:
    """
    Return how to ask from outside: by HTTP where it speaks that.

    The stores' passwords are the supervisor's; their users' own readiness tells of them.
    """
    if process.port is None or process.name in ("postgres", "valkey"):
        return AliveProbe()
    return HttpProbe(process.port, "/-/ready" if process.name in PROGRAMS else "/readyz")


def ask_chain(state: ClusterState) -> tuple[int | None, str | None]:
    """Return the head's height and the issuance there, or nothing while the chain is away."""
    url = f"http://{HOST}:{state.ports['chain']}"
    try:
        with ChainClient(url, timeout_seconds=CHAIN_SECONDS) as chain:
            supply = chain.supply()
    except ChainRefusal:
        return None, None
    return supply.height, str(supply.issuance_rao)


def describe_addresses(ports: dict[str, int]) -> dict[str, Any]:
    def address(name: str) -> str | None:
        return f"http://{HOST}:{ports[name]}" if name in ports else None

    return {
        "chain": address("chain"),
        "gateway": address("validator-1-gateway"),
        "gateways": [address(name) for name in sorted(ports) if name.endswith("-gateway")],
        "exchange": address("exchange"),
        "bitcoin": address("bitcoin"),
        "explorer": address("explorer"),
        "servers": [address(name) for name in sorted(ports) if name.startswith("server-")],
        "prometheus": address("prometheus"),
        "alertmanager": address("alertmanager"),
    }
