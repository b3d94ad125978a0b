"""Which announced addresses a Validator dials: any neuron may announce any, so most are refused."""

import ipaddress

PORT_MINIMUM = 1024
"""Below it live other services than Servers."""


TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64: any IPv4 address in another coat (RFC 6052)."""


class ForbiddenAddress(Exception):
    """An address that a neuron announced and that is not dialled; the message says why."""


def check_dialable(ip: str, port: int, *, private_allowed: bool) -> None:
    """
    Raise ForbiddenAddress unless a Server may be there.

    Loopback and private networks are for a cluster of one's own. Link-local (where clouds keep
    their credentials), multicast, reserved and mapped addresses are never dialled.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise ForbiddenAddress(f"{ip[:60]!r} is not an IP address") from None
    if not PORT_MINIMUM <= port <= 65535:
        raise ForbiddenAddress(f"port {port} is not between {PORT_MINIMUM} and 65535")
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.sixtofour or address.teredo or address in TRANSLATED
    ):
        raise ForbiddenAddress(f"{ip} hides an IPv4 address")
    if (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
    ):
        raise ForbiddenAddress(f"{ip} is no neuron's address")
    if address.is_global:
        return
    if not private_allowed or not (address.is_loopback or address.is_private):
        raise ForbiddenAddress(f"{ip} is not a public address; TAONET_VALIDATOR_PRIVATE_ADDRESSES")
