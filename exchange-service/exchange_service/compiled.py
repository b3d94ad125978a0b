"""Where the compiled domain is, if there is one that was made from these very sources."""

import hashlib
import sys
from pathlib import Path
from typing import Final

MODULES: Final = (
    *("accounts", "admission", "book", "commands", "countercheck", "custody", "ending"),
    *("exchange", "facts", "journal", "ledger", "matching", "numbering", "pairs", "placing"),
    *("projection", "refusals", "snapshot", "state", "symbol", "triggers"),
)
"""What the engine runs for each command."""
SOURCES: Final = [Path(__file__).parent / "domain" / f"{name}.py" for name in MODULES]
FOLDER: Final = Path(__file__).parent / "_compiled"


def hash_sources() -> str:
    """Return a hash over the domain's sources and the interpreter they would be compiled for."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    for source in SOURCES:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def find_compiled() -> list[str]:
    """Return the folder of the compiled modules, as a package's path takes it; or nothing."""
    if not FOLDER.is_dir():
        return []
    folder = FOLDER / hash_sources()
    if not folder.is_dir():
        return []
    # The modules share a library, which they look for among the top-level ones.
    sys.path.append(str(folder))
    return [str(folder)]
