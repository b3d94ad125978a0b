"""Telling about taken ports before anything is started."""

import errno
import socket
from collections.abc import Iterable

import psutil

from taonet.kit.errors import Refusal
from taonet.local.probes import HOST
from taonet.local.processes import ProcessSpec


class PortIsTaken(Refusal):
    """Somebody else listens where a process of the cluster should."""


def check_ports(specs: Iterable[ProcessSpec]) -> None:
    """Refuse if any port of the cluster is taken, naming each and who wants it."""
    taken = [
        f"port {spec.port} is taken{_holder(spec.port)}, {spec.name} wants it"
        for spec in specs
        if spec.port is not None and _is_taken(spec.port)
    ]
    if taken:
        raise PortIsTaken(
            "; ".join(taken) + ". Free it, or set TAONET_PORT_BASE: it moves all ports together"
        )


def _is_taken(port: int) -> bool:
    with socket.socket() as listener:
        # As servers do: a connection of the last run that still lingers is no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp4")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,):
            return f" by pid {connection.pid}" if connection.pid else ""
    return ""
