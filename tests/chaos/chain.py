"""
kill -9 of author, Postgres and Valkey at random, and of the web process: `make chaos-chain`.

A sender posts batches of transfers without pause and remembers what was acknowledged. After the
kills everything is counted: no acknowledged transfer lost, none twice, no gap in the heights, all
money there. The page is `docs/benchmarks/chain-kills.md`.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.report import write_report
from tests.chain_service.conftest import FAST, RunningChain, enrich, key, take_out
from tests.chain_service.stores import KillableStores
from tests.conftest import wait_until
from tqdm import tqdm

from chain_service.client import ChainClient, ChainRefusal

KILLS = 50
"""Of those that hold what was acknowledged."""
WEB_KILLS = 15
"""On top of `KILLS`, and in the same proportion to fewer: the web process holds nothing."""
HOLDERS = ("author", "postgres", "valkey")
TARGETS = (*HOLDERS, "web")
EXAMPLES = "TAONET_EXAMPLES"
"""Names how many random histories `make chaos-chain` tries against the model before the kills."""
BATCH = 20
AMOUNT_RAO = 1000
QUIET_SECONDS = (0.1, 2.0)
"""Between two kills, at random: so they fall anywhere in a block."""
PARAMETERS = json.dumps({**FAST, "transfer_fee_rao": 0, "fee_rao_per_byte": 0})
ALICE, BOB, SERVER, VALIDATOR = key("Alice"), key("Bob"), key("server"), key("validator")


class Sender:
    """Posts batches one after another; what is not acknowledged is asked about, and sent anew."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.acknowledged: list[str] = []
        self.failures = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        calls = [("transfer", {"receiver": BOB.ss58_address, "amount_rao": AMOUNT_RAO})] * BATCH
        with ChainClient(self._url) as client:
            while not self._stop.is_set():
                try:
                    answers = client.submit_many(ALICE, calls)
                except ChainRefusal:
                    self.failures += 1
                    self._stop.wait(0.02)
                    continue
                self.acknowledged += [answer for answer in answers if isinstance(answer, str)]


@dataclass(frozen=True)
class Kill:
    target: str
    height: int
    until_block_seconds: float
    """Until the next block was there."""
    until_answer_seconds: float
    """Until the next batch was acknowledged."""


@dataclass(frozen=True)
class Count:
    """What was there in the end."""

    acknowledged: int
    included: int
    lost: int
    twice: int
    gaps: int
    balanced: bool

    @property
    def sound(self) -> bool:
        paid_once = self.lost == self.twice == self.gaps == 0
        return paid_once and self.balanced and self.acknowledged > 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=KILLS, help="of author, Postgres and Valkey")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    kills, count = run_chaos(arguments.kills, arguments.seed)
    text = describe(kills, count, arguments.seed)
    print(text)
    if not count.sound:
        raise SystemExit("the chain lost or doubled something")
    if arguments.kills >= KILLS:
        write_report("chain-kills", text)


def run_chaos(kills: int, seed: int) -> tuple[list[Kill], Count]:
    """Kill the holders so often, and the web process besides, then count."""
    home = Path(tempfile.mkdtemp(prefix="taonet-chaos-"))
    home.chmod(0o755)
    (home / "logs").mkdir()
    stores = KillableStores(home)
    try:
        chain = RunningChain(stores.start(), stores.redis_url, home / "logs")
        try:
            return _run(chain, stores, kills, random.Random(seed))
        finally:
            chain.close(show_logs=False)
    finally:
        stores.close()
        shutil.rmtree(home)


def _run(
    chain: RunningChain, stores: KillableStores, kills: int, chance: random.Random
) -> tuple[list[Kill], Count]:
    chain.start_author(TAONET_CHAIN_PARAMETERS=PARAMETERS)
    chain.start_web()
    chain.wait_ready()
    enrich(chain.client, ALICE, SERVER, VALIDATOR)
    take_out(chain.client, ALICE, SERVER, 900_000_000)
    sender = Sender(f"http://127.0.0.1:{chain.port}")
    sender.start()
    done = []
    try:
        for target in tqdm(choose_targets(kills, chance), desc="kills"):
            time.sleep(chance.uniform(*QUIET_SECONDS))
            done.append(kill(chain, stores, sender, target))
    finally:
        sender.stop()
    return done, count_everything(chain, sender)


