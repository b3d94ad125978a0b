"""Emission and chain: is the chain alive, what was minted, and who got it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from monitoring.dashboards.panels import board, figure, graph


def build() -> Dashboard:
    return _who_earns(_blocks(_figures(_empty())))


def _empty() -> Dashboard:
    return board(
        "taonet-emission",
        "Emission and chain",
        "Whether the chain lives, what it mints, and which neurons it pays. For exact sums read "
        "the chain's /supply: metrics are floats.",
    )


def _figures(dashboard: Dashboard) -> Dashboard:
    return (
        dashboard.with_row(Row("Chain"))
        .with_panel(
            figure(
                "Height",
                "taonet_chain_height: the newest block.",
                "locale",
                'max(taonet_chain_height{process=~"$process"})',
            )
        )
        .with_panel(
            figure(
                "Issued",
                "taonet_chain_issuance_tao: all TAO minted so far, of 21 million.",
                "suffix: TAO",
                'max(taonet_chain_issuance_tao{process=~"$process"})',
            )
        )
        .with_panel(
            figure(
                "In the pot",
                "taonet_chain_pot_tao: minted, and waiting for the next step.",
                "suffix: TAO",
                'max(taonet_chain_pot_tao{process=~"$process"})',
            )
        )
        .with_panel(
            figure(
                "Supply difference",
                "taonet_explorer_supply_difference_rao: issued minus "
                "free, staked and in the pot. Anything but 0 is an emergency.",
                "suffix: rao",
                'max(abs(taonet_explorer_supply_difference_rao{process=~"$process"}))',
            )
        )
    )


def _blocks(dashboard: Dashboard) -> Dashboard:
    interval = "taonet_chain_block_interval_seconds"
    apply = "taonet_chain_apply_seconds"
    chosen = '{process=~"$process"}[$__rate_interval]'
    by_time = f"sum by (le) (rate({interval}_bucket{chosen}))"
    refused = "taonet_chain_failed_extrinsics_total"
    return (
        dashboard.with_row(Row("Blocks"))
        .with_panel(
            graph(
                "Time between blocks",
                f"{interval}: half and 99 of 100 blocks came within.",
                "s",
                {
                    "half": f"histogram_quantile(0.5, {by_time})",
                    "99 of 100": f"histogram_quantile(0.99, {by_time})",
                },
            )
        )
        .with_panel(
            graph(
                "Time to apply a block",
                f"{apply}: choosing and carrying out extrinsics.",
                "s",
                {"mean": f"sum(rate({apply}_sum{chosen})) / sum(rate({apply}_count{chosen}))"},
            )
        )
        .with_panel(
            graph(
                "Waiting extrinsics",
                "taonet_chain_mempool_extrinsics: in no block yet.",
                "short",
                {"waiting": 'max(taonet_chain_mempool_extrinsics{process=~"$process"})'},
            )
        )
        .with_panel(
            graph(
                "Refused in blocks",
                f"{refused}: by reason.",
                "cps",
                {"{{reason}}": f"sum by (reason) (rate({refused}{chosen}))"},
            )
        )
    )


def _who_earns(dashboard: Dashboard) -> Dashboard:
    chosen = '{process=~"$process"}'
    return (
        dashboard.with_row(Row("Who earns"))
        .with_panel(
            graph(
                "Emission per neuron",
                "taonet_chain_emission_rao: what the last step paid.",
                "suffix: TAO",
                {"uid {{uid}}": f"max by (uid) (taonet_chain_emission_rao{chosen}) / 1e9"},
            )
        )
        .with_panel(
            graph(
                "Stake per neuron",
                "taonet_chain_stake_tao: TAO that vouch for it.",
                "suffix: TAO",
                {"uid {{uid}}": f"max by (uid) (taonet_chain_stake_tao{chosen})"},
            )
        )
        .with_panel(
            graph(
                "Incentive",
                "taonet_chain_incentive_ratio: share of what Servers earn.",
                "percentunit",
                {"uid {{uid}}": f"max by (uid) (taonet_chain_incentive_ratio{chosen})"},
            )
        )
        .with_panel(
            graph(
                "Dividends",
                "taonet_chain_dividends_ratio: share of all that is paid.",
                "percentunit",
                {"uid {{uid}}": f"max by (uid) (taonet_chain_dividends_ratio{chosen})"},
            )
        )
    )
