"""
A container's health check: `python -S -m taonet.local.asking PORT` ends with 0 if it is ready.

It runs every few seconds in every container, so it imports no more than a socket: with an event
loop and a client it would take a quarter of two cores.
"""

import socket
import sys

SECONDS = 8.0


def is_ready(port: int) -> bool:
    """Ask `/readyz`; who does not answer 200 in time is not ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as door:
            door.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            return door.makefile("rb").readline().split()[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(sys.argv[1])) else 1)
