"""docker and docker compose, as the steps of the test use them."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STAND_INS = Path(__file__).parent / "stand_ins"
INFRASTRUCTURE = ("postgres", "valkey", "prometheus", "alertmanager", "caddy")
"""What docker-compose.yml takes from others; stand-ins of the same name exist for each."""
BUILDERS = {"light": "migrate", "model": "server"}
"""A service of docker-compose.yml for each target of the Dockerfile."""
COMMAND_SECONDS = 900
ALL = ("--profile", "monitoring", "--profile", "tls")


class EngineFailed(Exception):
    """A docker command ended badly; the message holds its last words."""


def run(*command: str, seconds: float = COMMAND_SECONDS, given: str = "") -> str:
    """Return what the command printed; it reads what is given."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise EngineFailed(f"{' '.join(command)}\n{said}")
    return done.stdout


def compose(*arguments: str, seconds: float = COMMAND_SECONDS) -> str:
    return run("docker", "compose", *arguments, seconds=seconds)


def compose_bytes(*arguments: str, given: bytes = b"") -> bytes:
    """Return what a command printed that speaks in bytes, such as a dump."""
    done = subprocess.run(
        ("docker", "compose", *arguments),
        cwd=ROOT,
        input=given,
        capture_output=True,
        timeout=COMMAND_SECONDS,
    )
    if done.returncode != 0:
        raise EngineFailed(done.stderr.decode(errors="replace")[-800:])
    return done.stdout


def build(target: str) -> tuple[int, int]:
    """Build one of our images as an operator does; return its steps, and how many were kept."""
    said = compose("--progress", "plain", "build", BUILDERS[target])
    steps = set(re.findall(r"^#(\d+) \[[^\]]* \d+/\d+\]", said, re.MULTILINE))
    kept = set(re.findall(r"^#(\d+) CACHED", said, re.MULTILINE))
    return len(steps), len(steps & kept)


def choose_infrastructure() -> dict[str, str]:
    """Return the image of each store and monitor: the real one where it can be had, else ours."""
    return {name: choose_image(name) for name in INFRASTRUCTURE}


def choose_image(name: str) -> str:
    variable = f"{name.upper()}_IMAGE"
    services = json.loads(compose(*ALL, "config", "--format", "json"))
    real = str(services["services"][name]["image"])
    if variable in os.environ or is_at_hand(real):
        return real
    stand_in = f"taonet-stand-in/{name}"
    run("docker", "build", "-q", "--target", name, "-t", stand_in, str(STAND_INS))
    os.environ[variable] = stand_in
    return stand_in


def is_at_hand(image: str) -> bool:
    try:
        run("docker", "image", "inspect", image)
    except EngineFailed:
        try:
            run("docker", "pull", "-q", image, seconds=120)
        except (EngineFailed, subprocess.TimeoutExpired):
            return False
    return True


def containers() -> list[dict[str, Any]]:
    """Return all of the project's containers, ended ones too."""
    lines = compose("ps", "-a", "--format", "json").splitlines()
    return [json.loads(line) for line in lines if line]


def names_of(service: str) -> list[str]:
    return [one["Name"] for one in containers() if one["Service"] == service]


def kill_from_outside(container: str) -> None:
    """End a container's first process as a fault would: the engine must bring it back."""
    pid = int(run("docker", "inspect", "-f", "{{.State.Pid}}", container))
    os.kill(pid, signal.SIGKILL)


def image_megabytes(image: str) -> int:
    return int(run("docker", "image", "inspect", "-f", "{{.Size}}", image)) // 1_000_000
