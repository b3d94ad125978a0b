"""Overview: is it healthy, who earns, where does it hurt; the other dashboards say why."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, exact, figure, graph, rows_of
from monitoring.dashboards.queries import CHOSEN, now, quantile, rate, tao

REQUESTS = "taonet_http_request_seconds"
FAULT = 'status=~"5.."'


def build() -> Dashboard:
    return board(
        "overview",
        "Overview",
        "Whether the network is healthy, who earns, and where it hurts.",
        [("Health", _health()), ("Network", _network()), ("Use", _use())],
    )


def _health() -> list[Panel]:
    audits = (
        f"sum({now('taonet_audit_faults')}) + sum(1 - {now('taonet_exchange_invariant_holds')})"
    )
    failed = f"sum({rate(f'{REQUESTS}_count', FAULT)}) or vector(0)"
    return [
        figure(
            "Out of reach",
            "up: processes that Prometheus can't reach now.",
            "short",
            f'count(up{{job="taonet",{CHOSEN}}} == 0) or vector(0)',
        ),
        figure(
            "Audit faults",
            "taonet_audit_faults, taonet_exchange_invariant_holds: what must never be; 0 is well.",
            "short",
            audits,
        ),
        figure(
            "Alerts firing",
            "ALERTS: of all severities; each names its runbook.",
            "short",
            'count(ALERTS{alertstate="firing"}) or vector(0)',
        ),
        figure(
            "Failing",
            f"{REQUESTS}: share of answers with a status of 500 and above.",
            "percentunit",
            f"({failed}) / sum({rate(f'{REQUESTS}_count')})",
        ),
    ]


def _network() -> list[Panel]:
    age = f"time() - max({now('taonet_chain_head_timestamp_seconds')})"
    return [
        figure(
            "Height",
            "taonet_chain_height: the newest block.",
            "locale",
            f"max({now('taonet_chain_height')})",
        ),
        figure(
            "Age of the head",
            "taonet_chain_head_timestamp_seconds: since the newest block.",
            "s",
            age,
        ),
        exact(
            "Issued",
            "block.issuance_rao, exact: all TAO minted so far, of 21 million.",
            "suffix: TAO",
            "SELECT issuance_rao / 1e9 AS issued FROM chain.block ORDER BY height DESC LIMIT 1",
        ),
        figure(
            "Last price",
            "taonet_exchange_last_price_btc: of the newest trade.",
            "suffix: BTC",
            f"max({now('taonet_exchange_last_price_btc')}) > 0",
        ),
        graph(
            "Time between blocks",
            "taonet_chain_block_interval_seconds: half and 99 of 100 blocks came within.",
            "s",
            {
                "half": quantile(0.5, "taonet_chain_block_interval_seconds"),
                "99 of 100": quantile(0.99, "taonet_chain_block_interval_seconds"),
            },
        ),
        rows_of(
            "Who earns most",
            "neuron: the ten whom the last payout gave most.",
            f'SELECT uid, name, {tao("emission_rao")} AS "emission, TAO", '
            f'{tao("stake_rao")} AS "stake, TAO" FROM chain.neuron '
            "ORDER BY emission_rao DESC, uid LIMIT 10",
            unit="locale",
        ),
    ]


def _use() -> list[Panel]:
    return [
        graph(
            "Requests",
            f"{REQUESTS}: answered each second.",
            "reqps",
            {"{{process}}": f"sum by (process) ({rate(f'{REQUESTS}_count')})"},
        ),
        graph(
            "95 of 100 answered within",
            f"{REQUESTS}: streams count until they end.",
            "s",
            {"{{process}}": quantile(0.95, REQUESTS, by="process")},
        ),
    ]
