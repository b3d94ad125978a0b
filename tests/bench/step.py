"""
How long one step of a consensus rule takes, and how much memory: `python -m tests.bench.step`.

Rows are packed, as a step leaves them; a line says what unpacked ones cost. One thread; each graph
has random weights and the bonds of a step before.
"""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from chain_service.domain.nakamoto import run_nakamoto_step
from chain_service.domain.nakamoto_dense import run_nakamoto_step_densely
from chain_service.domain.network import Graph, Row, Step
from chain_service.domain.parameters import MAINNET_2022
from chain_service.domain.rows import PackedRow
from chain_service.domain.yuma import run_yuma_step

NEURONS = 4096
RUNS = 11
YUMA = replace(MAINNET_2022, consensus_rule="yuma", yuma_max_validators=256)
Run = Callable[[Graph], Step]
DENSELY = partial(run_nakamoto_step_densely, parameters=MAINNET_2022)
PLAINLY = partial(run_nakamoto_step, parameters=MAINNET_2022)
BY_YUMA = partial(run_yuma_step, parameters=YUMA)


def main() -> None:
    few, many = make_graph(256, 256, 3840), make_graph(4096, 0, 4096)
    sparse = make_graph(4096, 0, 4096, ranked=64)
    measure("nakamoto 256 x 3840", few, DENSELY, limit_ms=60)
    measure("  the same, rows as tuples", few, lambda graph: DENSELY(unpack(graph)), runs=3)
    measure("  the plain step", few, PLAINLY, runs=1)
    measure("nakamoto 4096 x 64 of 4096", sparse, DENSELY, runs=3)
    measure("yuma 256 x 3840", few, BY_YUMA, limit_ms=100)
    measure("nakamoto 4096 x 4096", many, DENSELY, limit_ms=1000, runs=5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'peak memory':<30} {peak:8.2f} GB  (limit 2)")


def make_graph(validators: int, first: int, servers: int, ranked: int | None = None) -> Graph:
    rng = np.random.default_rng(1)
    rows: list[Row] = [()] * NEURONS
    for uid in range(validators):
        uids = np.arange(first, first + servers)
        if ranked is not None:
            uids = np.sort(rng.choice(uids, ranked, replace=False))
        values = rng.integers(1, 2**31, len(uids))
        rows[uid] = PackedRow(uids, values * (2**32 - 1) // int(values.sum()))
    stakes = rng.integers(10**9, 10**14, NEURONS).tolist()
    stakes[validators:] = [0] * (NEURONS - validators)
    return Graph(1, 100 * 10**9, stakes, rows, [()] * NEURONS, [0] * NEURONS)


def unpack(graph: Graph) -> Graph:
    return replace(
        graph,
        weights=[tuple(row) for row in graph.weights],
        bonds_rao=[tuple(row) for row in graph.bonds_rao],
    )


def measure(
    name: str, graph: Graph, run: Run, limit_ms: int | None = None, runs: int = RUNS
) -> None:
    """Print the median and the range of some runs, after one that isn't counted."""
    graph = replace(graph, bonds_rao=run(graph).bonds_rao)
    taken, worked = [], []
    for _ in range(runs):
        start, start_of_work = time.perf_counter(), time.process_time()
        run(graph)
        worked.append((time.process_time() - start_of_work) * 1000)
        taken.append((time.perf_counter() - start) * 1000)
    limit = "" if limit_ms is None else f"  (limit {limit_ms})"
    print(
        f"{name:<30} {statistics.median(taken):8.1f} ms, "
        f"{min(taken):.1f} to {max(taken):.1f} over {runs}; "
        f"of the processor {statistics.median(worked):.1f} ms{limit}",
        flush=True,
    )


if __name__ == "__main__":
    main()
