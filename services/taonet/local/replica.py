"""
Makes one of several equal containers a neuron of its own, then becomes the program it was given.

`python -m taonet.local.replica uvicorn …` claims the first of the wallet's hotkeys that no other
replica holds, by a lock that ends with the process: so `--scale server=6` needs no numbering, and
a container that takes a dead one's place goes on as the same neuron. The n-th hotkey serves the
n-th model of the folder, and the first again after the last.
"""

import fcntl
import os
import socket
import sys
from pathlib import Path

from taonet.kit.logging import configure_logging, get_logger
from taonet.local.settings import ReplicaSettings

PUBLIC = "pub.txt"
"""How the files beside the keys end that hold the public halves alone."""

log = get_logger(__name__)


class NoFreeHotkey(Exception):
    """Every hotkey of the wallet is in use: make more, or run fewer replicas."""


def main() -> None:
    settings = ReplicaSettings()
    configure_logging("replica", settings.log_level)
    wallet = Path(settings.wallet_path).expanduser() / settings.wallet_name
    hotkeys = [key for key in (wallet / "hotkeys").iterdir() if not key.name.endswith(PUBLIC)]
    number, hotkey = claim(sorted(hotkeys, key=by_number))
    models = settings.replica_models.split(",")
    log.info("claimed", hotkey=hotkey.name, model=models[number % len(models)])
    os.environ |= {
        "TAONET_HOTKEY_NAME": hotkey.name,
        "TAONET_SERVER_NAME": hotkey.name,
        "TAONET_SERVER_MODEL": models[number % len(models)],
        "TAONET_SERVER_AXON_IP": socket.gethostbyname(socket.gethostname()),
    }
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the command line is the container's own


def by_number(hotkey: Path) -> tuple[int, str]:
    """Order `server-2` before `server-10`."""
    return len(hotkey.name), hotkey.name


def claim(hotkeys: list[Path]) -> tuple[int, Path]:
    """Lock the first hotkey that is free, for as long as this process lives."""
    for number, hotkey in enumerate(hotkeys):
        held = os.open(hotkey, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            continue
        os.set_inheritable(held, True)
        return number, hotkey
    raise NoFreeHotkey(f"all {len(hotkeys)} hotkeys are in use; make more, or run fewer replicas")


if __name__ == "__main__":
    main()
