"""The Validators' work spread over processes, each of which keeps its own Validators' memory."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection

import numpy as np

from chain_service.domain.rows import PackedRow
from taonet.lab.judging import Judge, Task

Rows = list[PackedRow]


class Bench:
    """Judges at work; the order of what they return is theirs, however many processes there are."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self.pipes = pipes

    def give(self, task: Task) -> None:
        """Let all begin; what they were given before must have been taken."""
        for pipe in self.pipes:
            pipe.send(task)

    def take(self) -> Rows:
        """Wait for what they were given last, and return each judge's weights."""
        return [PackedRow(*columns) for pipe in self.pipes for columns in pipe.recv()]


@contextmanager
def seat(judges: Sequence[Judge], processes: int) -> Iterator[Bench]:
    """Give each process its share of the judges, for the time of a block."""
    # A fork shares the crowd's arrays without a copy. The caller's progress bar is a thread: a
    # judge only calculates and prints nothing, so that it waits for no lock held at the fork.
    context = multiprocessing.get_context("fork")
    cuts = [len(judges) * part // processes for part in range(processes + 1)]
    pipes, children = [], []
    for low, high in pairwise(cuts):
        ours, theirs = context.Pipe()
        pipes.append(ours)
        work = (judges[low:high], theirs, tuple(pipes))
        child = context.Process(target=serve, args=work, daemon=True)
        child.start()
        theirs.close()
        children.append(child)
    try:
        yield Bench(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for child in children:
            child.join()


def serve(judges: Sequence[Judge], pipe: Connection, inherited: Sequence[Connection]) -> None:
    """Answer tasks until the other end is gone."""
    for end in inherited:
        end.close()  # Else the other end would never be gone: a fork holds it, too.
    try:
        while True:
            task = pipe.recv()
            rows = [judge.work(task) for judge in judges]
            pipe.send([(np.asarray(row.uids), np.asarray(row.values)) for row in rows])
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
