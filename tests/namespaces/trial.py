"""What is tried: both machines join, then their wires are slow, then cut, then whole again."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.chaos.box import Box
from tests.namespaces import hub
from tests.namespaces.machine import HUB, Machine
from tests.namespaces.wire import Wire
from tqdm import tqdm

from chain_service.client import ChainClient
from chain_service.schemas import Neuron

NAME, PORT = "far", 8091
"""Of the Server that joins."""
DELAY_SECONDS = 0.1
SLOW_BLOCKS = 60
CUT_BLOCKS = 30
SECONDS = 420.0
"""For anything that is waited for: a moving average falls and rises over some minutes."""
CELERY = ("celery", "-A", "validator_service.worker", "worker")
MILLISECONDS = f"{DELAY_SECONDS * 1_000:.0f} ms"
HEAD = f"""# Past one machine: a Server and a worker elsewhere

`make namespaces`: a box without its best Server and without a worker for its first Validator (a
block each second); both run on machines of their own instead. A machine is a network namespace with
an address; a wire between two TUN devices leads from it to the box, and can lose all packets, or
have each wait {MILLISECONDS}. The Server joins as strangers do (`taonet server join --chain URL`);
the worker is told where chain, Postgres and Valkey are. All share processor and disk: no time here
is a benchmark.

