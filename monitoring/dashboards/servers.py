"""Servers: do they answer, how fast, and what waits for them."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, figure, graph
from monitoring.dashboards.queries import mean, now, quantile, rate

FIRST, FORWARD = "taonet_server_first_token_seconds", "taonet_server_forward_seconds"
REQUESTS, TOKENS = "taonet_server_requests_total", "taonet_server_tokens_total"
FAILED, SERVERS = 'code!="ok"', 'process=~"server.*"'


def build() -> Dashboard:
    return board(
        "servers",
        "Servers",
        "Whether the Servers answer, how fast they write, what waits and what they refuse.",
        [("At a glance", _figures()), ("Work", _work()), ("Trouble", _trouble())],
    )


def _figures() -> list[Panel]:
    return [
        figure(
            "Tokens", f"{TOKENS}: read and written each second.", "short", f"sum({rate(TOKENS)})"
        ),
        figure("Requests", f"{REQUESTS}: each second.", "reqps", f"sum({rate(REQUESTS)})"),
        figure(
            "Waiting",
            "taonet_server_queue_requests: for the models.",
            "short",
            f"sum({now('taonet_server_queue_requests')})",
        ),
        figure(
            "Texts running",
            "taonet_server_streams: being written.",
            "short",
            f"sum({now('taonet_server_streams')})",
        ),
    ]


def _work() -> list[Panel]:
    return [
        graph(
            "Tokens by Server",
            f"{TOKENS}: each second.",
            "short",
            {"{{process}} {{direction}}": f"sum by (process, direction) ({rate(TOKENS)})"},
        ),
        graph(
            "Time of one pass",
            f"{FORWARD}: mean, by Server and kind.",
            "s",
            {"{{process}} {{kind}}": mean(FORWARD, "process, kind")},
        ),
        graph(
            "Requests by kind",
            f"{REQUESTS}: each second.",
            "reqps",
            {"{{kind}}": f"sum by (kind) ({rate(REQUESTS)})"},
        ),
        graph(
            "95 of 100 answered within",
            "taonet_http_request_seconds: of the Servers.",
            "s",
            {"{{process}}": quantile(0.95, "taonet_http_request_seconds", SERVERS, by="process")},
        ),
    ]


def _trouble() -> list[Panel]:
    return [
        graph(
            "Refused and failed",
            f"{REQUESTS}: each second, by code.",
            "reqps",
            {
                "{{process}} {{code}}": f"sum by (process, code) ({rate(REQUESTS, FAILED)})"
                " or vector(0)"
            },
        ),
        graph(
            "Age of the metagraph",
            "taonet_server_metagraph_age_seconds: since it was last read from the chain.",
            "s",
            {"{{process}}": f"max by (process) ({now('taonet_server_metagraph_age_seconds')})"},
        ),
        graph(
            "Waiting and running",
            "taonet_server_queue_requests, taonet_server_streams.",
            "short",
            {
                "waiting: {{process}}": f"sum by (process) ({now('taonet_server_queue_requests')})",
                "running: {{process}}": f"sum by (process) ({now('taonet_server_streams')})",
            },
        ),
        graph(
            "Memory",
            "process_resident_memory_bytes: of each Server.",
            "bytes",
            {"{{process}}": f"max by (process) ({now('process_resident_memory_bytes', SERVERS)})"},
        ),
    ]
