"""
A service's hot modules, compiled by mypyc where `make compile` was run: the same sources, faster.

What is compiled is found by the hash of the sources it was made from, so that it never outlives a
change of them. Where there is none the sources run, with the same results (decisions/0013). They
run as well where the environment has TAONET_SOURCES=1: for a debugger, and for most tests.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

SOURCES = "TAONET_SOURCES"


class HotModules:
    """
    What of a service's package is compiled: modules by subpackage, "" for the package's own.

    A class in there may derive from others in there and from what Python has built in, and from
    nothing else: the compiler would lay it out without knowing its base.
    """

    def __init__(self, package: Path, modules: Mapping[str, Sequence[str]]) -> None:
        self.package, self.subpackages = package, tuple(modules)
        self.sources = [
            package / subpackage / f"{name}.py"
            for subpackage, names in modules.items()
            for name in names
        ]
        self.folder = package / "_compiled"

    @cached_property
    def digest(self) -> str:
        """A hash over these sources and the interpreter they would be compiled for."""
        digest = hashlib.sha256(sys.implementation.cache_tag.encode())
        for source in self.sources:
            name = str(source.relative_to(self.package))
            digest.update(name.encode() + b"\0" + source.read_bytes())
        return digest.hexdigest()[:16]

    def find(self, subpackage: str = "") -> list[str]:
        """Return the folder of a package's compiled modules, as its path takes it; or nothing."""
        if os.environ.get(SOURCES) == "1" or not self.folder.is_dir():
            return []
        folder = self.folder / self.digest
        if not folder.is_dir():
            return []
        # The modules share a library, which they look for among the top-level ones.
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        return [str(folder / self.package.name / subpackage)]
