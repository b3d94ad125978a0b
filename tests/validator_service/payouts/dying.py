"""A payer that kills itself at its N-th step: `python dying.py DATABASE CHAIN SEED N`.

A step is a statement that changes a payment before its commit, the commit, or either side of
sending. It ends with 0 when everything was paid before step N came.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chain_service.client import ChainClient
from taonet.kit.db import open_pool
from validator_service.payouts import paying, repository

CHANGES = ("add_payment", "add_payout", "save_signed", "settle")


class Fate:
    """Counts the steps, and ends the process at the last one."""

    def __init__(self, last: int) -> None:
        self.left = last
        self.changed = False

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, work: Any) -> Any:
        def doomed(*arguments: Any, **options: Any) -> Any:
            result = work(*arguments, **options)
            self.changed = True
            self.step()
            return result

        return doomed

    def begin(self, begin: Any) -> Any:
        @contextmanager
        def doomed(pool: Any) -> Iterator[Any]:
            self.changed = False
            with begin(pool) as conn:
                yield conn
            if self.changed:
                self.step()

        return doomed


def main(database_url: str, chain_url: str, seed: str, last: str) -> None:
    fate = Fate(int(last))
    for name in CHANGES:
        setattr(repository, name, fate.around(getattr(repository, name)))
    paying.begin = fate.begin(paying.begin)  # type: ignore[attr-defined]
    with open_pool(database_url) as pool, ChainClient(chain_url) as chain:
        send = chain.send

        def doomed_send(extrinsic: Any) -> str:
            fate.step()
            sent = send(extrinsic)
            fate.step()
            return sent

        chain.send = doomed_send  # type: ignore[method-assign]
        payer = paying.Payer(chain, pool, seed, minimum_rao=10_000)
        payer.open_payout()
        while payer.advance():
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
