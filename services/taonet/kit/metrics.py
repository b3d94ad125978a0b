"""
Prometheus metrics: the conventions, so that each service declares its own the same way.

Names start with `taonet_`, carry a base unit, and end in `_total` only when they count. A uid
may be a label; addresses, ids and prompts may not, but in an `_info` that others are joined with.
Amounts are rao. Sums of money above 2^53 rao are not exact in a float: audits read Postgres,
metrics show rates and health. What Postgres knows is read from there at each scrape
(`exposition`), so that it is right whichever process counted it; see docs/decisions/0035.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, start_http_server

from taonet.kit.version import VERSION

# When a counter began is what Prometheus finds out by itself.
disable_created_metrics()  # type: ignore[no-untyped-call]

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds; for requests that a person or a program waits for."""
WORK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Seconds; for jobs and model inference, which have a long tail."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""What a label may say of a request's method; whatever else somebody sends is `other`."""

BUILD = Gauge("taonet_build_info", "The running version, as a label; always 1.", ["version"])
BUILD.labels(VERSION).set(1)
REQUEST_SECONDS = Histogram(
    "taonet_http_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=HTTP_BUCKETS,
)
REFUSALS = Counter(
    "taonet_http_refusals_total", "Requests refused, by the refusal's code.", ["code"]
)
AUDIT_FAULTS = Gauge("taonet_audit_faults", "What an audit found wrong; 0 is well.", ["audit"])
AUDIT_TIME = Gauge(
    "taonet_audit_timestamp_seconds", "When an audit last came to its end.", ["audit"]
)


def serve_metrics(listen: str) -> None:
    """Answer every GET at host:port with this process's metrics: for one without web pages."""
    if listen:
        host, _, port = listen.rpartition(":")
        start_http_server(int(port), host)
