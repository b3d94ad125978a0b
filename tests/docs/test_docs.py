"""What the pages say can be typed, opened and found: commands, targets, settings, links, tests."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from taonet.cli.main import MOUNTS, build_app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
SETTINGS = (ROOT / ".env.example").read_text() + (ROOT / "docker-compose.yml").read_text()

CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
"""A fenced block, or a span between two backticks."""
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
COMMAND = re.compile(
    r"(?:^|[`$]\s?|bin/|[A-Z_]+=\S+ )taonet ([a-z-]+(?:[^\n`|;&>#]*))", re.MULTILINE
)
TARGET = re.compile(r"\bmake ((?:[a-z]+-?)+)")
SETTING = re.compile(r"\bTAONET_[A-Z0-9_]+\b")
TEST = re.compile(r"\btests/[\w/.]+\.py(?:::(\w+))?")
NOT_COMMANDS = {"reserves:", "leaf", "node"}
"""Words that stand behind our name where something is hashed or signed, not typed."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def code(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text()))


@cache
def command(name: str) -> TyperCommand | TyperGroup:
    group = get_command(build_app(name))
    assert isinstance(group, TyperGroup)
    return typed(group.commands[name])


def typed(found: object) -> TyperCommand | TyperGroup:
    assert isinstance(found, TyperCommand | TyperGroup)
    return found


def complaints(line: str) -> Iterator[str]:
    """Yield what `taonet` would not understand of these words."""
    words = shlex.split(line.replace("…", "").replace("[", "").replace("]", ""))
    if words[0] == "--help":
        return
    if words[0] not in MOUNTS:
        yield f"there is no `taonet {words[0]}`"
        return
    meant = command(words.pop(0))
    while isinstance(meant, TyperGroup) and words and not words[0].startswith("-"):
        if words[0] not in meant.commands:
            yield f"`{meant.name}` has no `{words[0]}`"
            return
        meant = typed(meant.commands[words.pop(0)])
    known = {option for parameter in meant.params for option in parameter.opts} | {"--help"}
    known |= {option for parameter in meant.params for option in parameter.secondary_opts}
    yield from (
        f"`{meant.name}` has no option {word}"
        for word in words
        if word.startswith("--") and word.split("=")[0] not in known
    )


@every_page
def test_every_command_can_be_typed(page: Path) -> None:
    lines = [line for line in COMMAND.findall(code(page)) if line.split()[0] not in NOT_COMMANDS]

    assert [f"{line}: {wrong}" for line in lines for wrong in complaints(line)] == []


@every_page
def test_every_target_of_make_is_there(page: Path) -> None:
    assert [t for t in TARGET.findall(code(page)) if f"\n{t}:" not in MAKEFILE] == []


@every_page
def test_every_setting_is_one(page: Path) -> None:
    named = set(SETTING.findall(code(page)))

    assert {name for name in named if name not in SETTINGS and not name.endswith("_")} == set()


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


@every_page
def test_every_test_that_is_named_is_there(page: Path) -> None:
    missing = []
    for match in TEST.finditer(page.read_text()):
        file = ROOT / match[0].split("::")[0]
        if not file.exists() or (match[1] and match[1] not in names_in(file)):
            missing.append(match[0])

    assert missing == []


@cache
def names_in(file: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in nodes if isinstance(node, functions))


def test_what_is_not_there_would_be_found() -> None:
    assert list(complaints("stake add HOTKEY 1 --wallet me")) == []
    assert list(complaints("stake increase")) == ["`stake` has no `increase`"]
    assert list(complaints("status --yaml")) == ["`status` has no option --yaml"]
    assert list(complaints("fly")) == ["there is no `taonet fly`"]


def test_every_locked_package_is_on_the_page_of_licences() -> None:
    locks = [ROOT / "requirements.lock", ROOT / "requirements-model.lock"]
    text = "\n".join(lock.read_text() for lock in locks)
    locked = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    page = (ROOT / "docs" / "licences.md").read_text()

    listed = set(re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE))
    assert locked - listed == set(), "run tools/licences.py"


def test_the_pages_of_the_interfaces_are_as_they_would_be_written_now(tmp_path: Path) -> None:
    tool = [sys.executable, str(ROOT / "tools" / "api_pages.py"), str(tmp_path)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAONET_")}
    subprocess.run(tool, check=True, env=own)

    written = {page.name: page.read_text() for page in tmp_path.iterdir()}
    told = {page.name: page.read_text() for page in (ROOT / "docs" / "api").iterdir()}
    assert written == told, "run `make api-pages`"


def test_every_decision_is_listed_under_its_own_title() -> None:
    folder = ROOT / "docs" / "decisions"
    told = (folder / "README.md").read_text()
    for page in sorted(folder.glob("0*.md")):
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        number, _, words = title.partition(". ")
        assert page.name.startswith(f"{number:0>4}-"), f"{page.name} is headed {title!r}"
        assert f"| [{number}]({page.name}) | {words} |" in told, f"{page.name} is not listed"
