"""Where a bench leaves its page."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks"


def write_report(name: str, text: str) -> None:
    """Write `docs/benchmarks/<name>.md`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text.rstrip() + "\n")
