"""Writes `docs/parameters.md` from the code that defines the parameters; a test compares."""

from pathlib import Path

from chain_service.reference import render_page

TARGET = Path(__file__).parent.parent / "docs" / "parameters.md"


def main() -> None:
    TARGET.write_text(render_page())


if __name__ == "__main__":
    main()
