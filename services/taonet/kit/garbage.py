"""When Python looks for garbage, in a process that answers many at once."""

import gc
from typing import Final

GARBAGE_OBJECTS: Final = 50_000
"""Made, and not yet freed, before the next look."""


def collect_rarely() -> None:
    """Leave what was loaded until now alone, and look seldom for cycles in what comes.

    Nearly all that a call makes is freed without a collector. By its default it looks after every
    700 objects, which took a sixth of the gateway's time.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
