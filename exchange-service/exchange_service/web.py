"""What all routes share: the engine, the clock, and how much one page holds."""

import time
from typing import Annotated, Final

from fastapi import Depends, Request

from exchange_service.engine import Engine

PAGE_DEFAULT: Final = 500
PAGE_MAX: Final = 1_000
TIME_MAX: Final = 2**62
"""Later than any time in milliseconds."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def find_engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


RunningEngine = Annotated[Engine, Depends(find_engine)]
