"""Where the cluster's Postgres and Valkey are: embedded ones of its own, or ones it was given."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from taonet.kit.reading import ROLE
from taonet.local.command import Command
from taonet.local.home import Home
from taonet.local.postgres import postgres_url, prepare_postgres
from taonet.local.secret_files import ensure_secret
from taonet.local.settings import LocalSettings
from taonet.local.valkey import prepare_valkey, valkey_url

POSTGRES_OFFSET = 32
VALKEY_OFFSET = 79
OWNERS = {
    "chain": "chain_service",
    "chain_follower": "chain_service",
    "validator_1": "validator_service",
    "validator_2": "validator_service",
    "exchange": "exchange_service",
    "bitcoin": "bitcoin_node",
}
"""Who has a role and a schema, and whose migrations make its tables."""
SHARED_SECRETS = ("exchange_signer", "exchange_wallet", "exchange_operator")
"""
What the exchange shows its signer; what the exchange's seed is encrypted under; what the operator
shows the exchange, to halt the market.
"""


@dataclass(frozen=True)
class Stores:
    """What the description of the cluster must know of its stores."""

    database_url: str = field(repr=False)
    """The superuser's."""
    redis_url: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)
    """Of each role in the database, and what else processes must know and nobody else."""
    postgres: Command | None = None
    """How to start the embedded one; None: it was given to us."""
    valkey: Command | None = None

    def url(self, owner: str) -> str:
        """Return the database's URL for one owner's role."""
        parts = urlsplit(self.database_url)
        address = parts.netloc.rpartition("@")[2]
        login = f"{owner}:{quote(self.passwords[owner], safe='')}"
        return urlunsplit(parts._replace(netloc=f"{login}@{address}"))


def prepare_stores(settings: LocalSettings, home: Home) -> Stores:
    """Make the passwords, and the files of the embedded stores if there are none yet."""
    passwords = {owner: ensure_secret(home.secrets, f"database-{owner}") for owner in OWNERS}
    passwords[ROLE] = ensure_secret(home.secrets, f"database-{ROLE}")
    passwords |= {name: ensure_secret(home.secrets, name) for name in SHARED_SECRETS}
    database_url, redis_url = settings.database_url, settings.redis_url
    postgres = valkey = None
    if database_url is None:
        port, password = (
            settings.port_base + POSTGRES_OFFSET,
            ensure_secret(home.secrets, "postgres"),
        )
        postgres = prepare_postgres(home.path, port, password)
        database_url = postgres_url(port, password)
    if redis_url is None:
        port = settings.port_base + VALKEY_OFFSET
        password = ensure_secret(home.secrets, "valkey")
        valkey = prepare_valkey(home.path, port, password)
        redis_url = valkey_url(port, password)
    return Stores(database_url, redis_url, passwords, postgres, valkey)
