"""Calls by which a neuron says where it is, and by which its owner changes its key."""

import ipaddress
from dataclasses import replace

from chain_service.domain.errors import AlreadyRegistered, InvalidIpAddress, InvalidPort
from chain_service.domain.execution import Execution
from chain_service.domain.staking import check_owner
from chain_service.domain.state import NOBODY

PORT_MAX = 65_535


def serve_axon(run: Execution, ip: str, port: int, name: str) -> None:
    """Tell where the neuron answers; signed by the hotkey. It counts as activity, as it used to."""
    neuron = run.state.neuron_of(run.signer)
    check_endpoint(ip, port)

    run.state.put_neuron(replace(neuron, ip=ip, port=port, name=name, last_update_block=run.height))

    run.record("AxonServed", uid=neuron.uid, ip=ip, port=port)


def swap_hotkey(run: Execution, hotkey: str, new_hotkey: str) -> None:
    """Move a neuron, with all it has, to a new hotkey; signed by the coldkey."""
    neuron = run.state.neuron_of(hotkey)
    check_owner(run, neuron)
    if run.state.uids[new_hotkey] != NOBODY:
        raise AlreadyRegistered(f"the hotkey {new_hotkey} is registered")

    run.state.uids[hotkey] = NOBODY
    run.state.uids[new_hotkey] = neuron.uid
    run.state.put_neuron(replace(neuron, hotkey=new_hotkey))

    run.record("HotkeySwapped", uid=neuron.uid, hotkey=hotkey, new_hotkey=new_hotkey)


def check_endpoint(ip: str, port: int) -> None:
    """Refuse what can't be reached by anyone: no address, the unspecified one, port 0."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise InvalidIpAddress(f"{ip!r} is no IPv4 or IPv6 address") from None
    # An interface, as in fe80::1%eth0, is one of the asker's own machine.
    if address.is_unspecified or address.is_multicast or "%" in ip:
        raise InvalidIpAddress(f"{ip} is no address that a neuron can answer at")
    if not 1 <= port <= PORT_MAX:
        raise InvalidPort(f"port {port} is not in 1…{PORT_MAX}")
