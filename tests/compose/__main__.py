"""
Builds the images, brings the cluster up in containers, uses it, hurts it, and takes it down.

`make compose-test`. Needs a Docker Engine with compose; images that cannot be pulled are stood in
for by Debian's own packages (tests/compose/stand_ins). Builds take their packages from where the
handbook's variables say (docs/operating.md). Writes docs/benchmarks/compose.md.
"""

import io
import os
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.compose import confinement, engine, network
from tests.compose.engine import ALL, compose, compose_bytes

REPORT = engine.ROOT / "docs" / "benchmarks" / "compose.md"
KILLED = (
    *("postgres", "valkey", "chain-author", "chain", "chain-follower", "gateway", "worker", "beat"),
    *("bitcoin", "exchange-signer", "exchange", "server"),
)
CHANGED = engine.ROOT / "services" / "taonet" / "kit" / "names.py"
"""A file of the code, for seeing what a change of it costs."""
LEDGERS = ("chain", "chain_follower", "validator_1", "validator_2", "exchange", "bitcoin")
"""The schemas that a dump holds."""
BESIDES = ("exporter", "prometheus", "alertmanager", "caddy")
"""Of the profiles: not Grafana, which nothing stands in for where its image cannot be pulled."""
HEAD = """# The cluster in containers

`make compose-test` on {cores} cores: it builds the images, brings everything up, uses it, scales,
drains, kills, cuts, loses all volumes and restores them, and takes it down; it writes this page, of
one run. The machine's load, with that of the test itself, was {calmest:.1f} to {busiest:.1f}.
Infrastructure images: {images}.

| step | seconds | seen |
| --- | ---: | --- |
"""


class Report:
    """What was done, how long it took, and what was seen."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []
        self.loads: list[float] = []
        """The machine's mean load over the last minute, as each step ended."""
        self.console = Console()

    def do(self, step: str, work: Callable[[], str]) -> None:
        with self.console.status(step):
            started = time.monotonic()
            seen = work()
        self.rows.append((step, time.monotonic() - started, seen))
        self.loads.append(os.getloadavg()[0])
        self.console.print(f"[green]ok[/] {step}: {seen} ({self.rows[-1][1]:.1f} s)")

    def write(self, images: dict[str, str], file: Path) -> None:
        lines = [f"| {step} | {seconds:.1f} | {seen} |" for step, seconds, seen in self.rows]
        head = HEAD.format(
            cores=os.cpu_count(),
            calmest=min(self.loads),
            busiest=max(self.loads),
            images=", ".join(sorted(images.values())),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(head + "\n".join(lines) + "\n")
        table = Table("step", "seconds", "seen")
        for step, seconds, seen in self.rows:
            table.add_row(step, f"{seconds:.1f}", seen)
        self.console.print(table)


def main() -> None:
    os.environ.setdefault("TAONET_PRESET", "box")
    engine.run(sys.executable, "tools/compose_secrets.py")
    report = Report()
    for target in ("light", "model"):
        report.do(f"build {target}", lambda target=target: build(target))  # type: ignore[misc]
    for target in ("light", "model"):
        report.do(f"build {target} after a change", lambda target=target: rebuild(target))  # type: ignore[misc]
    images = engine.choose_infrastructure()
    with cluster(report):
        report.do("who they are and what they may", confinement.check_confinement)
        report.do("a Server earns", earn)
        report.do("a consumer asks", lambda: f"{len(network.ask())} characters")
        report.do("a trader buys", network.trade)
        report.do("the doors behind TLS", network.check_tls)
        report.do("--scale server=6 worker=3", scale)
        report.do("Prometheus finds all replicas", discover)
        report.do("a Server is drained under load", drain)
        for service in KILLED:
            report.do(f"kill -9 {service}", lambda service=service: kill(service))  # type: ignore[misc]
        report.do("the exchange is cut off for 10 s", cut)
        report.do("down, and up again", come_back)
        report.do("all volumes lost, and restored from a backup", restore)
        report.do("secrets, looked for", confinement.check_secrets)
    report.write(images, REPORT)


def build(target: str) -> str:
    steps, kept = engine.build(target)
    size = engine.image_megabytes(f"taonet:{target}")
    return f"{size} MB; {kept} of {steps} steps were at hand from before"


def rebuild(target: str) -> str:
    """Build with one line more in a file of the code, and leave the file as it was."""
    code = CHANGED.read_text()
    try:
        CHANGED.write_text(f"{code}\n# {time.time_ns()}\n")
        steps, kept = engine.build(target)
    finally:
        CHANGED.write_text(code)
    return f"one line of Python changed; {steps - kept} of {steps} steps done anew"


@contextmanager
def cluster(report: Report) -> Iterator[None]:
    compose(*ALL, "down", "-v", "--remove-orphans")
    try:
        report.do("up --wait, from nothing", start)
        yield
        report.do("down -v", stop)
    except BaseException:
        report.console.print(network.spoken(engine.containers()))
        report.console.print(compose("logs", "--tail", "5"), markup=False)
        raise
    finally:
        compose(*ALL, "down", "-v", "--remove-orphans")


def start() -> str:
    compose("up", "-d", "--wait", "--no-build")
    compose(*ALL, "up", "-d", "--wait", "--no-build", "--no-deps", *BESIDES)
    return f"{len(engine.containers())} containers"


def stop() -> str:
    compose(*ALL, "down", "-v")
    left = engine.run("docker", "volume", "ls", "-q", "--filter", "name=taonet_").split()
    assert not left, left
    return "no container and no volume is left"


def earn() -> str:
    def paid() -> bool:
        return any(neuron["incentive"] > 0 for neuron in network.neurons().values())

    network.wait_for("a Server has incentive", paid, 120)
    network.wait_for("the demonstration account can pay", lambda: bool(network.ask(1)), 120)
    return f"height {network.height()}"


def scale() -> str:
    replicas = ("--scale", "server=6", "--scale", "worker=3")
    compose("up", "-d", "--wait", "--no-build", "--no-recreate", *replicas)

    def joined() -> bool:
        return {"server-5", "server-6"} <= network.neurons().keys()

    network.wait_for("both new Servers are on chain", joined, 120)
    return f"{len(network.neurons())} neurons, {len(engine.names_of('worker'))} workers"


def discover() -> str:
    def found() -> bool:
        processes = [str(target["labels"].get("process")) for target in network.targets()]
        return processes.count("server") == 6

    network.wait_for("Prometheus scrapes six Servers", found, 60)
    return f"{len(network.targets())} targets up"


def drain() -> str:
    """Stop a Server while consumers ask: none of them may notice."""
    name = engine.names_of("server")[-1]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(network.ask, 8) for _ in range(24)]
        engine.run("docker", "stop", name)
        failed = [question for question in asked if question.exception() is not None]
    ended = engine.run("docker", "inspect", "-f", "{{.State.ExitCode}}", name).strip()
    assert not failed, failed[0].exception()
    assert ended == "0", f"{name} ended with {ended}"
    engine.run("docker", "start", name)
    return f"{len(asked)} questions, none failed; exit code {ended}"


