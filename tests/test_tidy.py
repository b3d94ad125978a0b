"""The house style, as far as a program can read it."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 450
BANNED_MODULES = {"utils", "util", "helpers", "common", "misc"}
BANNED_WORDS = {"TO" + "DO": "do it, or open an issue", "FIX" + "ME": "mend it, or open an issue"}


def tracked(pattern: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [path for line in listing.stdout.splitlines() if (path := ROOT / line).exists()]


SOURCES = tracked("*.py")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_functions_fit_on_a_screen() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {length(node)} lines"
        for path in SOURCES
        for node in functions(path)
        if length(node) > FUNCTION_LINES_MAX
    ]

    assert too_long == []


def test_files_are_read_in_one_go() -> None:
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in SOURCES}

    assert {path: count for path, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_modules_are_named_for_what_they_hold() -> None:
    assert [path for path in SOURCES if path.stem in BANNED_MODULES] == []


@pytest.mark.parametrize(("word", "instead"), BANNED_WORDS.items())
def test_words_that_put_off_what_matters_are_absent(word: str, instead: str) -> None:
    found = [path.relative_to(ROOT) for path in SOURCES if word in path.read_text()]

    assert found == [], f"{word}: {instead}"


def test_sql_stays_in_the_repositories() -> None:
    """A query elsewhere would hide a lock or a table from whoever looks for them."""
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ")
    services = [path for path in SOURCES if path.relative_to(ROOT).parts[0].endswith("-service")]
    strays = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in services
        if "repository" not in path.stem
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.lstrip().startswith(verbs)
    ]

    assert strays == []
