"""Which of the chain's modules are compiled: what runs for each extrinsic, read or executed."""

from pathlib import Path
from typing import Final

from taonet.kit.compiled import HotModules

HOT: Final = HotModules(
    Path(__file__).parent,
    {
        "": ("orders", "rows"),
        "domain": (
            *("blocks", "calls", "encoding", "execution", "headers", "merkle", "parameters"),
            *("replay", "roots", "state", "transfers", "values"),
        ),
    },
)
find_compiled: Final = HOT.find