def choose_targets(kills: int, chance: random.Random) -> list[str]:
    """Return so many of the holders at random, and the web process among them."""
    targets = [chance.choice(HOLDERS) for _ in range(kills)]
    targets += ["web"] * (kills * WEB_KILLS // KILLS)
    chance.shuffle(targets)
    return targets


def kill(chain: RunningChain, stores: KillableStores, sender: Sender, target: str) -> Kill:
    height = stored_height(chain)
    moment = time.monotonic()
    if target in ("author", "web"):
        chain.kill(target)
        if target == "author":
            chain.start_author(TAONET_CHAIN_PARAMETERS=PARAMETERS)
        else:
            chain.start_web()
    else:
        stores.kill(target)
    # What is stored counts: the web process may be the one that is away.
    last, acknowledged = stored_height(chain), len(sender.acknowledged)
    wait_until(lambda: stored_height(chain) > last, seconds=60)
    until_block = time.monotonic() - moment
    wait_until(lambda: len(sender.acknowledged) > acknowledged, seconds=60)
    return Kill(target, height, until_block, time.monotonic() - moment)


def stored_height(chain: RunningChain) -> int:
    height: int = chain.query("SELECT max(height) FROM block")[0][0]
    return height


def count_everything(chain: RunningChain, sender: Sender) -> Count:
    wait_until(chain.height)
    wait_until(lambda: chain.query("SELECT FROM mempool LIMIT 1") == [], seconds=60)
    rows = chain.query(
        "SELECT hash FROM extrinsic WHERE body ->> 'call' = 'transfer' AND status = 'included'"
    )
    included = {row[0] for row in rows}
    paid = chain.query("SELECT count(*) FROM event WHERE kind = 'Transferred'")[0][0]
    received = chain.client.account(BOB.ss58_address).free_rao
    [(heights, highest)] = chain.query("SELECT count(*), max(height) FROM block")
    [(balanced,)] = chain.query(
        "SELECT (SELECT sum(free_rao) FROM account) + (SELECT sum(stake_rao) FROM neuron) "
        "+ pot_rao = issuance_rao FROM block ORDER BY height DESC LIMIT 1"
    )
    return Count(
        acknowledged=len(sender.acknowledged),
        included=len(included),
        lost=len(set(sender.acknowledged) - included),
        twice=abs(paid - len(included)) + abs(received // AMOUNT_RAO - len(included)),
        gaps=highest + 1 - heights,
        balanced=balanced,
    )


def describe(kills: list[Kill], count: Count, seed: int) -> str:
    holders = sum(one.target in HOLDERS for one in kills)
    lines = [
        "# The chain, killed",
        "",
        f"{holders} times kill -9 of author, Postgres or Valkey at random moments, and "
        f"{len(kills) - holders} times of the web process between them (seed {seed}), under a load "
        f"of transfers in batches of {BATCH} from one account without pause; blocks of 0.1 s, so "
        "that kills fall into all parts of a block; 2 cores. What was killed is started again at "
        f"once. `make chaos-chain` makes this page.{tell_examples(os.environ.get(EXAMPLES, ''))}",
        "",
        "| killed | times | to the next block, s: median (largest) | to the next "
        "acknowledgement, s: median (largest) |",
        "| --- | ---: | ---: | ---: |",
    ]
    for target in TARGETS:
        mine = [one for one in kills if one.target == target]
        if mine:
            lines.append(
                f"| {target} | {len(mine)} | {spread([one.until_block_seconds for one in mine])} | "
                f"{spread([one.until_answer_seconds for one in mine])} |"
            )
    lines += [
        "",
        "| counted in the end | |",
        "| --- | ---: |",
        f"| transfers acknowledged | {count.acknowledged:,} |",
        f"| transfers in blocks (some acknowledgements were cut off) | {count.included:,} |",
        f"| acknowledged and lost | {count.lost} |",
        f"| carried out twice | {count.twice} |",
        f"| gaps in the heights | {count.gaps} |",
        f"| free + stake + pot == issuance | {'yes' if count.balanced else 'NO'} |",
        f"| heights | {kills[0].height} to {kills[-1].height} |",
    ]
    return "\n".join(lines)


def tell_examples(count: str) -> str:
    """Return what came before the kills, if it did."""
    if not count:
        return ""
    return (
        f" Before it kills, a hypothesis state machine drives all calls against a model in memory: "
        f"{int(count):,} examples of up to 60 steps (tests/chain_service/domain/test_ledger.py), "
        "and conservation after every step."
    )


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} ({max(seconds):.1f})"


if __name__ == "__main__":
    main()
