"""A container's health check: `python -m taonet.local.asking PORT` ends with 0 if it is ready."""

import asyncio
import sys

from taonet.local.probes import is_ready
from taonet.local.processes import HttpProbe


def main(port: str) -> int:
    return 0 if asyncio.run(is_ready(HttpProbe(int(port)))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
