"""
Settings: one small frozen class per service, read once from the environment.

`app` and `worker` read them and hand the values on. Besides them only these look at the
environment: the command line, which sets what settings are read from; the processes of a box, which
hand it on to those they start; the wallet's password (`taonet.kit.keys`), which belongs to a key
and not to a service; and the switch between compiled and plain modules (`taonet.kit.compiled`).
"""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS_FOLDER = Path("/run/secrets")
SECRETS = SECRETS_FOLDER if SECRETS_FOLDER.is_dir() else None
"""Where containers find what must not stand in an environment: a file named as the variable."""


class Settings(BaseSettings):
    """What every service's settings are made of: the prefix, frozen, strict about names."""

    model_config = SettingsConfigDict(
        env_prefix="TAONET_", frozen=True, extra="forbid", secrets_dir=SECRETS
    )


class LogSettings(Settings):
    log_level: str = "info"
    """How much to log: debug, info, warning or error."""
    traces_endpoint: str = ""
    """Where spans go by OTLP, such as http://127.0.0.1:4318/v1/traces; empty: nowhere."""
    metrics_listen: str = ""
    """Where a process without web pages answers Prometheus, as host:port; empty: nowhere."""


class StoreSettings(LogSettings):
    """Where a service keeps what must not be lost, and how it tells others."""

    database_url: str
    """Postgres, as this service's own role: postgresql://role:password@host:port/database."""
    redis_url: str
    """Redis or Valkey: redis://:password@host:port/0."""


class ChainAccess(Settings):
    chain_url: str = "http://127.0.0.1:9944"
    """Where the chain answers."""


class WalletSettings(Settings):
    wallet_path: str = "~/.bittensor/wallets"
    """The folder of wallets, laid out as the ecosystem's own tools do."""
    wallet_name: str = "default"
    """The coldkey's name in that folder."""
    hotkey_name: str = "default"
    """The hotkey's name in that wallet."""
