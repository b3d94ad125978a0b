"""Work for a caller who may go away before it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from taonet.kit.errors import Refusal

Result = TypeVar("Result")


class CallerGone(Refusal):
    """Nobody is there any more to take the answer."""

    status = 499


async def unless_gone(
    request: Request, work: Awaitable[Result], leave: Callable[[], None] = lambda: None
) -> Result:
    """The work's result; where the caller hangs up first, the work is given up."""
    answer = asyncio.ensure_future(work)
    hung_up = asyncio.ensure_future(wait_for_disconnect(request))
    try:
        await asyncio.wait({answer, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise CallerGone("the caller hung up")
    except BaseException:
        leave()
        raise
    finally:
        answer.cancel()
        hung_up.cancel()


async def wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
