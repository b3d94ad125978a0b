"""Validators and scoring: what each Validator thinks of each Server, and whether rounds go on."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, figure, graph, rows_of
from monitoring.dashboards.queries import named, now, quantile, rate

ANSWERS = "taonet_validator_server_answers_total"
UNDER_WAY, PARKED, FAILED = 'state=~"asking|asked"', 'state="parked"', 'code!="ok"'
RUN, WAIT = "taonet_validator_job_run_seconds", "taonet_validator_job_wait_seconds"


def build() -> Dashboard:
    return board(
        "validators",
        "Validators and scoring",
        "Rounds and their jobs, and what each Validator found about each Server.",
        [("Rounds", _rounds()), ("Server by Validator", _servers()), ("Jobs", _jobs())],
    )


def _rounds() -> list[Panel]:
    age = f"time() - min({now('taonet_validator_last_round_timestamp_seconds')})"
    held = f"max({now('taonet_chain_height')}) - min({now('taonet_validator_weights_height')})"
    states = f"sum({now('taonet_validator_kept_rounds', UNDER_WAY)})"
    return [
        figure(
            "Since the last round",
            "taonet_validator_last_round_timestamp_seconds: the slowest Validator's.",
            "s",
            age,
        ),
        figure(
            "Age of the weights",
            "taonet_validator_weights_height: in blocks, the slowest Validator's.",
            "locale",
            held,
        ),
        figure(
            "Rounds under way", "taonet_validator_kept_rounds: asking or asked.", "short", states
        ),
        figure(
            "Parked rounds",
            "taonet_validator_kept_rounds: given up; `taonet validator parked` takes them up.",
            "short",
            f"sum({now('taonet_validator_kept_rounds', PARKED)})",
        ),
    ]


def _servers() -> list[Panel]:
    shown = {
        "Loss": (
            "loss_nats",
            "long-run mean loss on hidden text; lower is better.",
            "suffix: nats",
        ),
        "Score": ("score", "long-run worth.", "short"),
        "Weight": ("weight_ratio", "the newest set.", "percentunit"),
        "Synergy": (
            "synergy",
            "part of the newest round's worth that others' answers gave.",
            "short",
        ),
        "Latency": ("latency_seconds", "long-run mean time to answer.", "s"),
    }
    graphs = [
        graph(
            title,
            f"taonet_validator_server_{metric}: {meaning}",
            unit,
            {
                "{{process}}: {{uid}} {{name}}": named(
                    f"max by (process, uid) ({now(f'taonet_validator_server_{metric}')})"
                )
            },
        )
        for title, (metric, meaning, unit) in shown.items()
    ]
    failures = graph(
        "Failures",
        f"{ANSWERS}: each second, by Server and code.",
        "cps",
        {"{{uid}} {{name}}: {{code}}": named(f"sum by (uid, code) ({rate(ANSWERS, FAILED)})")},
    )
    standing = rows_of(
        "Disagreement",
        "standing: losses in nats as both Validators know them, the largest difference first.",
        'SELECT uid, first.loss_total / first.loss_weight AS "loss by 1", '
        'second.loss_total / second.loss_weight AS "loss by 2" '
        "FROM validator_1.standing AS first JOIN validator_2.standing AS second "
        "USING (uid, hotkey) WHERE first.loss_weight > 0 AND second.loss_weight > 0 "
        "ORDER BY abs(first.loss_total / first.loss_weight "
        "- second.loss_total / second.loss_weight) DESC LIMIT 50",
    )
    worth = rows_of(
        "Newest round",
        "server_round: of the first Validator; who answered alike is in one cluster.",
        'SELECT uid, number AS round, worth, synergy, cluster_uid AS "like uid" '
        "FROM validator_1.server_round ORDER BY worth DESC, uid LIMIT 100",
    )
    return [*graphs, failures, standing, worth]


def _jobs() -> list[Panel]:
    return [
        graph(
            "Jobs done",
            f"{RUN}: each second, by task and outcome.",
            "cps",
            {"{{task}} {{outcome}}": f"sum by (task, outcome) ({rate(f'{RUN}_count')})"},
        ),
        graph(
            "95 of 100 jobs ran within",
            f"{RUN}: by task.",
            "s",
            {"{{task}}": quantile(0.95, RUN, by="task")},
        ),
        graph(
            "95 of 100 jobs waited at most",
            f"{WAIT}: from the bell to the beginning.",
            "s",
            {"{{task}}": quantile(0.95, WAIT, by="task")},
        ),
        graph(
            "Jobs waiting and under way",
            "taonet_queue_waiting_jobs, taonet_queue_unacknowledged_jobs: in Redis.",
            "short",
            {
                "{{application}} {{queue}}": now("taonet_queue_waiting_jobs"),
                "{{application}} under way": now("taonet_queue_unacknowledged_jobs"),
            },
        ),
    ]
