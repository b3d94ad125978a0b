"""Any neuron may announce any address."""

import pytest

from validator_service.domain.addresses import ForbiddenAddress, check_dialable


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_dialled(ip: str) -> None:
    check_dialable(ip, 8091, private_allowed=False)


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "::1"])
def test_private_addresses_are_dialled_only_where_that_is_allowed(ip: str) -> None:
    check_dialable(ip, 8091, private_allowed=True)
    with pytest.raises(ForbiddenAddress, match="not a public address"):
        check_dialable(ip, 8091, private_allowed=False)


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"),
        *("2002:7f00:1::", "64:ff9b::7f00:1", "localhost", "", "127.1", "http://8.8.8.8"),
        *("100.64.0.1", "240.0.0.1", "255.255.255.255"),
    ],
)
def test_some_addresses_are_never_dialled(ip: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_dialable(ip, 8091, private_allowed=True)


@pytest.mark.parametrize("port", [-1, 0, 22, 80, 1023, 65536])
def test_ports_of_other_services_are_not_dialled(port: int) -> None:
    with pytest.raises(ForbiddenAddress, match="port"):
        check_dialable("8.8.8.8", port, private_allowed=True)
