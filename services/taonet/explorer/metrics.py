"""What Prometheus sees of the explorer: the chain from the outside, as its readers meet it."""

from prometheus_client import Gauge

SUPPLY_DIFFERENCE_RAO = Gauge(
    "taonet_explorer_supply_difference_rao",
    "Issued minus free, staked and in the pot, as the chain tells them; anything but 0 is wrong.",
)
LISTENERS = Gauge("taonet_explorer_stream_listeners", "Pages that are open and listen for news.")