def kill(service: str) -> str:
    before = network.height()
    killed = time.monotonic()
    engine.kill_from_outside(engine.names_of(service)[0])
    network.wait_for("a new block", lambda: network.height() > before + 1, 90)
    network.wait_for("an answer", lambda: bool(network.ask(1)), 90)
    network.wait_for("the exchange", lambda: bool(network.trade()), 90)
    back = time.monotonic() - killed
    network.check_books()
    return f"all doors answer after {back:.1f} s, books exact"


def cut() -> str:
    name = engine.names_of("exchange")[0]
    engine.run("docker", "network", "disconnect", "taonet_inside", name)
    before = network.height()
    time.sleep(10)
    engine.run("docker", "network", "connect", "--alias", "exchange", "taonet_inside", name)
    network.wait_for("the exchange", lambda: network.trade() == "FILLED", 90)
    network.check_books()
    return f"the chain went on for {network.height() - before} blocks; trades again, books exact"


def come_back() -> str:
    before = network.height()
    compose("down")
    compose("up", "-d", "--wait", "--no-build")
    network.wait_for("the chain goes on", lambda: network.height() > before, 60)
    network.check_books()
    return f"went on from height {before}"


def restore() -> str:
    """Lose every volume, keep a backup and secrets/, and go on where it was taken: the handbook."""
    schemas = [f"--schema={owner}" for owner in LEDGERS]
    as_admin = ("-U", "postgres", "--dbname=postgres")
    # What comes after the dump is lost, and made anew as other blocks.
    height = network.height()
    known = network.block_hash(height)
    dump = compose_bytes("exec", "-T", "postgres", "pg_dump", "-Fc", *as_admin, *schemas)
    keys = compose_bytes("run", "--rm", "-T", "keys")
    compose(*ALL, "down", "-v")
    compose_bytes("run", "--rm", "-T", "keys", "tar", "-C", "/data", "-x", given=keys)
    compose("up", "-d", "--wait", "--no-build", "postgres")
    compose("run", "--rm", "-T", "migrate")
    whole = ("--clean", "--if-exists", "--exit-on-error", "--single-transaction")
    compose_bytes("exec", "-T", "postgres", "pg_restore", *as_admin, *whole, given=dump)
    compose("up", "-d", "--wait", "--no-build")
    network.wait_for("the chain goes on", lambda: network.height() > height, 60)
    assert network.block_hash(height) == known, "another chain"
    files = keys_in(keys)
    assert keys_in(compose_bytes("run", "--rm", "-T", "keys")) == files, "other keys"
    network.wait_for("an answer", lambda: bool(network.ask(1)), 90)
    network.wait_for("the exchange", lambda: network.trade() == "FILLED", 90)
    network.check_books()
    size = f"{len(dump) // 1_000:,} kB and {len(files)} files of keys"
    return f"{size} at height {height}; the same blocks and keys, books exact"


def keys_in(backup: bytes) -> dict[str, bytes]:
    """Return the files of a backup by name, without the treasury's notes, which go on changing."""
    with tarfile.open(fileobj=io.BytesIO(backup)) as bundle:
        files = [one for one in bundle if one.isfile() and not one.name.startswith("treasury")]
        return {one.name: file.read() for one in files if (file := bundle.extractfile(one))}


if __name__ == "__main__":
    main()
