"""
What the chain shows to Prometheus.

What Postgres knows is read from there at each scrape (`ChainState`); what only a process knows,
how long things took, it counts itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client import Counter, Gauge, Histogram
from psycopg import Connection
from psycopg_pool import ConnectionPool

from chain_service import ledger_repository, metrics_repository
from chain_service.domain import errors
from chain_service.domain.parameters import ChainParameters
from chain_service.domain.supply import calculate_issuance, calculate_mint
from chain_service.metrics_repository import NeuronRow, StateRow
from taonet.kit import outbox
from taonet.kit.db import begin
from taonet.kit.errors import Refusal
from taonet.kit.exposition import Exposition

PHASES = ("choose", "apply", "write")
FAILURES = [
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, Refusal) and kind.__module__ == errors.__name__
]
"""Why an extrinsic may fail in its block; each is shown from the start."""

BLOCK_INTERVAL = Histogram(
    "taonet_chain_block_interval_seconds",
    "Time between two blocks.",
    buckets=(0.1, 0.25, 0.5, 1, 1.5, 1.9, 2, 2.1, 2.5, 3, 5, 8, 11, 11.9, 12, 12.1, 13, 15, 20, 60),
)
APPLY_SECONDS = Histogram(
    "taonet_chain_apply_seconds",
    "Time to choose a block's extrinsics and carry them out.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
PHASE_SECONDS = Histogram(
    "taonet_chain_phase_seconds",
    "Time of each part of a block's making, as its author measures it.",
    ["phase"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
SUPPLY_DIFFERENCE = Gauge(
    "taonet_chain_supply_difference_rao",
    "All accounts, stakes and the pot, less what was issued; anything but 0 is an emergency.",
)
PAID = Counter("taonet_chain_paid_rao_total", "What payouts gave a neuron so far.", ["uid"])
INCLUDED = Counter("taonet_chain_extrinsics_total", "Extrinsics in blocks, by outcome.", ["status"])
FAILED = Counter(
    "taonet_chain_failed_extrinsics_total",
    "Extrinsics included in a block whose call was refused there, by reason.",
    ["reason"],
)
for phase in PHASES:
    PHASE_SECONDS.labels(phase)
for status in ("included", "failed"):
    INCLUDED.labels(status)
for reason in FAILURES:
    FAILED.labels(reason)


@dataclass
class ChainState:
    """The chain's page of metrics, as its tables have it."""

    pool: ConnectionPool
    parameters: ChainParameters | None = None
    neurons: str = ""
    """Their part of the page: thousands of lines, as of the last block that changed any."""

    def read(self) -> str:
        with begin(self.pool) as conn:
            page = Exposition()
            outbox.show_unsent(conn, page)
            state = metrics_repository.load_state(conn)
            self.parameters = self.parameters or ledger_repository.load_genesis(conn)
            if state is None or self.parameters is None:
                return str(page)
            show_chain(page, state, self.parameters)
        return f"{page}{self.neurons}"

    def note_neurons(self, conn: Connection) -> None:
        """Read the neurons again, because a block changed them: no scrape waits for that."""
        self.neurons = show_neurons(metrics_repository.load_neurons(conn))


def measure_supply(conn: Connection) -> int:
    """Audit: every rao that was issued lies somewhere, and no other does."""
    difference_rao = metrics_repository.measure_difference(conn)
    SUPPLY_DIFFERENCE.set(difference_rao)
    return int(difference_rao != 0)


AUDITS = {"chain_supply": measure_supply, "chain_blocks": metrics_repository.count_gaps}


def show_chain(page: Exposition, state: StateRow, parameters: ChainParameters) -> None:
    """Show the head, the supply, and how both compare with the schedule."""
    era = max(state.height - 1, 0) // parameters.blocks_per_era
    off_rao = state.issuance_rao - calculate_issuance(state.height, parameters)
    figures: dict[str, tuple[str, float]] = {
        "height": ("Height of the newest block.", state.height),
        "head_timestamp_seconds": ("When the newest block was made.", state.time_ms / 1000),
        "target_interval_seconds": ("Time between two slots.", parameters.block_milliseconds / 1e3),
        "issuance_rao": ("All that was minted so far.", state.issuance_rao),
        "free_rao": ("What all accounts hold free.", state.free_rao),
        "staked_rao": ("What stands behind neurons.", state.stake_rao),
        "pot_rao": ("Minted and not yet paid out.", state.pot_rao),
        "era": ("Halvings so far.", era),
        "reward_rao": ("What the next block mints.", calculate_mint(state.height + 1, parameters)),
        "halving_height": ("Last block of this era.", (era + 1) * parameters.blocks_per_era),
        "schedule_difference_rao": ("Issued above the schedule; 0 is well.", off_rao),
        "mempool_extrinsics": ("Extrinsics that wait for a block.", state.waiting),
        "halted": ("1: a follower stopped at a wrong block.", int(state.is_halted)),
    }
    for name, (meaning, value) in figures.items():
        page.value("gauge", f"taonet_chain_{name}", meaning, value)
    meaning = "How often an author began to lead."
    page.value("counter", "taonet_chain_author_terms_total", meaning, state.terms)


def show_neurons(rows: Sequence[NeuronRow]) -> str:
    """Return every neuron's scores and stake, and how evenly they are spread."""
    page = Exposition()
    page.series(
        "gauge",
        "taonet_neuron_info",
        "Who holds a uid; always 1, to join names with.",
        ("uid", "hotkey", "name"),
        ((row.uid, row.hotkey, row.name, 1) for row in rows),
    )
    shown = {
        "stake_rao": "Stake behind a neuron.",
        "emission_rao": "What the last payout gave a neuron.",
        "trust": "Share of the stake that gives it weight, 0…1.",
        "consensus": "How far the stake agrees on it, 0…1.",
        "incentive": "Its share of what Servers earn, 0…1.",
        "dividends": "Its share of all that is paid, 0…1.",
    }
    for name, meaning in shown.items():
        is_share = not name.endswith("_rao")
        title = f"taonet_neuron_{name}{'_ratio' if is_share else ''}"
        values = ((row.uid, getattr(row, name)) for row in rows)
        page.series("gauge", title, meaning, ("uid",), values, digits=9 if is_share else None)
    for name in ("stake_rao", "emission_rao"):
        gini = calculate_gini([getattr(row, name) for row in rows])
        title = f"taonet_chain_{name.removesuffix('_rao')}_gini_ratio"
        page.value("gauge", title, "0: all neurons alike; 1: one has it all.", gini)
    return str(page)


def calculate_gini(amounts: Sequence[int]) -> float:
    """Return the Gini coefficient: half the mean difference of two, over the mean; 0 of nothing."""
    ordered = np.sort(np.array(amounts, dtype=np.float64))
    if not ordered.sum():
        return 0.0
    places = np.arange(1, len(ordered) + 1)
    spread = ((2 * places - len(ordered) - 1) * ordered).sum()
    return float(spread / (len(ordered) * ordered.sum()))
