"""Where a cluster is: its ports, its files, its stores, and the settings that follow from them."""

from dataclasses import dataclass

from taonet.local.home import Home
from taonet.local.settings import LocalSettings
from taonet.local.stores import POSTGRES_OFFSET, VALKEY_OFFSET, Stores

HOST = "127.0.0.1"
OFFSETS = {
    "explorer": 0,
    "postgres": POSTGRES_OFFSET,
    "exchange": 70,
    "exchange-signer": 71,
    "bitcoin": 72,
    "valkey": VALKEY_OFFSET,
    "validator-1-gateway": 80,
    "validator-2-gateway": 81,
    "server-1": 91,
    "server-2": 92,
    "server-3": 93,
    "server-4": 94,
    "market-maker": 73,
    "treasury": 74,
    "exporter": 90,
    "prometheus": 1090,
    "alertmanager": 1093,
    "chain": 1944,
    "chain-author": 1946,
    "chain-follower": 1947,
}
"""What is added to TAONET_PORT_BASE."""


@dataclass(frozen=True)
class Place:
    """Where this cluster is: what its description follows from."""

    settings: LocalSettings
    home: Home
    stores: Stores

    def port(self, name: str) -> int:
        return self.settings.port_base + OFFSETS[name]

    def address(self, name: str) -> str:
        return f"http://{HOST}:{self.port(name)}"

    def bitcoin_url(self) -> str:
        """Return the Bitcoin node's JSON-RPC, with user and password."""
        return f"http://taonet:{self.stores.passwords['bitcoin']}@{HOST}:{self.port('bitcoin')}"

    def store(self, owner: str) -> dict[str, str]:
        """Return the settings of what keeps something in the stores, under this role."""
        return {"DATABASE_URL": self.stores.url(owner), "REDIS_URL": self.stores.redis_url}

    def wallet(self, name: str, hotkey: str) -> dict[str, str]:
        """Return the settings of what signs with this hotkey."""
        return {
            "WALLET_PATH": str(self.home.wallets),
            "WALLET_NAME": name,
            "HOTKEY_NAME": hotkey,
        }

    def after_schemas(self) -> tuple[str, ...]:
        """Return what those wait for that need wallets, their tables and the store."""
        return ("wallets", "migrate", *self.if_embedded("valkey"))

    def if_embedded(self, name: str) -> tuple[str, ...]:
        """Return a store's name where it is a process of this cluster."""
        return (name,) if getattr(self.stores, name) is not None else ()
