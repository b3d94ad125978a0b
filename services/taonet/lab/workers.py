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

    def __init__(self, shares: Sequence[Sequence[Judge]], pipes: Sequence["Connection"]) -> None:
        self.shares = shares
        self.pipes = pipes

    def work(self, task: Task) -> Rows:
        for pipe in self.pipes:
            pipe.send(task)
        # The first share is this process's own.
        found = [judge.work(task) for judge in self.shares[0]]
        for pipe in self.pipes:
            found += [PackedRow(*columns) for columns in pipe.recv()]
        return found


@contextmanager
def seat(judges: Sequence[Judge], processes: int) -> Iterator[Bench]:
    """Give each process its share of the judges, for the time of a block."""
    context = multiprocessing.get_context("fork")
    cuts = [len(judges) * part // processes for part in range(processes + 1)]
    shares = [judges[low:high] for low, high in pairwise(cuts)]
    pipes, children = [], []
    for share in shares[1:]:
        ours, theirs = context.Pipe()
        child = context.Process(target=serve, args=(share, theirs), daemon=True)
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    try:
        yield Bench(shares, pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for child in children:
            child.join(timeout=5)
            child.kill()


def serve(judges: Sequence[Judge], pipe: "Connection") -> None:
    """Answer tasks until the other end is gone."""
    try:
        while True:
            task = pipe.recv()
            rows = [judge.work(task) for judge in judges]
            pipe.send([(np.asarray(row.uids), np.asarray(row.values)) for row in rows])
    except EOFError:
        return
