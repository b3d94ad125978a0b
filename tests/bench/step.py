"""
How long one step of a consensus rule takes, and how much memory: `make bench NAME=step`.
"""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from tests.bench.payout_block import measure_blocks
from tests.bench.report import write_report
from tqdm import tqdm

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


@dataclass(frozen=True)
class Measured:
    name: str
    milliseconds: list[float]
    processor_milliseconds: list[float]
    limit: int | None


def main() -> None:
    few, many = make_graph(256, 256, 3840), make_graph(4096, 0, 4096)
    sparse = make_graph(4096, 0, 4096, ranked=64)
    found = [
        measure("Nakamoto, 256 rank 3840", few, DENSELY, limit=60),
        measure("the same, rows as tuples", few, lambda graph: DENSELY(unpack(graph)), runs=3),
        measure("the same, by the plain step", few, PLAINLY, runs=1),
        measure("Nakamoto, 4096 rank 64 each", sparse, DENSELY, runs=3),
        measure("Nakamoto, 4096 rank 4096", many, DENSELY, limit=1000, runs=5),
        measure("Yuma, 256 rank 3840", few, BY_YUMA, limit=100),
        *measure_whole_block(few),
    ]
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = describe(found, gigabytes)
    print(text)
    write_report("step", text)


def measure_whole_block(graph: Graph) -> list[Measured]:
    told = list(tqdm(measure_blocks(graph, RUNS), desc="whole blocks", total=RUNS))
    executed, written = ([times[part] for times in told] for part in (0, 1))
    names = {"a whole block with a payout: executed": executed, "the same, written": written}
    return [
        Measured(name, [one[0] for one in times], [one[1] for one in times], None)
        for name, times in names.items()
    ]


def describe(found: list[Measured], gigabytes: float) -> str:
    lines = [
        "# One step of a consensus rule",
        "",
        "One thread of a machine with 2 cores; random weights, and the bonds of the step before. "
        "Exact: each step equals the plain one to the last bit, and the vectors. Packed "
        "rows, as a step leaves them, where nothing else is said. A whole block: 4096 neurons, of "
        "which 256 rank 3840 by Nakamoto; scores, payout, events, state root; to write it, what "
        "this process works, Postgres beside it. `make bench NAME=step` makes this page.",
        "",
        "| step | runs | median, ms | smallest to largest | of the processor, ms | limit, ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        times = one.milliseconds
        lines.append(
            f"| {one.name} | {len(times)} | **{statistics.median(times):.1f}** | "
            f"{min(times):.1f} to {max(times):.1f} | "
            f"{statistics.median(one.processor_milliseconds):.1f} | {judge(one)} |"
        )
    lines += ["", f"Memory of the whole run at its peak: {gigabytes:.2f} GB (limit 2 GB)."]
    return "\n".join(lines)


def judge(one: Measured) -> str:
    if one.limit is None:
        return "–"
    return (
        f"{one.limit} ({'met' if statistics.median(one.milliseconds) <= one.limit else 'missed'})"
    )


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
    name: str, graph: Graph, run: Run, limit: int | None = None, runs: int = RUNS
) -> Measured:
    """Time some runs, after one that isn't counted."""
    graph = replace(graph, bonds_rao=run(graph).bonds_rao)
    taken, worked = [], []
    for _ in tqdm(range(runs), desc=name):
        start, start_of_work = time.perf_counter(), time.process_time()
        run(graph)
        worked.append((time.process_time() - start_of_work) * 1000)
        taken.append((time.perf_counter() - start) * 1000)
    return Measured(name, taken, worked, limit)


if __name__ == "__main__":
    main()
