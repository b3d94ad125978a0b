"""A step of every start: each service's role, schema and tables, brought up to date."""

import os

from taonet.kit.db import migrate, provision
from taonet.kit.logging import configure_logging, get_logger
from taonet.local.stores import OWNERS, PASSWORD_VARIABLE

log = get_logger(__name__)


def main() -> None:
    configure_logging("migrate")
    admin_url = os.environ["TAONET_DATABASE_URL"]
    for owner, package in OWNERS.items():
        password = os.environ["TAONET_" + PASSWORD_VARIABLE.format(owner=owner.upper())]
        applied = migrate(provision(admin_url, owner, password), package)
        log.info("schema is up to date", owner=owner, applied=applied)


if __name__ == "__main__":
    main()
