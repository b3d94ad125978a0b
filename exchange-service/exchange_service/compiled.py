"""Where the compiled modules are, if there are some that were made from these very sources."""

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Final

MODULES: Final = {
    "domain": (
        *("accounts", "admission", "book", "commands", "countercheck", "custody", "ending"),
        *("exchange", "facts", "journal", "ledger", "matching", "numbering", "pairs", "placing"),
        *("projection", "refusals", "snapshot", "state", "symbol", "triggers"),
    ),
    "": (
        *("answers", "authentication", "batch", "formats", "gate", "limits", "parameters"),
        *("rows",),
    ),
    "orders": ("naming", "preparing", "reading", "schemas"),
    "streams": ("api_requests", "api_socket", "connection", "frames", "hub", "reports"),
}
"""By package, what runs for each command: in the engine, and on its way there and back.

A class in here may derive from others in here and from what Python has built in, and from nothing
else: the compiler would lay it out without knowing its base.
"""
PACKAGE: Final = Path(__file__).parent
SOURCES: Final = [
    PACKAGE / package / f"{name}.py" for package, names in MODULES.items() for name in names
]
FOLDER: Final = PACKAGE / "_compiled"


@cache
def hash_sources() -> str:
    """Return a hash over these sources and the interpreter they would be compiled for."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    for source in SOURCES:
        name = str(source.relative_to(PACKAGE))
        digest.update(name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def find_compiled(package: str = "") -> list[str]:
    """Return the folder of a package's compiled modules, as its path takes it; or nothing."""
    if not FOLDER.is_dir():
        return []
    folder = FOLDER / hash_sources()
    if not folder.is_dir():
        return []
    # The modules share a library, which they look for among the top-level ones.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return [str(folder / "exchange_service" / package)]
