"""
Pins every package that the project installs: run by `make lock`, in places of its own.

Writes `constraints.txt` (name==version of everything, all extras) for machines, and for images
`requirements.lock` (what each service needs) and `requirements-model.lock` (what a language
model needs besides), both with hashes. torch is pinned without its hash: its builds for
processors and for each kind of card are different files of the same version.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = "model,embedded,kubernetes,dev"
UNHASHED = "torch"
OLDER_PYTHON = "async-timeout"
"""What redis needs below Python 3.11.3 besides; a newer one, as here, would not list it."""
WALK = """
import sys
from importlib.metadata import distribution
from packaging.requirements import Requirement
seen, waiting = set(), [("taonet", frozenset(sys.argv[2:])), (sys.argv[1], frozenset())]
while waiting:
    name, extras = waiting.pop()
    if (name, extras) in seen:
        continue
    seen.add((name, extras))
    for line in distribution(name).requires or []:
        need = Requirement(line)
        if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras or {""}):
            waiting.append((need.name, frozenset(need.extras)))
for name in sorted({distribution(name).name for name, _ in seen} - {"taonet"}, key=str.lower):
    print(f"{name}=={distribution(name).version}")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(
            Path(folder) / "project", f"{ROOT}[{EXTRAS}]", "packaging", OLDER_PYTHON
        )
        everything = walk(python, EXTRAS.split(","))
        light, model = walk(python, []), walk(python, ["model"])
        write("constraints.txt", everything)
        locker = make_environment(Path(folder) / "locker", "uv")
        write("requirements.lock", add_hashes(locker, light))
        heavy = [pin for pin in model if pin not in light and not pin.startswith(f"{UNHASHED}==")]
        write("requirements-model.lock", add_hashes(locker, heavy))


def make_environment(folder: Path, *packages: str) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", *packages], check=True)
    return python


def walk(python: Path, extras: list[str]) -> list[str]:
    """Return the pins of what the project needs with these extras, and of what that needs."""
    command = [str(python), "-c", WALK, OLDER_PYTHON, *extras]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # A local version, such as +cpu, names one build of several; the pin is for all.
    pins = [re.sub(r"\+.*", "", line) for line in done.stdout.splitlines()]
    return [pin.replace("==v", "==") for pin in pins]


def add_hashes(python: Path, pins: Iterable[str]) -> list[str]:
    """Return the pins with the hashes of all their files, and without any address."""
    command = [str(python.parent / "uv"), "pip", "compile", "-", "--no-deps", "--generate-hashes"]
    quiet = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    done = subprocess.run(
        [*command, *quiet], input="\n".join(pins), check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def write(name: str, lines: Iterable[str]) -> None:
    (ROOT / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
