"""Starts that fail for a reason which the operator can put right: told in one line of the log."""

import sys
from collections.abc import Awaitable, Callable

from starlette.types import Message, Send


class CannotStart(Exception):
    """An application's lifespan raises it once it has logged why; no traceback follows."""


def tell_plainly(send: Send) -> Callable[[Message], Awaitable[None]]:
    """Return a lifespan's `send` that leaves out the traceback of `CannotStart`."""

    async def send_plainly(message: Message) -> None:
        # Starlette sends this from where it handles what the lifespan raised.
        if message["type"] == "lifespan.startup.failed" and isinstance(
            sys.exception(), CannotStart
        ):
            message = {**message, "message": ""}
        await send(message)

    return send_plainly
