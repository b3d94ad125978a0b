"""Which of the exchange's modules are compiled: what runs for each command, there and back."""

from pathlib import Path
from typing import Final

from taonet.kit.compiled import HotModules

HOT: Final = HotModules(
    Path(__file__).parent,
    {
        "domain": (
            *("accounts", "admission", "book", "commands", "countercheck", "custody", "ending"),
            *("exchange", "facts", "journal", "ledger", "matching", "numbering", "pairs"),
            *("placing", "projection", "refusals", "snapshot", "state", "symbol", "triggers"),
        ),
        "": (
            *("answers", "authentication", "batch", "formats", "gate", "limits", "parameters"),
            *("rows",),
        ),
        "orders": ("naming", "preparing", "reading", "schemas"),
        "streams": (
            *("api_calls", "api_requests", "api_socket", "connection", "frames", "hub"),
            *("report_events", "reports"),
        ),
    },
)
find_compiled: Final = HOT.find
