"""Run nautilus_trader and hummingbot as docs/trading.md says, against a market that moves.

`python -m tests.clients.other_sessions nautilus PYTHON`, or `hummingbot`; PYTHON has it installed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.clients.market import living_market
from tests.clients.run import ROOT, running_stores
from tests.exchange.live import open_trader, running_exchange

RECIPES = ROOT / "docs" / "trading"
SESSION_SECONDS = 240
MARKET_MAKING_SECONDS = 20


def main(name: str, python: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"taonet-{name}-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with (
            running_stores(home) as (database_url, redis_url),
            running_exchange(database_url, redis_url, home) as url,
            living_market(url),
        ):
            client, api_key, secret = open_trader(url, name, tao=10)
            arguments = {
                "nautilus": ["nautilus_node.py", url, api_key, secret],
                "hummingbot": ["hummingbot_maker.py", url, api_key, secret],
            }[name]
            if name == "hummingbot":
                arguments.append(str(MARKET_MAKING_SECONDS))
            print(f"{name}: {run(python, home, *arguments)}")
            # What the client believes, and what the exchange knows.
            assert client.my_trades(), "nothing was traded"
            assert not client.open_orders(), "an order was left behind"


def run(python: Path, home: Path, recipe: str, *arguments: str) -> Any:
    """Run a recipe to its end; what it has seen."""
    command = [str(python), str(RECIPES / recipe), *arguments]
    try:
        finished = subprocess.run(
            command, cwd=home, capture_output=True, timeout=SESSION_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        # What the client said of it is the only clue.
        said = (failure.stdout or b"") + (failure.stderr or b"")
        raise SystemExit(f"{said.decode(errors='replace')}\n{failure}") from None
    return json.loads(finished.stdout.splitlines()[-1])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
