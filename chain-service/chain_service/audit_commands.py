"""The commands that trust nobody: `taonet chain proof`, `verify`, `export` and `import`."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain as chain_lines
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chain_service.audit import Audit, audit_chain
from chain_service.client import ChainClient
from chain_service.replay import STOPS, without_collector
from chain_service.sealed import (
    NONE_TRUSTED,
    WORKERS,
    TrustedBlock,
    check_chunks,
    cut_chunks,
    read_trusted,
)
from chain_service.snapshot import is_snapshot, read_snapshot, save_snapshot
from chain_service.sources import (
    read_chain,
    read_chain_snapshot,
    read_file,
    split_lines,
    write_file,
)
from taonet.kit.errors import Malformed, Refusal
from taonet.kit.keys import check_address

if TYPE_CHECKING:
    from psycopg import Connection

ChainOption = Annotated[
    str, typer.Option("--chain", "--url", envvar="TAONET_CHAIN_URL", help="Where a chain answers.")
]
AuthorOption = Annotated[
    str | None, typer.Option(help="The author you trust; without it, whom the genesis names.")
]
TrustedOption = Annotated[
    str,
    typer.Option(
        metavar="HEIGHT:HASH",
        help="A block you trust: signatures up to it are not checked, all else is.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
SILENCE_SECONDS = 30.0
SHOW_SECONDS = 0.1
"""Drawing for every block would cost more than executing it."""


def proof(
    whom: Annotated[str, typer.Argument(metavar="ADDRESS|UID", help="An account, or a neuron.")],
    chain: ChainOption = "http://127.0.0.1:9944",
) -> None:
    """Fetch a proof of what an account holds, as JSON; verify_proof.py checks it without trust."""
    with ChainClient(chain) as client:
        if whom.isdecimal():
            found = client.neuron_proof(int(whom))
        else:
            found = client.account_proof(check_address(whom))
    typer.echo(found.model_dump_json(indent=2))


def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; without it, a chain.")] = None,
    snapshot: Annotated[
        Path | None, typer.Option("--from", help="Begin at this snapshot, not at genesis.")
    ] = None,
    chain: ChainOption = "http://127.0.0.1:9944",
    author: AuthorOption = None,
    trusted: TrustedOption = "",
    as_json: JsonOption = False,
) -> None:
    """Execute a chain again, and end with exit code 1 at the first wrong signature or root."""
    believed = read_trusted(trusted)
    try:
        replay = None
        if snapshot is not None:
            replay = read_snapshot(split_lines(read_file(snapshot)), author).replay
    except STOPS as error:
        _tell(Audit(problem=str(error)), as_json)
        raise typer.Exit(1) from None
    first = 0 if replay is None else replay.head.height + 1
    pieces = read_chain(chain, first)
    if file is not None:
        pieces = (line + b"\n" for line in islice(_read_blocks(file), first, None))
    with without_collector(), _show("verifying", None if file else chain) as show:
        blocks = check_chunks(cut_chunks(pieces), WORKERS, believed)
        audit = audit_chain(blocks, replay, author, lambda audit: show(audit.height))
    if audit.problem is None and audit.height < believed.height:
        audit.problem = _tell_unreached(believed, audit.height)
    _tell(audit, as_json, believed)
    if audit.problem is not None:
        raise typer.Exit(1)


def _read_blocks(file: Path) -> Iterator[bytes]:
    """Yield the lines of an export of a chain; a snapshot is refused, for it holds no blocks."""
    lines = split_lines(read_file(file))
    first_line = next(lines, b"")
    if is_snapshot(first_line):
        raise Malformed(f"{file} is a snapshot: `taonet chain verify --from {file}` begins with it")
    return chain_lines([first_line] if first_line else [], lines)


def export(
    file: Annotated[Path, typer.Argument(help="Written anew: gzipped lines of JSON.")],
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="The state at the head, instead of all blocks.")
    ] = False,
    chain: ChainOption = "http://127.0.0.1:9944",
) -> None:
    """Write a chain, or its state, to a file; the name appears once the file is whole."""
    with _show("exporting", chain) as show:
        if snapshot:
            write_file(file, read_chain_snapshot(chain))
        else:
            lines = split_lines(read_chain(chain, 0))
            write_file(file, _count(lines, show))
    typer.echo(f"{file}: {file.stat().st_size:,} bytes")


def import_(
    file: Annotated[Path, typer.Argument(help="An export, or a snapshot.")],
    database_url: Annotated[
        str, typer.Option(envvar="TAONET_DATABASE_URL", help="The chain's own, of a new chain.")
    ],
    author: AuthorOption = None,
    trusted: TrustedOption = "",
) -> None:
    """
    Execute an export into a database; one that was interrupted goes on where it was.

    A snapshot begins an empty one with its state, checked against the root that the author signed.
    """
    # Only this command needs what writes a database: all others start the faster without.
    import psycopg

    from chain_service.ledger_repository import try_to_lead

    believed = read_trusted(trusted)
    lines = split_lines(read_file(file))
    first = next(lines, b"")
    if not first:
        raise Malformed(f"{file} begins with no block and no snapshot: export the chain again")
    lines = chain_lines([first], lines)
    with psycopg.connect(database_url, autocommit=True) as conn, without_collector():
        if not try_to_lead(conn, SILENCE_SECONDS):
            raise Refusal("a process writes this database; stop it first")
        if not is_snapshot(first):
            _execute(conn, lines, author, believed)
        elif trusted:
            raise Malformed("--trusted is for blocks; a snapshot holds no signature but two")
        else:
            _begin(conn, lines, author)


def _execute(
    conn: "Connection", lines: Iterator[bytes], author: str | None, believed: TrustedBlock
) -> None:
    """Execute the blocks of an export that the database does not hold yet."""
    from chain_service.follower import Follower, Halted

    follower = Follower(conn, author or "")
    missing = islice(lines, follower.height + 1, None)
    chunks = cut_chunks(line + b"\n" for line in missing)
    with _show("importing", None) as show:
        try:
            blocks = check_chunks(chunks, WORKERS, believed)
            follower.take(blocks, threading.Event(), progress=show)
        except Halted as halted:
            follower.resume()
            raise Refusal(f"{halted.message}; what was before it is kept") from None
    if follower.height < believed.height:
        raise Refusal(_tell_unreached(believed, follower.height))
    typer.echo(f"the database holds block {follower.height}, every root as the author signed it")


def _begin(conn: "Connection", lines: Iterator[bytes], author: str | None) -> None:
    try:
        snapshot = read_snapshot(lines, author)
    except STOPS as error:
        raise Refusal(f"nothing is written: {error}") from None
    save_snapshot(conn, snapshot)
    head = snapshot.replay.head
    typer.echo(
        f"the database begins with block {head.height}; its whole state is under the root "
        f"{head.state_root} that {head.author} signed"
    )
    typer.echo("what was before it was not executed here: the author is trusted for that")


def _count(lines: Iterator[bytes], show: "Show") -> Iterator[bytes]:
    for height, line in enumerate(lines):
        yield line + b"\n"
        show(height)


class Show:
    """A progress bar of heights, on the terminal that errors go to."""

    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress, self._task = progress, progress.add_task(label, total=total)

        self._shown = 0.0

    def __call__(self, height: int) -> None:
        now = time.monotonic()
        if now - self._shown > SHOW_SECONDS:
            self._progress.update(self._task, completed=height)
            self._shown = now


@contextmanager
def _show(label: str, chain: str | None) -> Iterator[Show]:
    columns = (
        TextColumn("{task.description} block"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    total = None
    if chain is not None:
        with ChainClient(chain) as client:
            total = client.head().height
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield Show(progress, label, total)


def _tell_unreached(trusted: TrustedBlock, height: int) -> str:
    return (
        f"the blocks end at {height}, before the trusted block {trusted.height}: nothing vouches "
        "for their signatures; bring the blocks up to it, or do it again without --trusted"
    )


def _tell(audit: Audit, as_json: bool, trusted: TrustedBlock = NONE_TRUSTED) -> None:
    if as_json:
        typer.echo(json.dumps({"verified": audit.problem is None, **asdict(audit)}))
        return
    if audit.blocks:
        typer.echo(
            f"{audit.blocks:,} blocks with {audit.extrinsics:,} extrinsics executed again in "
            f"{audit.seconds:.1f} s, up to block {audit.height}"
        )
        typer.echo(f"author {audit.author}, block hash {audit.block_hash}")
        typer.echo(f"state root {audit.state_root}")
    if audit.problem is not None:
        typer.echo(f"WRONG: {audit.problem}", err=True)
    elif trusted == NONE_TRUSTED:
        typer.echo("every signature and every root is right")
    else:
        typer.echo(
            f"every root is right, and every signature after block {trusted.height}; up to it "
            "nobody but whom you have its hash from vouches for them"
        )
