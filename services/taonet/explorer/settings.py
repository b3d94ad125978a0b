"""What the explorer reads from the environment."""

from taonet.kit.settings import ChainAccess, LogSettings


class ExplorerSettings(ChainAccess, LogSettings):
    """Where the services are that the pages show."""

    gateway_url: str = "http://127.0.0.1:8080"
    """Where a Validator sells inference; the playground asks there."""
    exchange_url: str = "http://127.0.0.1:8070"
    """Where TAO is bought and sold."""
    explorer_blocks_shown: int = 600
    """How many blocks back the emission chart begins."""
    explorer_poll_seconds: float = 2.0
    """Pause between two looks at the market, and at the health of the services."""
