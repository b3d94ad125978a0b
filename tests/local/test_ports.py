"""A taken port is told before anything starts."""

import os
import socket

import pytest

from taonet.local.ports import PortIsTaken, check_ports
from taonet.local.processes import ProcessSpec


def test_a_taken_port_is_named_with_who_holds_and_who_wants_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(PortIsTaken) as refusal:
            check_ports([ProcessSpec("chain", ("true",), port=port)])

    assert f"port {port} is taken by pid {os.getpid()}, chain wants it" in refusal.value.message
    assert "TAONET_PORT_BASE" in refusal.value.message


def test_free_ports_and_processes_without_one_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    check_ports([ProcessSpec("chain", ("true",), port=port), ProcessSpec("worker", ("true",))])
