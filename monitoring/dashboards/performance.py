"""Performance of the services: do they answer, how fast, and what waits."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from monitoring.dashboards.panels import board, figure, graph

CHOSEN = '{process=~"$process"}'
RATE = CHOSEN + "[$__rate_interval]"
SECONDS = "taonet_http_request_seconds"
FAILED = '{process=~"$process", status=~"5.."}[$__rate_interval]'


def build() -> Dashboard:
    dashboard = board(
        "taonet-performance",
        "Performance (services)",
        "Whether every process answers, how fast, what it refuses, and what waits.",
    )
    return _servers(_requests(_figures(dashboard)))


def _figures(dashboard: Dashboard) -> Dashboard:
    return (
        dashboard.with_row(Row("At a glance"))
        .with_panel(
            figure(
                "Out of reach",
                "up: processes that Prometheus can't reach now.",
                "short",
                'count(up{job="taonet", process=~"$process"} == 0) or vector(0)',
            )
        )
        .with_panel(
            figure(
                "Requests",
                f"{SECONDS}: answered each second, all processes.",
                "reqps",
                f"sum(rate({SECONDS}_count{RATE}))",
            )
        )
        .with_panel(
            figure(
                "Failing",
                f"{SECONDS}: share of answers with a status of 500 and above.",
                "percentunit",
                f"(sum(rate({SECONDS}_count{FAILED})) or vector(0)) "
                f"/ sum(rate({SECONDS}_count{RATE}))",
            )
        )
        .with_panel(
            figure(
                "Unsent events",
                "taonet_outbox_unsent_events: recorded, and not yet relayed.",
                "short",
                f"sum(taonet_outbox_unsent_events{CHOSEN})",
            )
        )
    )


def _requests(dashboard: Dashboard) -> Dashboard:
    slow = f"sum by (le, process) (rate({SECONDS}_bucket{RATE}))"
    return (
        dashboard.with_row(Row("Requests"))
        .with_panel(
            graph(
                "Requests by process",
                f"{SECONDS}: answered each second.",
                "reqps",
                {"{{process}}": f"sum by (process) (rate({SECONDS}_count{RATE}))"},
            )
        )
        .with_panel(
            graph(
                "95 of 100 answered within",
                f"{SECONDS}: streams count until they end.",
                "s",
                {"{{process}}": f"histogram_quantile(0.95, {slow})"},
            )
        )
        .with_panel(
            graph(
                "Refusals",
                "taonet_http_refusals_total: by code.",
                "reqps",
                {"{{code}}": f"sum by (code) (rate(taonet_http_refusals_total{RATE}))"},
            )
        )
        .with_panel(
            graph(
                "Open pages",
                "taonet_explorer_stream_listeners: pages that listen for news.",
                "short",
                {"pages": f"sum(taonet_explorer_stream_listeners{CHOSEN})"},
            )
        )
    )


def _servers(dashboard: Dashboard) -> Dashboard:
    first = f"sum by (le) (rate(taonet_server_first_token_seconds_bucket{RATE}))"
    forward_sum = f"sum by (kind) (rate(taonet_server_forward_seconds_sum{RATE}))"
    forward_count = f"sum by (kind) (rate(taonet_server_forward_seconds_count{RATE}))"
    return (
        dashboard.with_row(Row("Servers"))
        .with_panel(
            graph(
                "Tokens",
                "taonet_server_tokens_total: read and written each second.",
                "short",
                {"{{direction}}": f"sum by (direction) (rate(taonet_server_tokens_total{RATE}))"},
            )
        )
        .with_panel(
            graph(
                "Time to the first token",
                "taonet_server_first_token_seconds.",
                "s",
                {
                    "half": f"histogram_quantile(0.5, {first})",
                    "95 of 100": f"histogram_quantile(0.95, {first})",
                },
            )
        )
        .with_panel(
            graph(
                "Time of one pass",
                "taonet_server_forward_seconds: mean, by kind.",
                "s",
                {"{{kind}}": f"{forward_sum} / {forward_count}"},
            )
        )
        .with_panel(
            graph(
                "Waiting and running",
                "taonet_server_queue_requests, taonet_server_streams.",
                "short",
                {
                    "waiting": f"sum(taonet_server_queue_requests{CHOSEN})",
                    "texts running": f"sum(taonet_server_streams{CHOSEN})",
                },
            )
        )
    )
