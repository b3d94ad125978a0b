"""Writes docs/benchmarks/gateway.md."""

import os
import statistics
from pathlib import Path

REPORT = Path("docs/benchmarks/gateway.md")
FIRST_LIMIT_MS = 5.0
LOSS_LIMIT_PERCENT = 5.0
PAIRS_LIMIT = 1000


def write_report(figures: dict[str, dict[str, list[float]]], pairs: dict[str, list[float]]) -> None:
    first = {name: [1000 * x for x in found] for name, found in figures["first"].items()}
    direct, through = (statistics.median(found) for found in first.values())
    added = through - direct
    rates = [statistics.median(found) for found in figures["rate"].values()]
    lost = 100 * (1 - rates[1] / rates[0])
    lines = [
        "# The gateway",
        "",
        "A Server that writes a token every 20 ms for each text; called directly (signed, answers"
        " verified) and through the gateway (key, rate limits, reservation, routing, counting,"
        " bill; real Postgres), in turn. Caller, gateway and Server are three processes on one"
        f" machine of {os.cpu_count()} cores.",
        "",
        "| | median | least … most | limit |",
        "| --- | ---: | ---: | --- |",
        *(row(f"first token {name}, ms", found, 2) for name, found in first.items()),
        f"| **added to the first token, ms** | **{added:.2f}** | |"
        f" {FIRST_LIMIT_MS:.0f}: {verdict(added <= FIRST_LIMIT_MS)} |",
        *(
            row(f"tokens a second in 32 streams {name}", found, 0)
            for name, found in figures["rate"].items()
        ),
        f"| **throughput lost, %** | **{lost:.1f}** | |"
        f" {LOSS_LIMIT_PERCENT:.0f}: {verdict(lost <= LOSS_LIMIT_PERCENT)} |",
        *(
            f"{row(f'reserve-and-settle pairs a second, {name}', found, 0)[:-2]}"
            f" {PAIRS_LIMIT}: {verdict(statistics.median(found) >= PAIRS_LIMIT)} |"
            for name, found in pairs.items()
        ),
        "",
        "Made by `make bench NAME=gateway`.",
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    print(REPORT.read_text())


def row(name: str, found: list[float], digits: int) -> str:
    low, high = min(found), max(found)
    return (
        f"| {name} | {statistics.median(found):,.{digits}f} |"
        f" {low:,.{digits}f} … {high:,.{digits}f} | |"
    )


def verdict(met: bool) -> str:
    return "met" if met else "missed"
