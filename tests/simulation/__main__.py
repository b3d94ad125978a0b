"""
Thousands of histories of the chain's and the exchange's cores: `make simulate-faults`.

A seed names one history for ever: `--seed N --histories 1` plays it again.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.chain import simulate_chain
from tests.simulation.exchange import simulate_exchange
from tqdm import tqdm

HISTORIES = 5_000
CORES = {"chain": simulate_chain, "exchange": simulate_exchange}


def play(name: str, seed: int) -> str:
    """Return why a history broke a promise; empty where it kept all."""
    try:
        CORES[name](seed)
    except Exception as error:
        return f"{name}, seed {seed}: {type(error).__name__}: {error}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=HISTORIES, help="Of each core.")
    parser.add_argument("--seed", type=int, default=0, help="The first one's.")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.histories)
    print(f"seeds {seeds.start} to {seeds.stop - 1}", flush=True)
    failures: list[str] = []
    began = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in CORES:
            played = pool.map(play, [name] * len(seeds), seeds, chunksize=20)
            failures += [why for why in tqdm(played, desc=name, total=len(seeds)) if why]
    for why in failures[:20]:
        print(why)
    lasted = time.monotonic() - began
    print(
        f"{len(CORES) * len(seeds):,} histories in {lasted:.0f} s, {len(failures)} broke a promise"
    )
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
