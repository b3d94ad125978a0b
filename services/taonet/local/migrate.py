"""A step of every start: each service's role, schema and tables, brought up to date."""

from taonet.kit.db import migrate, provision
from taonet.kit.logging import configure_logging, get_logger
from taonet.kit.reading import provision_reader
from taonet.local.readable import readable_tables
from taonet.local.settings import MigrateSettings
from taonet.local.stores import OWNERS

log = get_logger(__name__)


def main() -> None:
    settings = MigrateSettings()
    configure_logging("migrate", settings.log_level)
    for owner, package in OWNERS.items():
        password = getattr(settings, f"password_{owner}")
        applied = migrate(provision(settings.database_url, owner, password), package)
        log.info("schema is up to date", owner=owner, applied=applied)
    provision_reader(settings.database_url, settings.password_reader, readable_tables())


if __name__ == "__main__":
    main()
