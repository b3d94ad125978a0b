"""What Prometheus sees of a Validator.

The gateway counts its own calls. What the worker does is read from Postgres at each scrape: a
worker's processes come and go, and what they counted is in the tables anyway.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from psycopg import Connection
from psycopg_pool import ConnectionPool

from taonet.kit.db import begin
from taonet.kit.exposition import Exposition
from taonet.kit.metrics import HTTP_BUCKETS, WORK_BUCKETS
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.payouts import statement_repository
from validator_service.rounds import repository, watch_repository, weights_repository
from validator_service.rounds.watch_repository import WatchRow

INFERENCE_CALLS = Counter(
    "taonet_validator_inference_calls_total", "Consumers' calls, by how they ended.", ["outcome"]
)
INFERENCE_TOKENS = Counter(
    "taonet_validator_inference_tokens_total", "Tokens that consumers paid for.", ["direction"]
)
FIRST_TOKEN_SECONDS = Histogram(
    "taonet_validator_first_token_seconds",
    "From asking a Server to its first token.",
    buckets=HTTP_BUCKETS,
)
TOKEN_SECONDS = Histogram(
    "taonet_validator_token_seconds",
    "Mean time of a text's tokens, after its first.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
)
REVENUE_RAO = Counter("taonet_validator_revenue_rao_total", "What consumers paid.")

for outcome in ("answered", "broken", "disconnected", "refused"):
    INFERENCE_CALLS.labels(outcome)
for direction in ("input", "output"):
    INFERENCE_TOKENS.labels(direction)

FIGURE_DIGITS = 6
"""Of what is thought of a Server: as many as a mean of some rounds can mean."""
STATES = ("asking", "asked", "scored", "parked")
JobRow = tuple[str, str, str, float, int, float]
"""Job, measure, outcome, bound, how many, their seconds."""


@dataclass(frozen=True)
class ValidatorState:
    """A Validator's page of metrics, as its tables have it."""

    pool: ConnectionPool

    def read(self) -> str:
        page = Exposition()
        with begin(self.pool) as conn:
            show_watch(page, watch_repository.load_watch(conn))
            show_tallies(page, repository.load_tallies(conn))
            show_states(page, dict(watch_repository.count_round_states(conn)))
            show_servers(page, conn)
            show_jobs(page, watch_repository.load_job_times(conn))
        return str(page)


def count_problems(conn: Connection) -> int:
    """Audit: each amount in the books is the sum of its rows."""
    return len(statement_repository.list_problems(conn))


AUDITS = {"gateway_books": count_problems}


def show_watch(page: Exposition, row: WatchRow) -> None:
    figures = {
        "last_round_timestamp_seconds": ("When a round was last scored; 0: never.", row.scored_at),
        "weights_height": ("The chain's, when weights were last made.", row.weights_height),
        "servers_owed_rao": ("Servers' shares that are in no payment yet.", row.owed_rao),
        "payments_under_way": ("Payments to the chain, not settled yet.", row.payments_under_way),
        "consumers_held_rao": ("What consumers have in their accounts.", row.held_rao),
    }
    for name, (meaning, value) in figures.items():
        page.value("gauge", f"taonet_validator_{name}", meaning, value)
    meaning = "What Servers were paid on chain."
    page.value("counter", "taonet_validator_payout_rao_total", meaning, row.paid_rao)


def show_tallies(page: Exposition, tallies: list[tuple[str, str, int]]) -> None:
    helps = {
        "round": ("taonet_validator_rounds_total", "Rounds, by how they ended.", ("scored",)),
        "answer": ("taonet_validator_answers_total", "Servers' answers, by code.", ("ok",)),
        "weights": (
            "taonet_validator_weights_total",
            "Times that weights were sent to the chain, by outcome.",
            ("set",),
        ),
    }
    for kind, (name, meaning, known) in helps.items():
        counts = dict.fromkeys(known, 0)
        counts |= {code: total for found, code, total in tallies if found == kind}
        page.series("counter", name, meaning, ("code",), counts.items())


def show_states(page: Exposition, counts: dict[str, int]) -> None:
    rows = [(state, counts.get(state, 0)) for state in STATES]
    meaning = "Rounds that are kept, by state; asking and asked are under way."
    page.series("gauge", "taonet_validator_kept_rounds", meaning, ("state",), rows)


def show_servers(page: Exposition, conn: Connection) -> None:
    """Show what this Validator thinks of each Server, and why."""
    uids, *figures = list(zip(*watch_repository.load_server_figures(conn), strict=True)) or [()] * 6
    meanings = {
        "loss_nats": "Long-run mean loss.",
        "latency_seconds": "Long-run mean time to answer.",
        "score": "Score.",
        "worth": "What the newest round was worth.",
        "synergy": "Part of that by synergy.",
    }
    for (name, meaning), values in zip(meanings.items(), figures, strict=True):
        show_figure(page, f"taonet_validator_server_{name}", meaning, uids, values)
    weights = weights_repository.load_newest_weights(conn)
    ratios = [value / U32_MAXIMUM for value in weights.values] if weights else []
    rated = weights.uids if weights else []
    show_figure(page, "taonet_validator_server_weight_ratio", "Newest weight made.", rated, ratios)
    page.series(
        "counter",
        "taonet_validator_server_answers_total",
        "Answers and failures of each Server, by code.",
        ("uid", "code"),
        watch_repository.load_server_codes(conn),
    )


def show_figure(
    page: Exposition, name: str, meaning: str, uids: Sequence[int], values: Sequence[float | None]
) -> None:
    """Show one figure of each Server that has it."""
    rows = list(zip(uids, values, strict=True))
    if None in values:
        rows = [row for row in rows if row[1] is not None]
    page.series("gauge", name, meaning, ("uid",), rows, digits=FIGURE_DIGITS)


def show_jobs(page: Exposition, rows: list[JobRow]) -> None:
    for measure, meaning in (
        ("wait", "From a job's bell to its beginning."),
        ("run", "How long a job worked, by how it ended."),
    ):
        chosen = [row for row in rows if row[1] == measure]
        labels = ("task",) if measure == "wait" else ("task", "outcome")
        page.histogram(
            f"taonet_validator_job_{measure}_seconds", meaning, labels, _histograms(chosen, labels)
        )


def _histograms(
    rows: list[JobRow], labels: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], list[tuple[float, int]], float]]:
    """Yield each job's histogram, its counts added up from the lowest bound on."""
    for named, group in itertools.groupby(rows, key=lambda row: (row[0], row[2])):
        found = list(group)
        counts = {bound: total for _, _, _, bound, total, _ in found}
        bounds = (*WORK_BUCKETS, float("inf"))
        summed = itertools.accumulate(counts.get(bound, 0) for bound in bounds)
        yield (
            named[: len(labels)],
            list(zip(bounds, summed, strict=True)),
            sum(row[5] for row in found),
        )
