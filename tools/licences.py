"""
Writes `docs/licences.md`: every package that the images hold, with the licence it names itself.

Read from the packages' own metadata, as they are installed here; a test holds the page to the
lock files.
"""

import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "licences.md"
LOCKS = ("requirements.lock", "requirements-model.lock")
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
CLASSIFIER = "License :: OSI Approved :: "
NAME_CHARACTERS_MAX = 60
"""Whoever writes more has put the licence's whole text where its name belongs."""


def main() -> None:
    rows = [row(name) for lock in LOCKS for name, _ in PIN.findall((ROOT / lock).read_text())]
    rows.append(row("torch"))
    lines = "\n".join(sorted(rows, key=str.lower))
    TARGET.write_text(f"""# Licences of what the images hold

Made by `tools/licences.py` from what each package says of itself.

| package | licence |
| --- | --- |
{lines}
""")


def row(name: str) -> str:
    try:
        return f"| {name} | {licence(metadata(name))} |"
    except PackageNotFoundError:
        return f"| {name} | not installed where this page was made |"


def licence(said: PackageMetadata) -> str:
    """Return the licence by the newest of the three ways in which packages name it."""
    expression = said.get("License-Expression")
    if expression:
        return expression
    classes = [
        line.removeprefix(CLASSIFIER).strip()
        for line in said.get_all("Classifier") or []
        if line.startswith(CLASSIFIER)
    ]
    text = (said.get("License") or "").strip()
    if classes:
        return ", ".join(classes)
    return text.splitlines()[0][:NAME_CHARACTERS_MAX] if text else "named nowhere in its metadata"


if __name__ == "__main__":
    main()
