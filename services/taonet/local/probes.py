"""Asking a process whether it is ready, in the words it understands, without waiting long."""

import asyncio
from typing import assert_never

from taonet.local.processes import AliveProbe, HttpProbe, PostgresProbe, Probe, ValkeyProbe

HOST = "127.0.0.1"
ANSWER_SECONDS = 3.0
ANSWER_BYTES_MAX = 4096


async def is_ready(probe: Probe, seconds: float = ANSWER_SECONDS) -> bool:
    """Return whether the process answers as it should, within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await _ask(probe)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def _ask(probe: Probe) -> bool:
    match probe:
        case HttpProbe(port, path):
            request = f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n"
            answer = await _exchange(port, request, until=b"\r\n")
            return answer.split()[1:2] == [b"200"]
        case ValkeyProbe(port, password):
            answer = await _exchange(port, f"AUTH {password}\r\n", until=b"\r\n", then="PING\r\n")
            return answer.startswith(b"+PONG")
        case PostgresProbe(url):
            return await _query(url)
        case AliveProbe():
            return True
        case _:
            assert_never(probe)


async def _exchange(port: int, request: str, until: bytes, then: str | None = None) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port, limit=ANSWER_BYTES_MAX)
    try:
        writer.write(request.encode())
        answer = await reader.readuntil(until)
        if then is not None:
            writer.write(then.encode())
            answer = await reader.readuntil(until)
        return answer
    finally:
        writer.close()


async def _query(url: str) -> bool:
    # Here, because only the supervisor asks this, and `taonet --help` need not wait for it.
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await conn.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
