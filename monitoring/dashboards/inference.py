"""Inference and revenue: what consumers ask, how fast they are answered, what it earns."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, exact, figure, graph, rows_of
from monitoring.dashboards.queries import now, quantile, rate, tao

CALLS, TOKENS = "taonet_validator_inference_calls_total", "taonet_validator_inference_tokens_total"
FIRST, PACE = "taonet_validator_first_token_seconds", "taonet_validator_token_seconds"
REQUESTS = "taonet_http_request_seconds_count"
STATUSES = {
    "402": 'status="402"',
    "429": 'status="429"',
    "5xx": 'status=~"5.."',
}
DOORS = 'route=~"/v1/.*"'
VALIDATORS = ("validator_1", "validator_2")


def build() -> Dashboard:
    return board(
        "inference",
        "Inference and revenue",
        "What consumers ask and pay, how fast they are answered, and what Servers got of it.",
        [("Money", _money()), ("Calls", _calls()), ("Speed", _speed())],
    )


def _sum(expression: str, table: str) -> str:
    parts = " + ".join(
        f"(SELECT coalesce(sum({expression}), 0) FROM {owner}.{table})" for owner in VALIDATORS
    )
    return f"SELECT ({parts}) / 1e9 AS tao"


def _money() -> list[Panel]:
    settled = "payout JOIN {0}.payment ON payment.id = payment_id WHERE payment.state = 'settled'"
    paid = " + ".join(
        f"(SELECT coalesce(sum(amount_rao), 0) FROM {owner}.{settled.format(owner)})"
        for owner in VALIDATORS
    )
    newest = " UNION ALL ".join(
        f"SELECT '{owner}' AS gateway, payment.id, payment.state, count(payout.id) AS servers, "
        f'{tao("sum(payout.amount_rao)", 9)} AS "paid, TAO" '
        f"FROM {owner}.payment "
        f"JOIN {owner}.payout ON payout.payment_id = payment.id GROUP BY payment.id"
        for owner in VALIDATORS
    )
    models = " UNION ALL ".join(
        f"SELECT model, cost_rao, prompt_tokens, completion_tokens FROM {owner}.call "
        "WHERE state = 'settled'"
        for owner in VALIDATORS
    )
    return [
        exact(
            "Revenue",
            "call.cost_rao, exact: what all settled calls cost.",
            "suffix: TAO",
            _sum("cost_rao", "call WHERE state = 'settled'"),
        ),
        exact(
            "Paid to Servers",
            "payout.amount_rao, exact: settled on chain.",
            "suffix: TAO",
            f"SELECT ({paid}) / 1e9 AS tao",
        ),
        exact(
            "Consumers hold",
            "account.balance_rao, exact: what consumers have paid in.",
            "suffix: TAO",
            _sum("balance_rao", "account"),
        ),
        figure(
            "Owed to Servers",
            "taonet_validator_servers_owed_rao: shares that are in no payment yet.",
            "suffix: TAO",
            f"sum({now('taonet_validator_servers_owed_rao')}) / 1e9",
        ),
        graph(
            "Revenue and payouts",
            "taonet_validator_revenue_rao_total, taonet_validator_payout_rao_total: a second.",
            "suffix: TAO/s",
            {
                "revenue": f"sum({rate('taonet_validator_revenue_rao_total')}) / 1e9",
                "payouts": f"sum({rate('taonet_validator_payout_rao_total')}) / 1e9",
            },
        ),
        rows_of(
            "By model",
            "call, exact: settled calls, their tokens and cost.",
            'SELECT model, count(*) AS calls, sum(prompt_tokens) AS "tokens in", '
            f'sum(completion_tokens) AS "tokens out", {tao("sum(cost_rao)", 9)} AS "cost, TAO" '
            f"FROM ({models}) AS settled GROUP BY model ORDER BY 5 DESC",
            unit="locale",
        ),
        rows_of(
            "Payouts",
            "payment, payout, exact: the newest, and how far they are.",
            f"SELECT * FROM ({newest}) AS payments ORDER BY id DESC LIMIT 50",
            unit="locale",
            span=1,
        ),
    ]


def _calls() -> list[Panel]:
    return [
        graph(
            "Calls by outcome",
            f"{CALLS}: each second.",
            "reqps",
            {"{{outcome}}": f"sum by (outcome) ({rate(CALLS)})"},
        ),
        graph(
            "Tokens",
            f"{TOKENS}: paid for, each second.",
            "short",
            {"{{direction}}": f"sum by (direction) ({rate(TOKENS)})"},
        ),
        graph(
            "Not paid, too many, our fault",
            f"{REQUESTS}: answers of 402, 429 and 5xx, each second.",
            "reqps",
            {
                text: f"sum({rate(REQUESTS, DOORS, matcher)}) or vector(0)"
                for text, matcher in STATUSES.items()
            },
        ),
        graph(
            "Budget used",
            "promise:taonet_failures:ratio1h: share of requests that failed by our fault; 0.5 % "
            "was promised.",
            "percentunit",
            {"{{promise}}": "promise:taonet_failures:ratio1h or vector(0)"},
        ),
    ]


def _speed() -> list[Panel]:
    return [
        graph(
            "Time to the first token",
            f"{FIRST}: from asking a Server.",
            "s",
            {"half": quantile(0.5, FIRST), "95 of 100": quantile(0.95, FIRST)},
        ),
        graph(
            "Time of a token",
            f"{PACE}: after the first; 0.01 s is 100 tokens a second.",
            "s",
            {"half": quantile(0.5, PACE), "95 of 100": quantile(0.95, PACE)},
        ),
    ]
