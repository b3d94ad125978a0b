"""What notices that something hangs, where the thread that does it cannot: it waits."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LOOK_SECONDS: Final = 0.25


class Outlasted(RuntimeError):
    """It took longer than it may; the alarm has been given."""


class Watchdog:
    """Gives the alarm, once, from a thread of its own, when what is watched takes too long."""

    def __init__(self, alarm: Callable[[], None]) -> None:
        self._alarm = alarm
        self._deadline = math.inf
        self._barked = False
        self._lock = threading.Lock()
        """Either it is over in time, or the alarm is given: never both."""
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    @contextmanager
    def watch(self, seconds: float) -> Iterator[None]:
        """Watch what is done inside; raise Outlasted if it ends after the alarm."""
        self._deadline = time.monotonic() + seconds
        yield
        if not self.release():
            raise Outlasted

    def release(self) -> bool:
        """Watch no longer; return whether no alarm was given."""
        with self._lock:
            self._deadline = math.inf
            return not self._barked

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            with self._lock:
                self._barked = time.monotonic() > self._deadline
            if self._barked:
                self._alarm()
                return
