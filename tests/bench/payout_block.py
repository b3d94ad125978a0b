"""A whole block with a payout, at 4096 neurons of which 256 rank 3840: executed, and written."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
from tests.bench.sync import new_schema

from chain_service import ledger_repository
from chain_service.domain.blocks import apply_block
from chain_service.domain.headers import NO_PARENT, Header
from chain_service.domain.network import Graph
from chain_service.domain.parameters import MAINNET_2022, RAO_PER_TAO, ChainParameters
from chain_service.domain.state import State, plant_tree
from chain_service.domain.values import Counters, Neuron

Times = tuple[float, float]
"""Milliseconds by the clock, and of this process' work."""


def measure_blocks(graph: Graph, runs: int) -> Iterator[tuple[Times, Times]]:
    """Yield what executing took, and writing; a first block, which makes the bonds, isn't told."""
    state, head, parameters = fill_state(graph)
    with new_schema() as make, psycopg.connect(make(), autocommit=True) as conn:
        assert ledger_repository.try_to_lead(conn, 10)
        for run in range(runs + 1):
            started = _now()
            block = apply_block(state, head, 0, [], parameters)
            executed = _now()
            with conn.transaction():
                ledger_repository.save_block(conn, block, 0)
            written = _now()
            state.absorb(block.layer)
            head = block.header
            if run:
                yield _between(started, executed), _between(executed, written)


def fill_state(graph: Graph) -> tuple[State, Header, ChainParameters]:
    """Return a chain at block 1 of the graph's neurons, whose stakes are all that was issued."""
    count = len(graph.stakes_rao)
    stakes = np.random.default_rng(1).integers(1, 1000, count) * RAO_PER_TAO
    state = State()
    for uid in range(count):
        stake_rao = int(stakes[uid]) if graph.weights[uid] else 0
        holders = {f"5owner{uid}": stake_rao} if stake_rao else {}
        neuron = Neuron(uid, f"5hotkey{uid}", f"5owner{uid}", 0, 0, stakes_rao=holders)
        state.put_neuron(neuron)
        state.uids[neuron.hotkey] = uid
        state.weights[uid] = graph.weights[uid]
    total_rao = sum(state.neuron(uid).stake_rao for uid in range(count))
    parameters = replace(
        MAINNET_2022, block_reward_rao=total_rao, blocks_per_step=1, author="5author"
    )
    state.counters = Counters(height=1, stake_rao=total_rao, neuron_count=count)
    state.tree = plant_tree(state)
    return state, Header(1, NO_PARENT, 0, NO_PARENT, NO_PARENT, "5author"), parameters


def _now() -> Times:
    return time.perf_counter(), time.process_time()


def _between(start: Times, end: Times) -> Times:
    return (end[0] - start[0]) * 1000, (end[1] - start[1]) * 1000
