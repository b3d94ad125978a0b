"""
Signatures checked in parallel: by processes, for the library that checks them holds the lock.

Few extrinsics are judged where they are. The processes start with the first large request, so that
a quiet chain has none; they end with the one that started them, however that ends.
"""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

import orjson

from chain_service.domain.blocks import Order
from chain_service.orders import SignedOrder, judge_extrinsic
from taonet.kit.errors import Malformed, Refusal
from taonet.kit.logging import get_logger

FEW = 64
"""So many extrinsics are judged where they are: some milliseconds of work."""
SHARE = 125
"""Extrinsics that a process takes at once."""

Plain = tuple[tuple[Any, ...], str, str]
"""A signed order as it crosses processes: tuples are pickled in a tenth of the time."""

log = get_logger(__name__)


class Verifiers:
    """Judge extrinsics: what is refused says why, the others come back as signed orders."""

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or os.cpu_count() or 1
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def judge(self, items: Sequence[Any]) -> list[SignedOrder | Refusal]:
        """Judge each item of a JSON list by itself, in order."""
        if len(items) <= FEW:
            return [judge_extrinsic(item) for item in items]
        shares = _cut(items)
        try:
            answers = list(self._start().map(_judge_share, shares))
        except BrokenProcessPool:
            # Somebody ended one of them. This request is judged here, the next starts new ones.
            log.warning("the verifying processes are gone; they are started anew")
            self.close()
            answers = [_judge_share(share) for share in shares]
        return [
            answer if isinstance(answer, Refusal) else _revive(*answer)
            for share in answers
            for answer in share
        ]

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._processes,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_die_with_parent,
                )
            return self._pool


def _cut(items: Sequence[Any]) -> list[bytes]:
    try:
        return [orjson.dumps(items[at : at + SHARE]) for at in range(0, len(items), SHARE)]
    except orjson.JSONEncodeError as error:
        raise Malformed(f"the extrinsics can't be read: {error}") from None


def _judge_share(share: bytes) -> list[Plain | Refusal]:
    answers = map(judge_extrinsic, orjson.loads(share))
    return [
        answer if isinstance(answer, Refusal) else (tuple(answer.order), *answer[1:])
        for answer in answers
    ]


def _revive(order: tuple[Any, ...], genesis_hash: str, body: str) -> SignedOrder:
    return SignedOrder(Order._make(order), genesis_hash, body)


def _die_with_parent() -> None:
    """Watch the process that started this one, and end when it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def _wait_and_exit(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
