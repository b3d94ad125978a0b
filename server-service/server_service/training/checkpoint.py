"""What a killed training run leaves behind, so that the next one goes on where it stopped."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server_service.training.errors import TrainingError

if TYPE_CHECKING:
    from torch.nn import Module
    from torch.optim import Optimizer


def save_checkpoint(
    path: Path, model: "Module", optimizers: list["Optimizer"], step: int, seconds: float
) -> None:
    """All of it or nothing: a kill while writing leaves the one before."""
    import torch

    state = {
        "step": step,
        "seconds": seconds,
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def restore_checkpoint(
    path: Path, model: "Module", optimizers: list["Optimizer"]
) -> tuple[int, float]:
    """The steps done and the seconds they took; (0, 0.0) where nothing was left."""
    if not path.exists():
        return 0, 0.0
    state = read_state(path)
    model.load_state_dict(state["model"])
    for optimizer, optimizer_state in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(optimizer_state)
    return int(state["step"]), float(state["seconds"])


def read_state(path: Path) -> dict[str, Any]:
    import torch

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        raise TrainingError(f"{path} cannot be read ({error}): remove it to start anew") from error
    return state
