"""What a process of the cluster is: plain data, so that a cluster can be read, tested and drawn."""

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

READY_SECONDS = 60.0
"""How long a process may take from its start to its readiness."""
STOP_SECONDS = 6.0
"""How long a process may take to stop before it is killed."""


@dataclass(frozen=True)
class HttpProbe:
    """Ready when this page answers 200."""

    port: int
    path: str = "/readyz"


@dataclass(frozen=True)
class PostgresProbe:
    """Ready when a query is answered."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class ValkeyProbe:
    """Ready when a PING is answered, which it is not while the file is being read."""

    port: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class AliveProbe:
    """Ready when it has not ended after so long: for a process that nobody can ask."""

    seconds: float = 0.3


Probe = HttpProbe | PostgresProbe | ValkeyProbe | AliveProbe


@dataclass(frozen=True)
class ProcessSpec:
    """One process: how to start it, when it is ready, what it waits for, how to stop it."""

    name: str
    command: tuple[str, ...]
    """A program and its arguments; in a nursery, a Python module and its arguments."""
    nursery: str | None = None
    """The name of the process it is forked from; None: a program of its own."""
    nurses: bool = False
    """Whether it is itself a nursery, which is ready once it has imported what it shall share."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to what the supervisor itself was given."""
    port: int | None = None
    """Where it listens on 127.0.0.1."""
    probe: Probe = AliveProbe()
    after: tuple[str, ...] = ()
    """The processes that must be ready before it starts, and that stop after it."""
    once: bool = False
    """A step: it runs at every start, ends with 0, and what comes after waits for its end."""
    user: int | None = None
    """The uid and gid it runs as; None: the supervisor's own."""
    ready_seconds: float = READY_SECONDS
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = STOP_SECONDS


def check_cluster(specs: Iterable[ProcessSpec]) -> None:
    """Assert that names are unique and that nothing waits for itself or for a stranger."""
    known: dict[str, ProcessSpec] = {}
    for spec in specs:
        assert spec.name not in known, f"two processes are called {spec.name}"
        # Naming only what was described earlier is what keeps a circle from closing.
        strangers = [name for name in waits_for(spec) if name not in known]
        assert not strangers, f"{spec.name} waits for {strangers}, described later or never"
        assert spec.nursery is None or known[spec.nursery].nurses
        known[spec.name] = spec


def waits_for(spec: ProcessSpec) -> tuple[str, ...]:
    """Return the names of all that must be ready before this process can start."""
    return spec.after if spec.nursery is None else (*spec.after, spec.nursery)


def dependents(specs: Iterable[ProcessSpec], name: str) -> list[str]:
    """
    Return the names of the processes that must have stopped before this one may.

    All that stand on it, also by way of others: a step between them has ended long ago.
    """
    found = [name]
    for spec in specs:
        if set(waits_for(spec)) & set(found):
            found.append(spec.name)
    return found[1:]
