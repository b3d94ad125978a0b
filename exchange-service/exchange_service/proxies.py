"""Who is connected, where proxies stand in between: whose word about that is believed.

`X-Forwarded-For` is written by whoever likes to. Limits, bans and keys' addresses would be worth
nothing if everybody were believed, so that nobody is unless an operator names him.
"""

import socket
import threading
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

from taonet.kit.logging import get_logger

LOOK_SECONDS: Final = 10.0
"""A container that is made anew has another address."""
HEADER: Final = b"x-forwarded-for"

log = get_logger(__name__)


class Proxies:
    """Proxies by address, by network (`10.0.0.0/8`), or by name."""

    def __init__(self, named: str) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._names: list[str] = []
        self._found: frozenset[str] = frozenset()
        """The addresses that the names had when they were last looked up."""
        for each in filter(None, map(str.strip, named.split(","))):
            try:
                self._networks.append(ip_network(each))
            except ValueError:
                self._names.append(each)

    def keep_looking(self, stop: threading.Event) -> None:
        """Look the names up, again and again, until told to stop."""
        self.look_up()
        while self._names and not stop.wait(LOOK_SECONDS):
            self.look_up()

    def look_up(self) -> None:
        self._found = frozenset(address for name in self._names for address in resolve(name))

    def are_trusted(self, address: str) -> bool:
        if address in self._found:
            return True
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def find_client(self, scope: Scope) -> tuple[str, int] | None:
        """Return who is connected, past all proxies that are believed."""
        client: tuple[str, int] | None = scope.get("client")
        if client is None or not self.are_trusted(client[0]):
            return client
        address = client[0]
        # A proxy adds at the end from whom it heard; before a stranger stands what he likes.
        for told in reversed(read_chain(scope["headers"])):
            if told is None:
                break
            address = told
            if not self.are_trusted(told):
                break
        return address, client[1]


def read_chain(headers: Iterable[tuple[bytes, bytes]]) -> list[str | None]:
    """Return the addresses that a request is said to have come by; None: what is none."""
    lines = [value.decode("latin-1") for name, value in headers if name == HEADER]
    return [read_address(part.strip()) for part in ",".join(lines).split(",")]


def read_address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def resolve(name: str) -> set[str]:
    """Return a name's addresses; none while it has none, as a proxy that doesn't run."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError) as error:
        log.debug("a proxy's name leads nowhere", name=name, error=str(error))
        return set()
