"""uvicorn for the exchange: `python -m exchange_service.serving --factory` and its application.

The same program with the same options, whose connections know the short ways (`http_wire.py`,
`streams/wire.py`).
Under another ASGI server the exchange does the same, and each message costs more.
"""

import sys
from typing import Final

from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS
from uvicorn.main import main

OPTIONS: Final = (
    *("--ws-per-message-deflate", "false", "--ws-ping-timeout", "60"),
    "--no-proxy-headers",
)
"""A frame is made once for all, so it can't be compressed for each; a pong may take a minute, as at
Binance; whose word about addresses is believed is ours to say (`proxies.py`), and not everybody's
on this machine. Options given by hand come later, and win."""

if __name__ == "__main__":
    HTTP_PROTOCOLS["auto"] = "exchange_service.http_wire:HttpWire"
    WS_PROTOCOLS["auto"] = "exchange_service.streams.wire:Wire"
    main([*OPTIONS, *sys.argv[1:]])
