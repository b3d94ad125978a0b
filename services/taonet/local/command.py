"""A program to run: its arguments, its environment, the user it runs as."""

import os
import subprocess
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Command:
    """What it takes to start one program in the foreground."""

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    """Added to this process's own."""
    user: int | None = None
    """The uid and gid to run as; None keeps ours."""

    def start(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own, so that a Ctrl-C here reaches only us."""
        if self.user is not None:
            options |= {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.Popen(
            self.arguments,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            **options,
        )


def runs_as_root() -> bool:
    return os.geteuid() == 0
