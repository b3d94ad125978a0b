"""Chain and emission: is the chain alive, what was minted, and who got it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, exact, figure, graph, rows_of
from monitoring.dashboards.queries import mean, named, now, quantile, rate, tao

INTERVAL, PHASE = "taonet_chain_block_interval_seconds", "taonet_chain_phase_seconds"
REFUSED = "taonet_chain_failed_extrinsics_total"
SUPPLY = "FROM chain.block ORDER BY height DESC LIMIT 1"


def build() -> Dashboard:
    return board(
        "chain",
        "Chain and emission",
        "Whether the chain lives, what it mints, and which neurons it pays. Sums are exact, from "
        "Postgres; what moves is from metrics.",
        [
            ("Supply", _supply()),
            ("Blocks", _blocks()),
            ("Emission", _emission()),
            ("Neurons", _neurons()),
        ],
    )


def _supply() -> list[Panel]:
    return [
        exact(
            "Issued",
            "block.issuance_rao, exact.",
            "suffix: TAO",
            f"SELECT issuance_rao / 1e9 AS issued {SUPPLY}",
        ),
        exact(
            "In the pot",
            "block.pot_rao, exact: minted, and waiting for the next step.",
            "suffix: TAO",
            f"SELECT pot_rao / 1e9 AS pot {SUPPLY}",
        ),
        figure(
            "Supply difference",
            "taonet_chain_supply_difference_rao: all accounts, stakes and the pot, less what was "
            "issued. Anything but 0 is an emergency.",
            "suffix: rao",
            f"max(abs({now('taonet_chain_supply_difference_rao')}))",
        ),
        figure(
            "Off schedule",
            "taonet_chain_schedule_difference_rao: issued above the halvings; 0 is well.",
            "suffix: rao",
            f"max(abs({now('taonet_chain_schedule_difference_rao')}))",
        ),
        figure(
            "Era",
            "taonet_chain_era: halvings so far, of 64.",
            "short",
            f"max({now('taonet_chain_era')})",
        ),
        figure(
            "Blocks to the halving",
            "taonet_chain_halving_height, taonet_chain_height.",
            "locale",
            f"max({now('taonet_chain_halving_height')}) - max({now('taonet_chain_height')})",
        ),
        figure(
            "Reward",
            "taonet_chain_reward_rao: what the next block mints.",
            "suffix: TAO",
            f"max({now('taonet_chain_reward_rao')}) / 1e9",
        ),
        figure(
            "Author's terms",
            "taonet_chain_author_terms_total: how often an author began to lead.",
            "short",
            f"max({now('taonet_chain_author_terms_total')})",
        ),
    ]


def _blocks() -> list[Panel]:
    return [
        graph(
            "Time between blocks",
            f"{INTERVAL}: half and 99 of 100 blocks came within.",
            "s",
            {"half": quantile(0.5, INTERVAL), "99 of 100": quantile(0.99, INTERVAL)},
        ),
        graph(
            "Time of a block's parts",
            f"{PHASE}: mean, as the author measures it.",
            "s",
            {"{{phase}}": mean(PHASE, "phase")},
        ),
        graph(
            "Mempool and outbox",
            "taonet_chain_mempool_extrinsics, taonet_outbox_unsent_events: in no block, untold.",
            "short",
            {
                "extrinsics waiting": f"max({now('taonet_chain_mempool_extrinsics')})",
                "events untold": f"max({now('taonet_outbox_unsent_events')})",
            },
        ),
        graph(
            "Extrinsics",
            f"taonet_chain_extrinsics_total, {REFUSED}: each second, by outcome and reason.",
            "cps",
            {
                "{{status}}": f"sum by (status) ({rate('taonet_chain_extrinsics_total')})",
                "failed: {{reason}}": f"sum by (reason) ({rate(REFUSED)} > 0)",
            },
        ),
    ]


def _emission() -> list[Panel]:
    halves = f"sum({now('taonet_neuron_emission_rao')}) / 1e9"
    servers = f"{halves} / 2 * sum({now('taonet_neuron_incentive_ratio')})"
    return [
        graph(
            "Paid by the last step",
            "taonet_neuron_emission_rao, taonet_neuron_incentive_ratio: half of it goes to Servers "
            "by incentive, half to the Validators that ranked them.",
            "suffix: TAO",
            {"Servers": servers, "Validators": f"{halves} - {servers}"},
        ),
        graph(
            "Paid to each neuron",
            "taonet_chain_paid_rao_total: TAO each second.",
            "suffix: TAO/s",
            {
                "{{uid}} {{name}}": named(
                    f"max by (uid) ({rate('taonet_chain_paid_rao_total')}) / 1e9"
                )
            },
        ),
        rows_of(
            "Emission per era",
            "block: what each era minted so far.",
            "SELECT (height - 1) / (parameters ->> 'blocks_per_era')::bigint AS era, "
            f'max(height) AS "last block", '
            f'{tao("(max(issuance_rao) - min(issuance_rao))")} AS "minted, TAO" '
            "FROM chain.block, chain.genesis WHERE height > 0 GROUP BY 1 ORDER BY 1",
            unit="locale",
        ),
        graph(
            "Gini",
            "taonet_chain_stake_gini_ratio, taonet_chain_emission_gini_ratio: 0 all alike, 1 one "
            "has it all.",
            "percentunit",
            {
                "stake": f"max({now('taonet_chain_stake_gini_ratio')})",
                "emission": f"max({now('taonet_chain_emission_gini_ratio')})",
            },
        ),
    ]


def _neurons() -> list[Panel]:
    shown = {
        "Stake": ("taonet_neuron_stake_rao", "TAO that vouch for it.", "suffix: TAO", " / 1e9"),
        "Incentive": (
            "taonet_neuron_incentive_ratio",
            "share of what Servers earn.",
            "percentunit",
            "",
        ),
        "Dividends": (
            "taonet_neuron_dividends_ratio",
            "share of all that is paid.",
            "percentunit",
            "",
        ),
        "Consensus": (
            "taonet_neuron_consensus_ratio",
            "how far the stake agrees on it.",
            "percentunit",
            "",
        ),
        "Trust": (
            "taonet_neuron_trust_ratio",
            "share of the stake that weighs it.",
            "percentunit",
            "",
        ),
    }
    graphs = [
        graph(
            title,
            f"{metric}: {meaning} The twenty highest.",
            unit,
            {"{{uid}} {{name}}": f"topk(20, {named(f'max by (uid) ({now(metric)}){scale}')})"},
        )
        for title, (metric, meaning, unit, scale) in shown.items()
    ]
    metagraph = rows_of(
        "Metagraph",
        "neuron: the hundred with the highest stake.",
        f'SELECT uid, name, {tao("stake_rao")} AS "stake, TAO", '
        f'{tao("emission_rao")} AS "emission, TAO", '
        'last_update_block AS "last update", active, hotkey '
        "FROM chain.neuron ORDER BY stake_rao DESC, uid LIMIT 100",
        unit="locale",
    )
    return [*graphs, metagraph]