| what was done | seconds | seen |
| --- | ---: | --- |
"""


@dataclass(frozen=True)
class Place:
    machine: Machine
    wire: Wire


@dataclass(frozen=True)
class Row:
    what: str
    seconds: float
    seen: str


class Trial:
    """The box, what joins it, and what was seen."""

    def __init__(self, box: Box, server: Place, worker: Place) -> None:
        self.box, self.server, self.worker = box, server, worker
        port = next(spec.port for spec in box.specs if spec.name == "chain")
        self.chain_url = f"http://{HUB}:{port}"
        self.chain = ChainClient(self.chain_url)
        self.rows: list[Row] = []

    def play(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self.working())
            self.do("a worker on another machine takes all jobs of a Validator", self.score)
            stack.enter_context(self.serving())
            self.do("a Server on another machine joins", self.join)
            self.do(f"each packet waits {MILLISECONDS} on both wires, for a while", self.be_slow)
            self.do("the Server's wire is cut", self.lose_server)
            self.do("the Server's wire is whole again", self.earn_again)
            self.do("the worker's wire is cut", self.lose_worker)
            self.do("the worker's wire is whole again", self.score_again)

    def do(self, what: str, step: Callable[[], str]) -> None:
        began = time.monotonic()
        seen = step()
        self.rows.append(Row(what, time.monotonic() - began, seen))
        tqdm.write(f"{what}: {seen} ({self.rows[-1].seconds:.0f} s)")

    # The machines

    @contextmanager
    def working(self) -> Iterator[None]:
        told, _ = hub.environment_elsewhere(self.box.settings, self.box.home, hub.WORKER)
        named = (*CELERY, "-n", "validator-1@elsewhere", "--without-gossip", "--without-mingle")
        with self.worker.machine.running(*named, log=self.log("worker"), environment=told):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Join by the command of the handbook, with a wallet of its own and no store of the box."""
        home, models = self.box.home, self.box.settings.models()
        own = {
            "TAONET_WALLET_PATH": str(home.path / "far-wallets"),
            "TAONET_SERVER_CACHE_PATH": str(home.path / "far-models"),
            "TAONET_CORPUS_PATH": str(home.corpus),
        }
        address = self.server.machine.address
        join = ("taonet.cli.main", "server", "join", "--chain", self.chain_url, "--name", NAME)
        serve = ("--model", str(models / "oak"), "--ip", address, "--port", str(PORT))
        with self.server.machine.running(*join, *serve, log=self.log("far"), environment=own):
            yield

    def log(self, name: str) -> Path:
        return self.box.home.path / f"{name}-elsewhere.log"

    # What is done

    def score(self) -> str:
        before = self.rounds(1)
        self.wait("rounds are scored", lambda: self.rounds(1) > before + 3)
        return f"{self.rounds(1) - before} rounds scored"

    def join(self) -> str:
        self.wait("it earns", lambda: self.incentive() > 0)
        neuron = self.neuron()
        assert neuron is not None
        assert neuron.axon is not None
        return (
            f"uid {neuron.uid} at {neuron.axon.ip}:{neuron.axon.port}, "
            f"{self.questions()} questions of Validators answered, "
            f"incentive {self.incentive():.3f} at block {self.height()}"
        )

    def be_slow(self) -> str:
        quick = self.ask_milliseconds()
        self.set_delay(DELAY_SECONDS)
        slow, before = self.ask_milliseconds(), (self.rounds(1), self.rounds(2))
        first, least = self.height(), 1.0
        while self.height() < first + SLOW_BLOCKS:
            least = min(least, self.incentive())
            time.sleep(1)
        far, near = self.rounds(1) - before[0], self.rounds(2) - before[1]
        self.set_delay(0)
        assert least > 0, "it earned nothing"
        assert far, "nothing was scored"
        return (
            f"its `/info` after {slow:.0f} ms instead of {quick:.0f}; over {SLOW_BLOCKS} blocks "
            f"its incentive was {least:.3f} or more; the worker scored {far} rounds, the other "
            f"Validator's, which has its stores beside it, {near}"
        )

    def set_delay(self, seconds: float) -> None:
        self.server.wire.delay_seconds = self.worker.wire.delay_seconds = seconds

    def lose_server(self) -> str:
        self.before, first = self.incentive(), self.height()
        self.server.wire.cut = True
        self.wait("its incentive falls", lambda: self.incentive() < self.before / 2)
        self.wait("the chain goes on", lambda: self.height() >= first + CUT_BLOCKS)
        return (
            f"incentive from {self.before:.3f} to {self.incentive():.3f} while the chain went on "
            f"for {self.height() - first} blocks"
        )

    def earn_again(self) -> str:
        self.server.wire.cut = False
        first, low = self.height(), self.incentive()
        self.wait("it earns again", lambda: self.incentive() > self.before * 0.9)
        return f"from {low:.3f} to {self.incentive():.3f} within {self.height() - first} blocks"

    def lose_worker(self) -> str:
        self.worker.wire.cut = True
        first, others = self.height(), self.rounds(2)
        time.sleep(5)
        scored = self.rounds(1)
        self.wait("the chain goes on", lambda: self.height() >= first + CUT_BLOCKS)
        assert self.rounds(1) == scored, "who scored them?"
        assert self.rounds(2) > others, "the other Validator stands still too"
        return (
            f"no round of its Validator scored, {self.rounds(2) - others} of the other, "
            f"{self.height() - first} blocks"
        )

    def score_again(self) -> str:
        self.worker.wire.cut = False
        before = self.rounds(1)
        self.wait("rounds are scored again", lambda: self.rounds(1) > before + 3)
        self.wait("no round is forgotten", lambda: not self.forgotten())
        parked = self.count("state = 'parked'")
        return f"{self.rounds(1) - before} rounds scored, none forgotten, {parked} parked"

    # What is seen

    def wait(self, what: str, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not seen():
            assert time.monotonic() < deadline, f"{SECONDS:.0f} s and still not: {what}"
            time.sleep(1)

    def height(self) -> int:
        return self.chain.head().height

    def neuron(self) -> Neuron | None:
        """Return the Server that joined, once it is on the chain."""
        neurons = self.chain.metagraph().neurons
        return next((neuron for neuron in neurons if neuron.name == NAME), None)

    def incentive(self) -> float:
        """Return its share of what Servers earn."""
        neuron = self.neuron()
        return 0.0 if neuron is None else neuron.incentive

    def questions(self) -> int:
        page = httpx.get(f"{self.server_url}/metrics", timeout=10).raise_for_status().text
        counts = [line for line in page.splitlines() if line.startswith("taonet_server_requests_t")]
        return int(sum(float(line.rpartition(" ")[2]) for line in counts))

    def ask_milliseconds(self) -> float:
        began = time.monotonic()
        httpx.get(f"{self.server_url}/info", timeout=10).raise_for_status()
        return (time.monotonic() - began) * 1_000

    @property
    def server_url(self) -> str:
        return f"http://{self.server.machine.address}:{PORT}"

    def rounds(self, validator: int) -> int:
        return self.count("state = 'scored'", validator)

    def forgotten(self) -> int:
        old = "touched_at < now() - interval '60 s'"
        return self.count(f"state IN ('asking', 'asked') AND {old}")

    def count(self, condition: str, validator: int = 1) -> int:
        table = f"validator_{validator}.round"
        return int(self.box.signs.query(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])


def tell(rows: list[Row]) -> str:
    return HEAD + "\n".join(f"| {row.what} | {row.seconds:.0f} | {row.seen} |" for row in rows)
