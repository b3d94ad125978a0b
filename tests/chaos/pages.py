"""The page about a run: what was done to whom, how long recovery took, and what was found."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.alarms import DRILL_ALERTS, Alarms
from tests.chaos.audit import Finding
from tests.chaos.box import Suffered
from tests.chaos.schedule import Kind
from tests.chaos.workload import User

HEAD = """# A box in trouble

`make chaos` (seed {seed}) brings a box up with a proxy between every two processes that talk, lets
users work in it (transfers, paid questions and streams, orders, deposits, withdrawals; Validators'
rounds go on by themselves), and hurts it {count} times within {minutes:.0f} minutes, up to three
faults at once: {kinds}. Then everything comes to rest and is audited. {cores} cores, with other
work on the machine: the times are no benchmark, the books are.

## Time to recover
Seconds from a fault's end (of a kill: the kill) to the next sign of life: the readiness page, and
for those without one the next block, round, or query. Median (largest), of how many.

"""


@dataclass(frozen=True)
class Run:
    """All that there is to tell."""

    seed: int
    suffered: Sequence[Suffered]
    users: Sequence[User]
    findings: Sequence[Finding]
    alarms: Alarms | None
    lasted_seconds: float

    @property
    def sound(self) -> bool:
        return all(finding.sound for finding in self.findings)


def describe(run: Run) -> str:
    counts = [f"{sum(one.fault.kind is kind for one in run.suffered)} {kind}s" for kind in Kind]
    head = HEAD.format(
        seed=run.seed,
        count=len(run.suffered),
        minutes=run.lasted_seconds / 60,
        kinds=", ".join(counts),
        cores=os.cpu_count(),
    )
    parts = [tell_recoveries(run.suffered), tell_users(run.users), tell_findings(run.findings)]
    return head + "\n\n".join([*parts, tell_alarms(run)]) + "\n"


def tell_recoveries(suffered: Sequence[Suffered]) -> str:
    lines = [
        f"| process | {' | '.join(Kind)} |",
        f"| --- |{' ---: |' * len(Kind)}",
    ]
    for process in sorted({one.fault.process for one in suffered}):
        cells = [
            tell_spread(
                [
                    one.back_seconds
                    for one in suffered
                    if (one.fault.process, one.fault.kind) == (process, kind)
                ]
            )
            for kind in Kind
        ]
        lines.append(f"| {process} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tell_spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.1f} ({max(seconds):.1f}) of {len(seconds)}"


def tell_users(users: Sequence[User]) -> str:
    lines = [
        "## What users saw",
        "| user of | acknowledged | refused or unheard | longest without an acknowledgement, s |",
        "| --- | ---: | ---: | ---: |",
    ]
    for user in users:
        lines.append(
            f"| {user.name} | {len(user.acknowledged):,} | {user.failures:,} | "
            f"{user.longest_silence_seconds:.0f} |"
        )
    return "\n".join(lines)


def tell_findings(findings: Sequence[Finding]) -> str:
    lines = ["## What the audits found", "| what | seen | sound |", "| --- | --- | --- |"]
    for finding in findings:
        verdict = "yes" if finding.sound else "**NO**"
        lines.append(f"| {finding.what} | {finding.seen} | {verdict} |")
    return "\n".join(lines)


def tell_alarms(run: Run) -> str:
    if run.alarms is None:
        return "## Alerts\nPrometheus was not installed: none were watched."
    lines = ["## Alerts", "| alert | fired for |", "| --- | --- |"]
    for name, processes in sorted(run.alarms.fired.items()):
        lines.append(f"| {name} | {', '.join(sorted(filter(None, processes)))} |")
    drilled = " and ".join(sorted(DRILL_ALERTS))
    lines.append(f"\nAuthor and exchange were frozen until {drilled} fired; both cleared.")
    return "\n".join(lines)
