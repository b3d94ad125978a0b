"""Where the engine's answers go: to threads that wait, or to event loops, woken once a batch."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

Outcome = Any
"""What is answered; an exception is raised where it is awaited."""


class Unanswered:
    """Nobody asked."""


Answer = Future[Any] | asyncio.Future[Any] | Unanswered


def is_wanted(answer: Answer) -> bool:
    """Tell whether somebody still waits."""
    if isinstance(answer, Future):
        return answer.set_running_or_notify_cancel()
    return isinstance(answer, Unanswered) or not answer.cancelled()


def deliver(outcomes: Iterable[tuple[Answer, Outcome]]) -> None:
    """Give every answer its outcome, from the engine's thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for answer, outcome in outcomes:
        if isinstance(answer, Future):
            _settle(answer, outcome)
        elif not isinstance(answer, Unanswered):
            by_loop.setdefault(answer.get_loop(), []).append((answer, outcome))
    for loop, waiting in by_loop.items():
        # A loop that has closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, waiting)


def _settle_all(waiting: Sequence[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for answer, outcome in waiting:
        _settle(answer, outcome)


def _settle(answer: Future[Any] | asyncio.Future[Any], outcome: Outcome) -> None:
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
