"""What the chain shows to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from chain_service.schemas import Neuron

RAO_PER_TAO = 1e9

HEIGHT = Gauge("taonet_chain_height", "Height of the newest block.")
ISSUANCE = Gauge("taonet_chain_issuance_tao", "All TAO minted so far.")
POT = Gauge("taonet_chain_pot_tao", "TAO minted and not yet paid out.")
MEMPOOL = Gauge("taonet_chain_mempool_extrinsics", "Extrinsics that wait for a block.")
BLOCK_INTERVAL = Histogram(
    "taonet_chain_block_interval_seconds",
    "Time between two blocks.",
    buckets=(0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 5, 8, 11, 12, 13, 15, 20, 30, 60),
)
APPLY_SECONDS = Histogram(
    "taonet_chain_apply_seconds",
    "Time to choose a block's extrinsics and carry them out.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
EMISSION = Gauge("taonet_chain_emission_rao", "What the last payout gave a neuron.", ["uid"])
PAID = Counter("taonet_chain_paid_rao_total", "What payouts gave a neuron so far.", ["uid"])
STAKE = Gauge("taonet_chain_stake_tao", "Stake behind a neuron.", ["uid"])
INCENTIVE = Gauge("taonet_chain_incentive_ratio", "Incentive of a neuron, 0…1.", ["uid"])
DIVIDENDS = Gauge("taonet_chain_dividends_ratio", "Dividends of a neuron, 0…1.", ["uid"])
FAILED = Counter(
    "taonet_chain_failed_extrinsics_total",
    "Extrinsics included in a block whose call was refused there, by reason.",
    ["reason"],
)


def show_neurons(neurons: list[Neuron]) -> None:
    """Show every neuron's scores and stake."""
    for neuron in neurons:
        uid = str(neuron.uid)
        EMISSION.labels(uid).set(neuron.emission_rao)
        STAKE.labels(uid).set(neuron.stake_rao / RAO_PER_TAO)
        INCENTIVE.labels(uid).set(neuron.incentive)
        DIVIDENDS.labels(uid).set(neuron.dividends)
