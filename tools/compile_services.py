"""Compile the services' hot modules with mypyc: the same sources, two to five times as fast.

It needs a C compiler and Python's headers. Where there are none nothing is lost but speed: the
services run the sources. Each names what is compiled (`compiled.py`); it is found by the hash of
the sources it was made from (`taonet/kit/compiled.py`), so that it never outlives a change of them.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from chain_service.compiled import HOT as CHAIN
from exchange_service.compiled import HOT as EXCHANGE
from taonet.kit.compiled import HotModules

SETUP = """
from mypyc.build import mypycify
from setuptools import setup
setup(name="hot", ext_modules=mypycify({modules!r}, opt_level={level!r}, debug_level="0"))
"""
FLAGS = "-fno-semantic-interposition -fvisibility=hidden"
"""Nobody replaces functions of the library from outside: calls within it go straight, or inline."""


def main() -> int:
    for hot in (CHAIN, EXCHANGE):
        target = hot.folder / hot.digest
        if target.is_dir():
            sys.stdout.write(f"compiled already: {target}\n")
        elif not can_compile():
            sys.stdout.write("no C compiler, or no Python.h: the sources will be run\n")
        else:
            compile_anew(hot, target)
            sys.stdout.write(f"compiled: {target}\n")
    return 0


def compile_anew(hot: HotModules, target: Path) -> None:
    """Compile a service's modules, in place of those that were compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        compile_in(hot, Path(folder))
        shutil.rmtree(hot.folder, ignore_errors=True)
        collect(Path(folder), target)


def can_compile() -> bool:
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return shutil.which(os.environ.get("CC", "cc")) is not None and header.exists()


def collect(folder: Path, target: Path) -> None:
    """Copy what was compiled in a folder to where it will be looked for, and nothing else."""
    for library in sorted(folder.rglob("*.so")):
        place = library.relative_to(folder)
        if "build" not in place.parts:
            (target / place.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, target / place)


def compile_in(hot: HotModules, folder: Path, level: str = "3") -> None:
    """Build the extensions of a copy of the sources, beside them; `level` is the C compiler's."""
    # By themselves, so that nothing of the other sources, which may change, is compiled into them.
    for subpackage in {"", *hot.subpackages}:
        (folder / hot.package.name / subpackage).mkdir(parents=True, exist_ok=True)
        (folder / hot.package.name / subpackage / "__init__.py").touch()
    modules = ["--ignore-missing-imports"]
    for source in hot.sources:
        place = source.relative_to(hot.package.parent)
        shutil.copy2(source, folder / place)
        modules.append(str(place))
    (folder / "setup.py").write_text(SETUP.format(modules=modules, level=level))
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        check=True,
        env=os.environ | {"PYTHONPATH": str(folder), "CFLAGS": join_flags()},
    )


def join_flags() -> str:
    """Return the C compiler's flags, after those that the environment names."""
    return f"{os.environ.get('CFLAGS', '')} {FLAGS}".strip()


if __name__ == "__main__":
    sys.exit(main())
