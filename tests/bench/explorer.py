"""
How fast the explorer is at 10^6 blocks and 4096 neurons: `make bench NAME=explorer`.

A real chain service over rows that Postgres made (as in the bench of its reads), the explorer
before it, and Debian's Chromium before that. Server times are taken by an HTTP client; drawn times
are the browser's own: first contentful paint, and how long the frames of a scroll took.
"""

import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
from playwright.sync_api import Page
from tests.bench.reads import BLOCKS, NEURONS, fill
from tests.bench.report import write_report
from tests.bench.seeding import seed_chain, sender
from tests.chain_service.conftest import RunningChain
from tests.chain_service.stores import KillableStores
from tests.conftest import wait_until
from tests.explorer.browsing import open_browser, visiting
from tests.explorer.fake_network import serving
from tqdm import tqdm

from taonet.explorer.app import create_app

RUNS = 11
STEPS = 40
"""Payouts to every neuron: enough for each sparkline."""
HOME_SERVER_MS, HOME_DRAWN_MS = 300, 1500
FRAME_MS = 100
"""A frame that takes longer is a stall that people see."""
PATHS = {
    "home": "/",
    "blocks": "/blocks",
    "blocks, in the middle": f"/blocks?newest={BLOCKS // 2}",
    "a block": f"/blocks/{BLOCKS // 2}",
    "an account": "/accounts/{account}",
    "the metagraph, first rows": "/neurons",
    "the metagraph, all rows as data": "/data/neurons",
    "a neuron": f"/neurons/{NEURONS - 1}",
    "Validators": "/validators",
    "supply": "/supply",
    "search by a neuron's name": "/search?q=oak",
}
SCROLL = """async () => {
  const table = document.getElementById("neurons-scroll");
  const frames = [];
  let last = performance.now();
  for (let i = 0; i < 90; i++) {
    table.scrollTop = (i % 2 ? i : 90 - i) * table.scrollHeight / 90;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""
SORT = """async (name) => {
  const link = document.querySelector(`#neurons-scroll th a[href$="sort=${name}"]`);
  const started = performance.now();
  link.click();
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - started;
}"""
DRAWN = """() => new Promise((resolve) => new PerformanceObserver((list) => {
  const [entry] = list.getEntriesByName("first-contentful-paint");
  if (entry) resolve(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="taonet-bench-"))
    home.chmod(0o755)
    (home / "logs").mkdir()
    stores = KillableStores(home)
    try:
        chain = RunningChain(stores.start(), stores.redis_url, home / "logs")
        with contextlib.ExitStack() as stack:
            stack.callback(chain.close, show_logs=False)
            account = sender(1).ss58_address or ""
            seed_chain(chain, [account], [])
            fill(chain.database_url, account)
            pay(chain.database_url)
            chain.start_web()
            wait_until(lambda: chain.height() == BLOCKS, seconds=120)
            url = stack.enter_context(exploring(chain.url))
            text = describe(measure_server(url, account), measure_browser(url))
    finally:
        stores.close()
        shutil.rmtree(home)
    print(text)
    write_report("explorer", text)


def pay(database_url: str) -> None:
    """Let the last blocks be steps that pay every neuron."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("SET statement_timeout = 0")
        conn.execute(
            "INSERT INTO event SELECT step, uid + 1, NULL, 'Paid', json_build_object('uid', uid, "
            "'amount_rao', ((uid + 1) * (100000 + (step * 7919 + uid * 31) %% 9973))::text) "
            "FROM generate_series(%(first)s::bigint, %(last)s, 10) AS step, "
            "generate_series(0, %(neurons)s - 1) AS uid",
            {"first": BLOCKS - 10 * (STEPS - 1), "last": BLOCKS, "neurons": NEURONS},
        )
        conn.execute("VACUUM ANALYZE event")


@contextlib.contextmanager
def exploring(chain_url: str) -> Iterator[str]:
    nowhere = "http://127.0.0.1:9"
    addresses = {"GATEWAY": nowhere, "EXCHANGE": nowhere, "CHAIN": chain_url}
    os.environ |= {f"TAONET_{name}_URL": url for name, url in addresses.items()}
    with serving(create_app()) as url:
        steps = f"{url}/data/emission"
        wait_until(lambda: len(httpx.get(steps, timeout=60).json()["steps"]) == STEPS, seconds=120)
        yield url


def measure_server(url: str, account: str) -> dict[str, tuple[list[float], int]]:
    """Return for each page its times in ms, and how long it is in bytes."""
    found = {}
    with httpx.Client(base_url=url, timeout=60, headers={"accept": "text/html"}) as http:
        for name, path in tqdm(PATHS.items(), desc="server"):
            times, length = [], 0
            for _ in range(RUNS + 1):
                started = time.perf_counter()
                answer = http.get(path.format(account=account)).raise_for_status()
                times.append((time.perf_counter() - started) * 1e3)
                length = len(answer.content)
            found[name] = (times[1:], length)
    return found


def measure_browser(url: str) -> dict[str, list[float]]:
    """Return what the browser's own clock says, in ms."""
    found: dict[str, list[float]] = {"home, drawn": [], "the metagraph, drawn": []}
    with open_browser() as browser:
        for _ in tqdm(range(RUNS), desc="browser"):
            for name, path in (("home, drawn", "/"), ("the metagraph, drawn", "/neurons")):
                # A new context has no cache: what a newcomer waits for.
                with visiting(browser, url) as visit:
                    found[name].append(visit.go(path).evaluate(DRAWN))
        with visiting(browser, url) as visit:
            page = visit.go("/neurons")
            page.wait_for_selector(".whole tbody .c-past canvas")
            found["a frame while all rows scroll by"] = page.evaluate(SCROLL)
            found["sorting all rows, until they are there"] = sort_often(page)
            visit.check_calm()
    return found


def sort_often(page: Page) -> list[float]:
    keys = ("name", "stake", "trust", "incentive", "emission", "uid")
    return [page.evaluate(SORT, key) for key in keys]


def describe(server: dict[str, tuple[list[float], int]], browser: dict[str, list[float]]) -> str:
    limits = {
        "home, drawn": HOME_DRAWN_MS,
        "a frame while all rows scroll by": FRAME_MS,
        "sorting all rows, until they are there": FRAME_MS,
    }
    lines = [
        "# The explorer's pages",
        "",
        f"{BLOCKS:,} blocks, {NEURONS:,} neurons that {STEPS} steps paid; chain, explorer and "
        "browser (Debian's Chromium, nothing cached) on the same 2 cores. "
        "`make bench NAME=explorer` makes this page.",
        "",
        "| by the server | median, ms | smallest to largest | limit, ms | answer, KB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, (times, length) in server.items():
        limit = HOME_SERVER_MS if name == "home" else "–"
        lines.append(f"| {name} | {spread(times)} | {limit} | {length / 1000:,.1f} |")
    lines += [
        "",
        "| in the browser, by its own clock | median, ms | smallest to largest | limit, ms |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {spread(times)} | {limits.get(name, '–')} |"
            for name, times in browser.items()
        ),
        "",
        "Drawn is the first contentful paint: pages are whole when the server sends them, charts "
        "follow. Scrolling jumps through the whole table, so that every frame draws rows that were "
        "not there before, each with its own chart.",
    ]
    return "\n".join(lines)


def spread(times: list[float]) -> str:
    return f"**{statistics.median(times):.1f}** | {min(times):.1f} to {max(times):.1f}"


if __name__ == "__main__":
    main()
