"""
Prometheus metrics: the conventions, so that each service declares its own the same way.

Names start with `taonet_`, carry a base unit, and end in `_total` only when they count. A uid
may be a label; addresses, ids and prompts may not. Sums of money above 2^53 rao are not exact
in a float: audits read Postgres, metrics show rates and health.
"""

from prometheus_client import Counter, Gauge, Histogram

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; for requests that a person or a program waits for."""
WORK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Seconds; for jobs and model inference, which have a long tail."""

REQUEST_SECONDS = Histogram(
    "taonet_http_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=HTTP_BUCKETS,
)
REFUSALS = Counter(
    "taonet_http_refusals_total", "Requests refused, by the refusal's code.", ["code"]
)
OUTBOX_UNSENT = Gauge("taonet_outbox_unsent_events", "Events recorded but not yet relayed.")
