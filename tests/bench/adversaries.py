"""
What every bad behaviour earns on a live cluster: `make adversaries`.

A box with two honest Validators and four honest Servers, blocks of one second, a payout every ten.
It runs alone, then with real Servers and Validators that misbehave. Fails where a cheat is paid.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPORT = Path("docs/benchmarks/adversaries.md")
EPOCHS = 10
WARM_UP_EPOCHS = 6
"""Payouts until the honest Servers' order stands."""
LIMITS = {"copies": 1.2, "weight-copy": 1.0, "collude": 1.0}
LIMIT = 0.02
"""For every other behaviour: of what the median honest Server earns."""
BLOCK_MILLISECONDS = 1_000


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="taonet-adversaries-"))
    home.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TAONET_")},
        "TAONET_HOME": str(home),
        "TAONET_PORT_BASE": os.environ.get("TAONET_PORT_BASE", "26000"),
        "TAONET_CHAIN_PARAMETERS": json.dumps({"block_milliseconds": BLOCK_MILLISECONDS}),
    }

    def taonet(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "taonet.cli.main", *words]
        return subprocess.run(command, env=environment, check=True, text=True, **options)

    try:
        taonet("up", "--detach")
        words = ("lab", "attack", "--attacks", "all", "--epochs", str(EPOCHS), "--json")
        warm = ("--warm-up", str(WARM_UP_EPOCHS))
        outcome = json.loads(taonet(*words, *warm, stdout=subprocess.PIPE).stdout)
    finally:
        taonet("down")
        shutil.rmtree(home)
    write(outcome)
    cheats = [each for each in outcome["earned"] if each["ratio"] > limit_of(each)]
    if cheats:
        sys.exit(f"paid for cheating: {', '.join(each['behaviour'] for each in cheats)}")


def limit_of(earned: dict[str, Any]) -> float:
    return LIMITS.get(earned["behaviour"], LIMIT)


HEAD = """# Adversaries

A live cluster on {cores} cores: two honest Validators, four honest Servers, blocks of one second, a
payout every ten. Real Servers and Validators that misbehave join it, and {epochs} payouts are
watched from the moment on that all are registered. Made by `make adversaries`, which fails where
a limit is passed.

The median honest Server earned {server:.3f} TAO, an honest Validator {validator:.3f} TAO.

| behaviour | neurons | income, TAO | beside | ratio | limit | |
| --- | ---: | ---: | --- | ---: | ---: | --- |
"""
TAIL = """
- `copies`: five more Servers with the model of an honest one; their income and its together, beside
  what it earned alone in as many payouts before.
- `relay` forwards to the best Server. `lookup` has the held-out text by heart (decisions/0010).
- `weight-copy` sets the weights that the first Validator shows.
- `collude`: two Validators that rank one Server of their own alone, and that Server.
"""


def write(outcome: dict[str, Any]) -> None:
    text = HEAD.format(
        cores=os.cpu_count(),
        epochs=outcome["epochs"],
        server=outcome["median_honest_tao"],
        validator=outcome["honest_validator_tao"],
    )
    for each in outcome["earned"]:
        limit = limit_of(each)
        verdict = "met" if each["ratio"] <= limit else "missed"
        text += (
            f"| {each['behaviour']} | {each['neurons']} | {each['income_tao']:.4f} |"
            f" {each['compared_with']} | {each['ratio']:.2%} | {limit:.0%} | {verdict} |\n"
        )
    REPORT.write_text(text + TAIL)
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
