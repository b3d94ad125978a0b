"""What the engine says of the running containers: who they are, what they may, what shows."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.compose import engine
from tests.compose.engine import compose, run

SECRETS = engine.ROOT / "secrets"
HERE = "127.0.0.1"
WRITES_ITS_ROOT = {"postgres", "grafana"}
MAY_BE_ROOT = {"caddy"}
"""It binds ports below 1024, and has no capability but that one."""
NO_WAY_OUT = ("worker", "postgres", "valkey", "exchange-signer", "server")
"""None of them is led anywhere but to the others inside."""
TARGETS = ("light", "model")


def inspect(*names: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("docker", "inspect", *names))
    return found


def check_confinement() -> str:
    """Hold every container to the rules of docs/security.md, as the engine carries them out."""
    running = [one for one in engine.containers() if one["State"] == "running"]
    doors = set()
    for one, found in zip(running, inspect(*(one["Name"] for one in running)), strict=True):
        service, may = one["Service"], found["HostConfig"]
        assert may["ReadonlyRootfs"] or service in WRITES_ITS_ROOT, service
        assert may["CapDrop"] == ["ALL"] or service == "postgres", service
        assert all(may[limit] for limit in ("Memory", "PidsLimit", "NanoCpus")), service
        assert service in MAY_BE_ROOT or "0" not in users_of(one["Name"]), service
        bound = [where for ports in may["PortBindings"].values() for where in ports]
        assert all(where["HostIp"] == HERE for where in bound), (service, bound)
        doors |= {service} if bound else set()
        assert service not in NO_WAY_OUT or is_inside(found), f"{service} has a way out"
    return f"{len(running)} containers, none open beyond {HERE}; doors: {', '.join(sorted(doors))}"


def users_of(container: str) -> set[str]:
    table = run("docker", "top", container, "-eo", "pid,uid").splitlines()[1:]
    return {line.split()[1] for line in table}


def is_inside(container: dict[str, Any]) -> bool:
    """Say whether the engine leads a container to nobody but the others on its networks."""
    networks = inspect(*container["NetworkSettings"]["Networks"])
    return all(network["Internal"] for network in networks)


def check_secrets() -> str:
    """Look for every secret in what `docker inspect`, the logs and the images show."""
    secrets = read_secrets(SECRETS)
    names = [one["Name"] for one in engine.containers()]
    shown = run("docker", "inspect", *names, *(f"taonet:{t}" for t in TARGETS))
    shown += "".join(run("docker", "history", "--no-trunc", f"taonet:{t}") for t in TARGETS)
    spoken = compose(*engine.ALL, "logs", "--no-color")
    for where, text in {"inspect or history": shown, "a log": spoken}.items():
        assert [name for name, secret in secrets.items() if secret in text] == [], where
    held = [path for target in TARGETS for path in holders(f"taonet:{target}", secrets.values())]
    assert held == [], held
    return f"{len(secrets)} secrets, in no environment, log or image"


def read_secrets(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def holders(image: str, secrets: Iterable[str]) -> list[str]:
    """Return an image's files that hold a secret."""
    inside = ("docker", "run", "--rm", "-i", "--network", "none", image, "sh", "-c")
    # grep says by 1 that it found none, by 2 that a file of root's is closed to this user.
    look = "grep -rlsFf - /app /data /etc /opt || true"
    return run(*inside, look, given="\n".join(secrets)).split()
