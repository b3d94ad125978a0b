"""
Writes `.env.example`: every setting of every part, with its default and its meaning.

The meaning is the docstring beneath the field, so the page cannot say something else than the
code. `make env-example` writes it; a test compares.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from taonet.kit.settings import Settings

ROOT = Path(__file__).parent.parent
TARGET = ROOT / ".env.example"
HEAD = """\
# Every setting, with its default, below the part that reads it from the environment.
# `taonet up` sets those of the services; a service that runs alone needs those without a default.
"""


def main() -> None:
    TARGET.write_text(render())


def render() -> str:
    """Return the page."""
    for module in settings_modules():
        importlib.import_module(module)
    told: set[tuple[str, str, str]] = set()
    sections = [render_class(settings, told) for settings in sorted_classes()]
    return "\n".join([HEAD, *(section for section in sections if section)])


def settings_modules() -> list[str]:
    """Return the modules named `settings`, of all packages, as they are imported."""
    packages = [ROOT / "services", *ROOT.glob("*-service")]
    found = [
        (package, file) for package in packages for file in sorted(package.rglob("settings.py"))
    ]
    return [".".join(file.relative_to(top).with_suffix("").parts) for top, file in found]


def sorted_classes() -> list[type[Settings]]:
    ours = settings_modules()
    classes = {settings for settings in subclasses(Settings) if settings.__module__ in ours}
    return sorted(classes, key=lambda one: (ours.index(one.__module__), line_of(one)))


def line_of(settings: type[Settings]) -> int:
    return inspect.getsourcelines(settings)[1]


def subclasses(parent: type[Settings]) -> Iterator[type[Settings]]:
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


def render_class(settings: type[Settings], told: set[tuple[str, str, str]]) -> str:
    """Return a class's own settings, but for those that were told before with the same default."""
    lines = []
    meanings = docstrings(settings)
    prefix = str(settings.model_config.get("env_prefix", ""))
    for name, field in settings.model_fields.items():
        if name not in meanings:
            continue
        variable = f"{prefix}{name}".upper()
        value = None if field.is_required() else field.get_default(call_default_factory=True)
        default = "" if value is None else as_text(value)
        if (variable, default, meanings[name]) in told:
            continue
        told.add((variable, default, meanings[name]))
        mark = "" if default else "#"
        lines += [f"# {meanings[name]}", f"{mark}{variable}={default}"]
    heading = f"## {settings.__module__.removesuffix('.settings')}, {settings.__name__}"
    return "\n".join([heading, *lines, ""]) if lines else ""


def docstrings(settings: type[Settings]) -> dict[str, str]:
    """Return the sentence beneath each field that the class itself declares."""
    body = ast.parse(textwrap.dedent(inspect.getsource(settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
