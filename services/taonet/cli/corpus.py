"""`taonet corpus …`: the text that Servers learn from, and the text that Validators ask about."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from taonet.corpus import (
    CorpusError,
    HubDataset,
    Manifest,
    Records,
    Source,
    build_corpus,
    find_shared_texts,
    load_manifest,
    verify_corpus,
)
from taonet.corpus.build import AnySource
from taonet.kit.errors import Malformed

TABLES = {".jsonl", ".parquet"}
ROWS_DEFAULT = 10_000

corpus_app = typer.Typer(no_args_is_help=True)

TargetOption = Annotated[
    Path, typer.Option("--target", envvar="TAONET_CORPUS_PATH", help="The corpus' folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
TARGET = Path("~/.taonet/corpus")


@corpus_app.command()
def build(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders, text files, .jsonl, .parquet.")
    ] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="On the Hugging Face hub.")] = None,
    licence: Annotated[str, typer.Option(help="Of all of it, as SPDX names it.")] = "",
    column: Annotated[str, typer.Option(help="Where the text is, in tables.")] = "text",
    rows: Annotated[int, typer.Option(min=1, help="Taken of each data set.")] = ROWS_DEFAULT,
    target: TargetOption = TARGET,
    as_json: JsonOption = False,
) -> None:
    """Build the corpus anew; without sources, from the text of the Python installation.

    What lies in the folder `fresh` of the corpus is held out, whatever else it is built from.
    """
    if (paths or dataset) and not licence:
        raise Malformed("name the text's licence: --licence CC0-1.0")
    sources: list[AnySource] = [find_source(path, licence, column) for path in paths or ()]
    for repository in dataset or ():
        name = repository.rpartition("/")[2]
        sources.append(HubDataset(name, "", licence, repository, rows, column=column))
    with Console(stderr=True).status("reading") as status:
        manifest = build_corpus(target.expanduser(), sources or None, status.update)
    show(manifest, as_json)


@corpus_app.command("list")
def list_sources(target: TargetOption = TARGET, as_json: JsonOption = False) -> None:
    """Show what the corpus was built from, and how much of it is held out."""
    show(load_manifest(target.expanduser()), as_json)


@corpus_app.command()
def verify(target: TargetOption = TARGET, as_json: JsonOption = False) -> None:
    """Check every byte against the manifest, and that nothing is on both sides of the split."""
    manifest = verify_corpus(target.expanduser())
    if shared := find_shared_texts(target.expanduser()):
        raise CorpusError(f"{len(shared)} texts are in train and held out: build it again")
    show(manifest, as_json)
    if not as_json:
        typer.echo("every byte is as the manifest says; nothing is on both sides of the split")


def find_source(path: Path, licence: str, column: str) -> AnySource:
    if not path.exists():
        raise Malformed(f"there is no {path}")
    if path.suffix in TABLES:
        return Records(path.stem, "", licence, path, column)
    if path.is_dir():
        return Source(path.resolve().name, "", licence, path)
    return Source(path.stem, "", licence, path.parent, patterns=(path.name,))


def show(manifest: Manifest, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(manifest)))
        return
    for source in manifest.sources:
        typer.echo(f"{source.name:<24} {source.documents:>7} documents  {source.licence}")
    for split in ("train", "heldout"):
        entry: Any = getattr(manifest, split)
        typer.echo(f"{split:<24} {entry.chunks:>7} chunks     {entry.text_bytes:,} bytes")
