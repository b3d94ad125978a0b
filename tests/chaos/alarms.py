"""What Prometheus says while things fail: which alerts fired, and whether they cleared."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
from tests.chaos.box import Box

from taonet.local.kinship import signal_group

DRILL = ("chain-author", "exchange")
"""Frozen together for so long that whoever watches must say so."""
DRILL_ALERTS = {"TaonetBlockLate", "TaonetTargetDown"}
"""What must be said then, and must clear; others look back further, and may fire for longer."""
FIRED_SECONDS = 240.0
CLEARED_SECONDS = 300.0
POLL_SECONDS = 1.0


@dataclass
class Alarms:
    """The alerts that fired, and those that fire now."""

    url: str
    fired: dict[str, set[str]] = field(default_factory=dict)
    """Of each alert, the processes that it named."""
    firing: set[str] = field(default_factory=set)

    async def watch(self) -> None:
        """Note what fires, until cancelled; a Prometheus that is away says nothing."""
        async with httpx.AsyncClient(timeout=3) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                    answer = await http.get(f"{self.url}/api/v1/alerts")
                    self._note(answer.json()["data"]["alerts"])
                await asyncio.sleep(POLL_SECONDS)

    def _note(self, alerts: list[dict[str, dict[str, str] | str]]) -> None:
        self.firing = set()
        for alert in alerts:
            labels = alert["labels"]
            if alert["state"] == "firing" and isinstance(labels, dict):
                name = labels["alertname"]
                self.firing.add(name)
                self.fired.setdefault(name, set()).add(labels.get("process", ""))


@contextlib.asynccontextmanager
async def watched(alarms: Alarms | None) -> AsyncIterator[None]:
    task = asyncio.create_task(alarms.watch()) if alarms is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def drill(box: Box, alarms: Alarms) -> None:
    """Freeze author and exchange until their alerts fire, let them go on, wait until both clear."""
    pids = [pid for name in DRILL if (pid := box.state(name).pid) is not None]
    for pid in pids:
        signal_group(pid, signal.SIGSTOP)
    try:
        await box.wait_until(
            lambda: alarms.firing >= DRILL_ALERTS, FIRED_SECONDS, f"fired: {DRILL_ALERTS}"
        )
    finally:
        for pid in pids:
            signal_group(pid, signal.SIGCONT)
    await box.wait_until(
        lambda: not alarms.firing & DRILL_ALERTS, CLEARED_SECONDS, f"cleared: {DRILL_ALERTS}"
    )
