"""What Prometheus sees of a Validator.

The gateway counts its own calls. What the worker does is read from Postgres at each scrape: a
worker's processes come and go, and what they counted is in the tables anyway.
"""

from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import Error as PostgresError
from psycopg_pool import ConnectionPool, PoolTimeout

from taonet.kit.db import begin
from taonet.kit.logging import get_logger
from taonet.kit.metrics import WORK_BUCKETS
from validator_service.domain.weights import U32_MAXIMUM
from validator_service.rounds import repository

INFERENCE_CALLS = Counter(
    "taonet_validator_inference_calls_total", "Consumers' calls, by how they ended.", ["outcome"]
)
INFERENCE_TOKENS = Counter(
    "taonet_validator_inference_tokens_total", "Tokens that consumers paid for.", ["direction"]
)
FIRST_TOKEN_SECONDS = Histogram(
    "taonet_validator_first_token_seconds",
    "From asking a Server to its first token.",
    buckets=WORK_BUCKETS,
)
REVENUE_RAO = Counter("taonet_validator_revenue_rao_total", "What consumers paid.")

for outcome in ("answered", "broken", "disconnected", "refused"):
    INFERENCE_CALLS.labels(outcome)
for direction in ("input", "output"):
    INFERENCE_TOKENS.labels(direction)

log = get_logger(__name__)


class StateCollector(Collector):
    """Rounds, answers, standings and weights, as Postgres has them."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            with begin(self.pool) as conn:
                tallies = repository.load_tallies(conn)
                standings = repository.load_standings(conn)
                weights = repository.load_newest_weights(conn)
        except (PostgresError, PoolTimeout) as error:
            log.warning("no metrics of rounds", reason=str(error))
            return
        yield from tally_metrics(tallies)
        loss = GaugeMetricFamily(
            "taonet_validator_server_loss_nats", "Long-run mean loss.", labels=["uid"]
        )
        score = GaugeMetricFamily("taonet_validator_server_score", "Score.", labels=["uid"])
        for row, uid in enumerate(standings.uids.tolist()):
            if standings.loss.weight[row] > 0:
                loss.add_metric([str(uid)], standings.loss.value[row])
            score.add_metric([str(uid)], standings.score.value[row])
        weight = GaugeMetricFamily(
            "taonet_validator_server_weight_ratio", "Newest weight set.", labels=["uid"]
        )
        for uid, value in zip(weights.uids, weights.values, strict=True) if weights else ():
            weight.add_metric([str(uid)], value / U32_MAXIMUM)
        yield from (loss, score, weight)


def tally_metrics(tallies: list[tuple[str, str, int]]) -> Iterator[Metric]:
    helps = {
        "round": "Rounds, by how they ended.",
        "answer": "Servers' answers, by code.",
        "weights": "Times that weights were sent to the chain, by outcome.",
    }
    for kind, text in helps.items():
        family = CounterMetricFamily(f"taonet_validator_{kind}s", text, labels=["code"])
        if kind == "weights":
            family = CounterMetricFamily("taonet_validator_weights", text, labels=["code"])
        for found, code, total in tallies:
            if found == kind:
                family.add_metric([code], total)
        yield family
