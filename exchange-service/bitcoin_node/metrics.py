"""What the node tells Prometheus."""

from prometheus_client import Gauge

HEIGHT = Gauge("taonet_bitcoin_height", "Height of the regtest chain.")
