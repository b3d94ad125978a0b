"""Where the engine's answers go: to threads that wait, or to event loops, woken once a batch."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from taonet.kit.logging import get_logger

log = get_logger(__name__)

Outcome = Any
"""What is answered; an exception is raised where it is awaited."""


class Unanswered:
    """Nobody asked."""


class Reply:
    """A function that an event loop calls with the outcome: for those who do not await."""

    __slots__ = ("loop", "take")

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Outcome], None]) -> None:
        self.loop = loop
        self.take = take


Answer = Future[Any] | asyncio.Future[Any] | Reply | Unanswered


def is_wanted(answer: Answer) -> bool:
    """Tell whether somebody still waits."""
    if isinstance(answer, Reply | Unanswered):
        return True
    if isinstance(answer, Future):
        return answer.set_running_or_notify_cancel()
    return not answer.cancelled()


def deliver(outcomes: Iterable[tuple[Answer, Outcome]]) -> None:
    """Give every answer its outcome, from the engine's thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any] | Reply, Outcome]]] = {}
    for answer, outcome in outcomes:
        if isinstance(answer, Reply):
            by_loop.setdefault(answer.loop, []).append((answer, outcome))
        elif isinstance(answer, Future):
            _settle(answer, outcome)
        elif not isinstance(answer, Unanswered):
            by_loop.setdefault(answer.get_loop(), []).append((answer, outcome))
    for loop, waiting in by_loop.items():
        # A loop that has closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, waiting)


def _settle_all(waiting: Sequence[tuple[asyncio.Future[Any] | Reply, Outcome]]) -> None:
    for answer, outcome in waiting:
        if isinstance(answer, Reply):
            _hand_over(answer, outcome)
        else:
            _settle(answer, outcome)


def _hand_over(reply: Reply, outcome: Outcome) -> None:
    try:
        reply.take(outcome)
    except Exception as error:  # Whoever comes later in the batch has done nothing wrong.
        log.error("an answer was not given", exc_info=error)


def _settle(answer: Future[Any] | asyncio.Future[Any], outcome: Outcome) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
