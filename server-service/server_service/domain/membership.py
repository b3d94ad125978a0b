"""What a Server has to do about its place in the network, seen from one block."""

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    REGISTER = auto()
    """The chain does not know the hotkey, or gave its slot away."""
    ANNOUNCE = auto()
    """The chain has no address of ours, another one, or an old one."""
    REST = auto()


@dataclass(frozen=True)
class Announcement:
    """Where a Server listens, and what it is called."""

    ip: str
    port: int
    name: str


def decide_step(
    *,
    registered: bool,
    announced: Announcement | None,
    wanted: Announcement,
    blocks_since_announced: int | None,
    heartbeat_blocks: int,
) -> Step:
    """`blocks_since_announced` is None until this process has announced itself once."""
    if not registered:
        return Step.REGISTER
    if announced != wanted or blocks_since_announced is None:
        return Step.ANNOUNCE
    return Step.ANNOUNCE if blocks_since_announced >= heartbeat_blocks else Step.REST
