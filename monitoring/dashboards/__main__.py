"""
Write every dashboard's JSON to where Grafana is provisioned from.

With `--check` nothing is written, and the exit status is 1 where a file differs.
"""

import argparse
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from monitoring.dashboards import (
    chain,
    exchange,
    inference,
    infrastructure,
    overview,
    servers,
    validators,
)

FOLDER = Path(__file__).parent.parent / "grafana" / "provisioning" / "dashboards" / "taonet"
DASHBOARDS = {
    f"{module.__name__.rpartition('.')[2]}.json": module.build
    for module in (overview, chain, servers, validators, inference, exchange, infrastructure)
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m monitoring.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    stale = []
    for name, build in DASHBOARDS.items():
        text = JSONEncoder(sort_keys=True, indent=2).encode(build().build()) + "\n"
        path = FOLDER / name
        if check and (not path.exists() or path.read_text() != text):
            stale.append(name)
        elif not check:
            path.write_text(text)
    if stale:
        names = ", ".join(stale)
        sys.stderr.write(f"{names}: not as made; run `python -m monitoring.dashboards`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
