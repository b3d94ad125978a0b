"""What the explorer reads from the environment."""

from pathlib import Path

from taonet.kit.settings import ChainAccess, LogSettings

DASHBOARDS = Path("monitoring", "grafana", "provisioning", "dashboards", "taonet")


class ExplorerSettings(ChainAccess, LogSettings):
    """Where the services are that the pages show."""

    gateway_url: str = "http://127.0.0.1:8080"
    """Where a Validator sells inference; the playground asks there."""
    explorer_validators: str = ""
    """Further Validators that tell how they judge Servers: their gateways, with commas."""
    exchange_url: str = "http://127.0.0.1:8070"
    """Where TAO is bought and sold."""
    prometheus_url: str = "http://127.0.0.1:9090"
    """Where the dashboards' figures are asked for."""
    explorer_dashboards_path: str = ""
    """The folder of Grafana's dashboards, whose JSON the explorer draws; unset: those that ship."""
    explorer_dashboards_database_url: str = ""
    """Postgres, by a role that may only read: for the dashboards that ask in SQL."""
    explorer_poll_seconds: float = 2.0
    """Pause between two looks at the market, and at the health of the services."""

    def dashboards(self) -> Path:
        if self.explorer_dashboards_path:
            return Path(self.explorer_dashboards_path).expanduser()
        return Path(__file__).parents[3] / DASHBOARDS

    def gateways(self) -> dict[str, str]:
        """Return each Validator's gateway by what the pages call it."""
        others = [url.strip() for url in self.explorer_validators.split(",") if url.strip()]
        if not others:
            return {"Gateway": self.gateway_url}
        urls = dict.fromkeys([self.gateway_url, *others])
        return {f"Gateway {number}": url for number, url in enumerate(urls, start=1)}
