"""
Alerts fired for real: a box of its own is hurt, and a webhook waits to be told, twice each time.

    make chaos-alerts        # a table of what fired and cleared, and after how long

A Server is stopped, the author is frozen, a row of the ledger is altered; each is mended again. It
needs Prometheus and Alertmanager, and writes docs/alerts.md.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg

from taonet.local.main import find_program
from taonet.local.settings import LocalSettings
from taonet.local.stores import prepare_stores

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
PORT_BASE = int(os.environ.get("TAONET_PORT_BASE", "26000"))
TEMPLATE = """\
# Alerts, fired for real
`make chaos-alerts` brings up a box whose Alertmanager tells a webhook, hurts it, waits for the
message, mends it, and waits to be told that it is over. Times include five seconds between two
scrapes, the alert's own patience (`for` in `monitoring/prometheus/rules/alerts.yml`), the next
audit (up to 30 s), and Alertmanager's grouping.

| what was done | alert | told after | cleared after mending |
| --- | --- | ---: | ---: |
{rows}

Everything that the webhook heard, in UTC; one trouble may tell of others that stand on it:
```
{heard}
```
Where alerts go: `TAONET_ALERT_WEBHOOK_URL` for `make up` (Alertmanager starts where it is
installed), `ALERT_WEBHOOK_URL` for containers. What to do about each: [runbooks](runbooks). That
each fires and clears as written: `make check-monitoring`.
"""
UP_SECONDS = 900
TOLD_SECONDS = 600


@dataclass(frozen=True)
class Told:
    """One message of Alertmanager's about one alert."""

    alert: str
    status: str
    summary: str
    labels: dict[str, str]
    at: float


@dataclass(frozen=True)
class Incident:
    """What is done, what must be told, and how it is mended."""

    title: str
    alert: str
    process: str
    """Whom the alert names; empty: nobody in particular."""
    hurt: Callable[[], None]
    mend: Callable[[], None]


@contextmanager
def webhook() -> Iterator[tuple[str, "queue.Queue[Told]"]]:
    """Listen as a pager would; what it is told comes out of the queue."""
    told: queue.Queue[Told] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            for alert in body["alerts"]:
                labels = alert["labels"]
                summary = alert["annotations"]["summary"]
                told.put(Told(labels["alertname"], alert["status"], summary, labels, time.time()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/alerts", told
        server.shutdown()


class Box:
    """A cluster that may be hurt."""

    def __init__(self, home: Path, webhook_url: str) -> None:
        self.environment = {
            **os.environ,
            "TAONET_HOME": str(home),
            "TAONET_PORT_BASE": str(PORT_BASE),
            "TAONET_ALERT_WEBHOOK_URL": webhook_url,
        }
        self.settings = LocalSettings(home=str(home), port_base=PORT_BASE)

    def taonet(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "taonet.cli.main", *arguments]
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True,
            timeout=UP_SECONDS,
        ).stdout  # fmt: skip

    def pid(self, name: str) -> int:
        processes = json.loads(self.taonet("status", "--json"))["processes"]
        return int(next(each["pid"] for each in processes if each["name"] == name))

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def execute(self, statement: str) -> None:
        url = prepare_stores(self.settings, self.settings.data_directory()).url("chain")
        with psycopg.connect(url) as conn:
            conn.execute(statement.encode())


def list_incidents(box: Box) -> list[Incident]:
    thief = "INSERT INTO account (address, free_rao, nonce, slot) VALUES ('5Thief', 7, 0, 99999999)"
    stopped = signal.SIGSTOP, signal.SIGCONT
    return [
        Incident(
            "a Server is stopped (SIGSTOP)",
            "TaonetTargetDown",
            "server-2",
            lambda: box.signal("server-2", stopped[0]),
            lambda: box.signal("server-2", stopped[1]),
        ),
        Incident(
            "the author is frozen (SIGSTOP)",
            "TaonetBlockLate",
            "",
            lambda: box.signal("chain-author", stopped[0]),
            lambda: box.signal("chain-author", stopped[1]),
        ),
        Incident(
            "a row of the ledger is altered: 7 rao from nowhere",
            "TaonetLedgerOutOfBalance",
            "",
            lambda: box.execute(thief),
            lambda: box.execute("DELETE FROM account WHERE address = '5Thief'"),
        ),
    ]


def wait_for(
    told: "queue.Queue[Told]", incident: Incident, status: str, since: float, log: list[Told]
) -> Told:
    deadline = time.monotonic() + TOLD_SECONDS
    while True:
        heard = told.get(timeout=max(deadline - time.monotonic(), 0.01))
        log.append(heard)
        named = heard.alert, heard.labels.get("process", ""), heard.status
        if heard.at > since and named == (incident.alert, incident.process, status):
            return heard


def play(incident: Incident, told: "queue.Queue[Told]", log: list[Told]) -> tuple[float, float]:
    """Hurt, wait to be told, mend, wait to be told; return both waits in seconds."""
    print(f"{incident.title} …", flush=True)
    began = time.time()
    incident.hurt()
    try:
        fired = wait_for(told, incident, "firing", began, log)
    finally:
        mended = time.time()
        incident.mend()
    print(f"  firing after {fired.at - began:.0f} s: {fired.summary}", flush=True)
    resolved = wait_for(told, incident, "resolved", mended, log)
    print(f"  resolved {resolved.at - mended:.0f} s after it was mended", flush=True)
    return fired.at - began, resolved.at - mended


def write_page(results: list[tuple[Incident, float, float]], log: list[Told]) -> None:
    rows = "\n".join(
        f"| {each.title} | `{each.alert}` | {fired:.0f} s | {resolved:.0f} s |"
        for each, fired, resolved in results
    )
    heard = "\n".join(
        f"{datetime.fromtimestamp(told.at, UTC):%H:%M:%S}  {told.status:<8}  "
        f"{told.alert:<26}  {told.labels.get('process', ''):<20}  {told.summary}"
        for told in log
    )
    PAGE.write_text(TEMPLATE.format(rows=rows, heard=heard))


def main() -> int:
    if not find_program("alertmanager", "prometheus-alertmanager"):
        sys.exit("no Alertmanager: apt install prometheus prometheus-alertmanager")
    log: list[Told] = []
    with webhook() as (url, told), tempfile.TemporaryDirectory(prefix="taonet-alerts-") as home:
        Path(home).chmod(0o755)
        box = Box(Path(home), url)
        try:
            box.taonet("up", "--detach")
            results = [(incident, *play(incident, told, log)) for incident in list_incidents(box)]
        finally:
            box.taonet("down")
    write_page(results, log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
