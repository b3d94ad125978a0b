"""What `taonet up` and its sister commands read from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from server_service.starters import STARTER_MODELS
from taonet.kit.settings import ChainAccess, LogSettings, WalletSettings
from taonet.local.home import Home

PORT_BASE_MAX = 60_000


class LocalSettings(LogSettings):
    """One frozen set, read once: the description of the cluster follows from it."""

    home: str = "~/.taonet"
    """The data directory of the embedded cluster."""
    port_base: int = Field(8000, ge=1024, le=PORT_BASE_MAX)
    """Added to every port of the embedded cluster: one number moves them all."""
    preset: Literal["box", "network", "mainnet-2022"] = "box"
    """The genesis parameters: box has a fast clock of 2 s, network the real 12 s."""
    database_url: str | None = None
    """For `taonet up`: a Postgres superuser's URL, to use instead of the embedded Postgres."""
    redis_url: str | None = None
    """For `taonet up`: a Redis or Valkey to use instead of the embedded one."""
    models_path: str | None = None
    """The folder of the four models and their tokenizer; unset: the starter models."""

    alert_webhook_url: str | None = None
    """For `taonet up`: where Alertmanager, if it is installed, tells of alerts; unset: nowhere."""

    def data_directory(self) -> Home:
        return Home(Path(self.home).expanduser().absolute())

    def models(self) -> Path:
        return Path(self.models_path).expanduser() if self.models_path else STARTER_MODELS


class MigrateSettings(LogSettings):
    """What the step needs that brings the database's schemas up to date."""

    database_url: str
    """For the migration: Postgres, as a superuser."""
    password_chain: str
    """What the chain's role shall log in with."""
    password_chain_follower: str
    """What the role of the chain that follows shall log in with."""
    password_validator_1: str
    """What the first Validator's role shall log in with."""
    password_validator_2: str
    """What the second Validator's role shall log in with."""
    password_exchange: str
    """What the exchange's role shall log in with."""
    password_bitcoin: str
    """What the Bitcoin node's role shall log in with."""
    password_reader: str
    """What the role shall log in with that dashboards read by."""


class ColdkeyAccess(WalletSettings):
    """What opens a wallet's coldkey, for the few that move its money."""

    wallet_password: str | None = None
    """What the coldkeys are encrypted with; unset: they lie open, as in the box."""


class WalletsSettings(LogSettings, ColdkeyAccess):
    """Where the step puts the wallets that it makes."""

    handouts: dict[str, list[str]] = Field(default_factory=dict)
    """For containers, JSON: folders, and the names of the operator's hotkeys to make in each."""


class CorpusSettings(LogSettings):
    """Where the step puts the text that it makes."""

    corpus_path: str = "~/.taonet/corpus"
    """The folder of the corpus."""


class TreasurySettings(LogSettings, ChainAccess, ColdkeyAccess):
    """What the operators' purse needs: whose it is, and whom it pays."""

    gateway_url: str = "http://127.0.0.1:8080"
    """The gateway that the demonstration account buys from."""
    exchange_url: str = "http://127.0.0.1:8070"
    """The exchange whose market maker is kept in coins."""
    treasury_path: str = "~/.taonet"
    """The data directory, where the purse's notes and the demonstration's key are kept."""


class ReplicaSettings(LogSettings, WalletSettings):
    """What tells one of several equal Servers which neuron it is."""

    replica_models: str
    """The models' folders, separated by commas: the n-th replica serves the n-th."""
