"""`taonet validator …`"""

import signal
import subprocess
import sys
import time

import typer

from validator_service.settings import ValidatorSettings

POLL_SECONDS = 0.5
STOP_SECONDS = 10.0

validator_app = typer.Typer(help="Run a Validator.", no_args_is_help=True)


@validator_app.callback()
def _validator() -> None:
    """Run a Validator: it asks, scores, sets weights, and sells access."""


@validator_app.command()
def run() -> None:
    """Run one Validator in the foreground: its gateway, worker and beat. Settings: TAONET_…"""
    settings = ValidatorSettings()
    celery = [sys.executable, "-m", "celery", "-A", "validator_service.worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "validator_service.app:create_app"]
    commands = [
        [*uvicorn, "--host", "127.0.0.1", "--port", str(settings.validator_axon_port)],
        [*celery, "worker", "-n", f"{settings.validator_name}@%h", *quiet],
        [*celery, "beat"],
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    children = [subprocess.Popen(command) for command in commands]
    try:
        while all(child.poll() is None for child in children):
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        stop(children)
    # Ended by us they answer with a signal's number; by themselves, with their own failure.
    raise typer.Exit(max(0, *(child.returncode for child in children)))


def stop(children: "list[subprocess.Popen[bytes]]") -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
