"""What each parameter of a chain means, read from the code that defines it, beside the presets."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from chain_service.compiled import HOT
from chain_service.domain.parameters import PRESETS, ChainParameters

UNITS = {
    "_rao": "rao",
    "_milliseconds": "ms",
    "_blocks": "blocks",
    "_ppm": "of 1,000,000",
    "_u16": "of 65,535",
    "_u32": "of 2^32 − 1",
    "_u64": "of 2^64 − 1",
    "_difficulty": "hashes",
    "_denominator": "1/x",
}
"""By the end of a parameter's name; what counts things or names something has none."""


@dataclass(frozen=True)
class Described:
    name: str
    unit: str
    meaning: str
    """With its source: NAK is the Nakamoto chain's code, "today" the chain that followed it."""


def describe_parameters() -> list[Described]:
    """Return every parameter in the order of its definition."""
    return [
        Described(name, find_unit(name), meaning)
        for name, meaning in _read_docstrings(ChainParameters.__name__)
    ]


def describe_presets() -> list[tuple[str, str]]:
    """Return every preset's name, and what it is for."""
    meanings = dict(_read_texts(_read_module().body))
    # A constant of the module, named as the preset.
    return [(name, meanings[name.upper().replace("-", "_")]) for name in PRESETS]


def find_unit(name: str) -> str:
    if name.startswith("blocks_per"):
        return "blocks"
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def render_page() -> str:
    """Return the page of all parameters, by preset."""
    lines = [
        "# The chain's parameters",
        "",
        "What a genesis fixes, as the three presets have it (`taonet chain parameters --preset "
        "NAME`). NAK is opentensor/subtensor_deprecated @ 576f2bd, the Nakamoto chain; *live* are "
        "its values of January 2023; *today* is the chain that followed. `TAONET_CHAIN_PARAMETERS` "
        "changes single ones for a new chain. `make parameters` writes this page from the code.",
        "",
        *(f"- `{preset}`: {meaning}" for preset, meaning in describe_presets()),
        "",
        f"| parameter | unit | {' | '.join(PRESETS)} | meaning, source |",
        f"| --- | --- |{' ---: |' * len(PRESETS)} --- |",
    ]
    for entry in describe_parameters():
        values = [write_value(getattr(preset, entry.name)) for preset in PRESETS.values()]
        lines.append(f"| `{entry.name}` | {entry.unit} | {' | '.join(values)} | {entry.meaning} |")
    return "\n".join(lines) + "\n"


def write_value(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value) or "–"


def _read_docstrings(class_name: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class, each with the text below it."""
    [definition] = [
        node
        for node in _read_module().body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    ]
    return _read_texts(definition.body)


def _read_module() -> ast.Module:
    # The source, also where what was compiled of it runs.
    return ast.parse((HOT.package / "domain" / "parameters.py").read_text())


def _read_texts(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the names that are assigned, each with the text below it, in one line."""
    for statement, text in pairwise(body):
        match statement, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield name, " ".join(meaning.split())
