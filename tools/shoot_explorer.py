"""
Take the README's pictures of a running explorer: `make up`, wait a while, then
`python tools/shoot_explorer.py [URL]`. Needs Debian's Chromium (`make browser`).
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {"explorer": "/", "explorer-neuron": "/neurons/2"}
SIZE = {"width": 1200, "height": 860}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN_MS = 1_500
"""Charts follow the page."""


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    program = shutil.which("chromium")
    if program is None:
        sys.exit("no chromium on this machine: make browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for name, path in PAGES.items():
            shoot(browser, url + path, IMAGES / f"{name}.png")
        browser.close()


def shoot(browser: Browser, address: str, picture: Path) -> None:
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=picture, full_page=True)
    context.close()


if __name__ == "__main__":
    main()
