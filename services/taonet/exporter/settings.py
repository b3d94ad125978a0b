"""What the exporter reads from its environment."""

from taonet.kit.settings import StoreSettings


class ExporterSettings(StoreSettings):
    """The database's URL is the reader's, a role that can change nothing."""

    exporter_queues: str = "payouts,rounds,scoring,weights"
    """Queues of each Celery application to tell the length of, separated by commas."""
