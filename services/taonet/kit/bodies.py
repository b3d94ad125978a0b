"""A request's body as it arrives, within limits of size and of time."""

import asyncio

from starlette.types import Message, Receive, Scope

from taonet.kit.errors import BodyTooSlow, Refusal, TooLarge

GONE: Message = {"type": "http.disconnect"}


class Body:
    """
    Stands before ASGI's `receive`, and refuses who sends too much or takes too long.

    The clock runs from the first look at the body to its end; whoever then only waits for the
    caller to hang up may wait for ever.
    """

    def __init__(self, receive: Receive, bytes_max: int, seconds_max: float) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._seconds_max = seconds_max
        self._bytes = 0
        self._deadline: float | None = None
        self._is_whole = False
        self.is_answered = False
        """Whether the answer has begun: then it is too late to refuse."""
        self.refusal: Refusal | None = None

    def check_declared(self, scope: Scope) -> None:
        """Refuse a body that says of itself that it is too large."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._bytes_max:
            self.refusal = self._too_large()

    async def receive(self) -> Message:
        try:
            message = await self._receive_in_time()
        except TimeoutError:
            return self._give_up(
                BodyTooSlow(f"the body took more than {self._seconds_max:g} s to arrive")
            )
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._bytes_max:
            return self._give_up(self._too_large())
        self._is_whole = not message.get("more_body", False)
        return message

    async def _receive_in_time(self) -> Message:
        if self._is_whole:
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds_max
        async with asyncio.timeout_at(self._deadline):
            return await self._receive()

    def _give_up(self, refusal: Refusal) -> Message:
        """Refuse; who is being answered already counts as gone instead."""
        self._is_whole = True
        if self.is_answered:
            return GONE
        self.refusal = refusal
        raise refusal

    def _too_large(self) -> TooLarge:
        return TooLarge(f"a body has at most {self._bytes_max} bytes; send less at once")
