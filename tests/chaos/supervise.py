"""The supervisor of a box whose processes talk through proxies."""

from collections.abc import Sequence

from tests.chaos.links import Link, interpose

from taonet.local.home import Home
from taonet.local.main import main, prepare_cluster
from taonet.local.processes import ProcessSpec
from taonet.local.settings import LocalSettings

LINKS_OFFSET = 2_000
"""Of the first link's port, above TAONET_PORT_BASE."""


def describe(settings: LocalSettings, home: Home) -> tuple[Sequence[ProcessSpec], list[Link]]:
    """Return the box and its links: the same for the supervisor and for whoever cuts them."""
    specs = prepare_cluster(settings, home)
    return interpose(specs, settings.port_base + LINKS_OFFSET)


if __name__ == "__main__":
    main(lambda settings, home: tuple(describe(settings, home)[0]))
