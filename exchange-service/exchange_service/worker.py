"""The market maker as a process: `python -m exchange_service.worker`."""

import signal
import threading

from exchange_service.maker import make_market
from exchange_service.settings import MakerSettings
from taonet.kit.logging import configure_logging
from taonet.kit.metrics import serve_metrics


def main() -> None:
    """Make a market until SIGTERM or SIGINT."""
    settings = MakerSettings()
    configure_logging("market-maker", settings.log_level)
    serve_metrics(settings.metrics_listen)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    make_market(settings, stop)


if __name__ == "__main__":
    main()
