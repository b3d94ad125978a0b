"""A real browser before the explorer: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
NO_BROWSER = "no chromium on this machine, so no page was tried in a browser: make browser"
PATIENCE_MS = 60_000
"""A bound for a machine with much else to do; what is there is seen at once."""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser that Debian packages; skip, and say so, where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(NO_BROWSER)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def list_barriers(page: Page, rules: Any = ("wcag2a", "wcag2aa")) -> list[str]:
    """Return which rules of WCAG that a program can check a page breaks, and where."""
    only = rules if isinstance(rules, dict) else list(rules)
    told = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]})
    return [
        f"{page.url}: {broken['id']}: {node['html'][:200]}"
        for broken in told.response["violations"]
        for node in broken["nodes"]
    ]


class Visit:
    """A page in the browser, and all that it complained of."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base = page, base
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "")
            self.complaints.append(f"{self.page.url}: {message.text} ({where})")

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path, wait_until="load")
        return self.page

    def check_calm(self) -> None:
        """Fail if anything was complained of, or the page is wider than the screen."""
        assert not self.complaints, "\n".join(self.complaints)
        beyond = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert beyond <= 0, f"{self.page.url} is {beyond} px wider than the screen"


@contextmanager
def visiting(
    browser: Browser, base: str, viewport: dict[str, int] = DESK, theme: str = "light"
) -> Iterator[Visit]:
    context = browser.new_context(viewport=viewport, color_scheme=theme)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    try:
        yield Visit(context.new_page(), base)
    finally:
        context.close()
