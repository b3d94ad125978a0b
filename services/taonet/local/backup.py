"""
`taonet backup` and `taonet restore`: everything the embedded cluster must not lose, in one file.

All ledgers live in one Postgres, so one dump is one instant of all of them, taken while the cluster
runs. With it go the wallets, the passwords, the corpus and the treasury's notes; Redis holds
nothing that Postgres does not, and models are files of their owners'. The file holds keys: it is
written for its owner's eyes only, and is as secret as the wallets.
"""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from taonet.kit.db import provision
from taonet.kit.errors import Malformed, Refusal, Unavailable
from taonet.kit.reading import ROLE, provision_reader
from taonet.local.postgres import programs
from taonet.local.probes import is_ready
from taonet.local.processes import PostgresProbe
from taonet.local.settings import LocalSettings
from taonet.local.stores import OWNERS, Stores, prepare_stores

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
KEPT = ("wallets", "secrets", "corpus", "treasury.json")
"""What of the data directory goes into the backup; logs, sockets and stores' own files do not."""
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself: enough to refuse one that is not whole."""

    format: int
    made: float
    """Seconds since 1970."""
    preset: str
    dump_sha256: str


class NotEmpty(Refusal):
    """A restore never overwrites: it wants a data directory that does not exist yet."""


def back_up(settings: LocalSettings, target: Path) -> Manifest:
    """
    Write a backup of the running cluster.

    It is complete on disk or not there at all; an older one of the same name is replaced.
    """
    home = settings.data_directory()
    state = home.load_running_state()
    # The cluster is where it was started, whatever this command's environment says.
    stores = prepare_stores(settings.model_copy(update={"port_base": state.port_base}), home)
    fresh = target.with_name(f"{target.name}.new")
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / DUMP
        schemas = [f"--schema={owner}" for owner in OWNERS]
        run_program(stores.database_url, "pg_dump", "--format=custom", f"--file={dump}", *schemas)
        manifest = Manifest(FORMAT, time.time(), state.preset, _sha256(dump))
        note = Path(folder) / MANIFEST
        note.write_text(json.dumps(asdict(manifest)))
        members = {MANIFEST: note, DUMP: dump, **{name: home.path / name for name in KEPT}}
        _bundle(fresh, {name: path for name, path in members.items() if path.exists()})
    fresh.replace(target)
    return manifest


def _bundle(target: Path, members: dict[str, Path]) -> None:
    """Write the files into one, on disk and readable by its owner only."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as bundle:
            for name, path in members.items():
                bundle.add(path, name)
        file.flush()
        os.fsync(file.fileno())


def restore(settings: LocalSettings, source: Path) -> Manifest:
    """Make a data directory from a backup; `taonet up` then goes on where it was taken."""
    home = settings.data_directory()
    if home.path.exists() and any(home.path.iterdir()):
        raise NotEmpty(
            f"{home.path} is not empty, and a restore overwrites nothing: "
            "name another place in TAONET_HOME, or move this one away"
        )
    with tempfile.TemporaryDirectory() as folder:
        manifest = _unpack(source, Path(folder))
        home.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in KEPT:
            if (Path(folder) / name).exists():
                shutil.move(Path(folder) / name, home.path / name)
        home.create()
        stores = prepare_stores(settings, home)
        with _running_postgres(stores):
            _fill_database(stores, Path(folder) / DUMP)
    return manifest


def _fill_database(stores: Stores, dump: Path) -> None:
    with psycopg.connect(stores.database_url) as conn:
        query = "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)"
        held = [str(row[0]) for row in conn.execute(query, (list(OWNERS),))]
    if held:
        raise NotEmpty(f"the database holds {', '.join(held)} already; name an empty one")
    for owner in OWNERS:
        provision(stores.database_url, owner, stores.passwords[owner])
    # The dump grants the reader what it may see; so there has to be one.
    provision_reader(stores.database_url, stores.passwords[ROLE], {})
    whole = ("--clean", "--if-exists", "--exit-on-error", "--single-transaction")
    run_program(stores.database_url, "pg_restore", "--dbname=postgres", *whole, str(dump))


def _unpack(source: Path, folder: Path) -> Manifest:
    """Unpack a backup, and refuse one that is not whole before anything is made of it."""
    try:
        with tarfile.open(source) as bundle:
            bundle.extractall(folder, filter="data")
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
        damaged = _sha256(folder / DUMP) != manifest.dump_sha256
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError, TypeError) as error:
        # tarfile tells what it tried, a line for each.
        reason, *_ = str(error).split("\n")
        raise Malformed(f"{source} is not a whole backup ({reason}); take another one") from None
    if damaged or manifest.format != FORMAT:
        raise Malformed(f"{source} is damaged or of another version; take another one")
    return manifest


@contextmanager
def _running_postgres(stores: Stores) -> Iterator[None]:
    """Run the embedded Postgres for as long as the block lasts; a given one runs already."""
    if stores.postgres is None:
        yield
        return
    process = stores.postgres.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not asyncio.run(is_ready(PostgresProbe(stores.database_url))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable("Postgres does not start here; is the disk full?")
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def run_program(database_url: str, program: str, *arguments: str) -> str:
    """
    Run one of Postgres' programs as the superuser, and return what it printed.

    The password stays off the command line.
    """
    parts = urlsplit(database_url)
    environment = os.environ | {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.strip("/") or "postgres",
    }
    command = [str(programs() / program), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{program} failed: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
