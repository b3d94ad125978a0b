"""
Take pictures of a running explorer: `make up`, wait a while, then
`python tools/shoot_explorer.py [URL]` for the README's, or, to look at every page in both themes
and at both widths, `TAONET_API_KEY=… python tools/shoot_explorer.py [URL] --all FOLDER`.
Needs Debian's Chromium (`make browser`).
"""

import argparse
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {"explorer": "/", "explorer-neuron": "/neurons/2", "explorer-trade": "/trade"}
SIZE: ViewportSize = {"width": 1200, "height": 860}
SIZES: dict[str, ViewportSize] = {
    "desk": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
}
PATHS = {
    **{"home": "/", "blocks": "/blocks", "neurons": "/neurons", "neuron": "/neurons/2"},
    **{"validator": "/neurons/0", "validators": "/validators", "supply": "/supply"},
    **{"market": "/market", "trade": "/trade", "playground": "/playground", "account": "/account"},
    **{"status": "/status", "dashboards": "/dashboards", "search": "/search?q=server"},
    **{"search-empty": "/search?q=nothing", "error": "/nowhere"},
}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN_MS = 1_500
"""Charts follow the page."""
ANSWERED_MS = 20_000
COLOURS = 96
"""What a picture of a page needs: a third of its bytes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--all", type=Path, help="a folder: take every page there is")
    parser.add_argument("--only", default="", help="pages to take, with commas")
    given = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        sys.exit("no chromium on this machine: make browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        if given.all:
            shoot_all(browser, given.url, given.all, set(filter(None, given.only.split(","))))
        else:
            for name, path in PAGES.items():
                shoot(browser, given.url + path, IMAGES / f"{name}.png")
        browser.close()


def shoot(browser: Browser, address: str, picture: Path) -> None:
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=picture, full_page=True)
    context.close()
    Image.open(picture).convert("RGB").quantize(COLOURS).save(picture, optimize=True)


def shoot_all(browser: Browser, url: str, folder: Path, only: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = PATHS | find_things(browser, url)
    wanted = {name: path for name, path in found.items() if not only or name in only}
    for width, size in SIZES.items():
        context = browser.new_context(viewport=size)
        page = context.new_page()
        for name, path in wanted.items():
            page.goto(url + path)
            ACTIONS.get(name, scroll_through if name.startswith("board") else wait)(page)
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(500)
                page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
            page.emulate_media(color_scheme="light")
        context.close()


def find_things(browser: Browser, url: str) -> dict[str, str]:
    """Return where an account, an extrinsic, a block with one, and each dashboard are."""
    page = browser.new_page()
    page.goto(url + "/neurons/0")
    account = str(page.locator('a[href^="/accounts/"]').first.get_attribute("href"))
    page.goto(url + account)
    extrinsic = str(page.locator('a[href^="/extrinsics/"]').first.get_attribute("href"))
    page.goto(url + extrinsic)
    block = str(page.locator('main a[href^="/blocks/"]').first.get_attribute("href"))
    page.goto(url + "/dashboards")
    links = [str(link.get_attribute("href")) for link in page.locator(".hits a").all()]
    page.close()
    boards = {f"board-{link.rsplit('/', 1)[1]}": link for link in links}
    return {"chain-account": account, "extrinsic": extrinsic, "block": block, **boards}


def wait(page: Page) -> None:
    page.wait_for_timeout(DRAWN_MS)


def ask(page: Page) -> None:
    """Ask the playground, where there is a key."""
    if key := os.environ.get("TAONET_API_KEY"):
        page.locator("#key").fill(key)
        page.get_by_role("button", name="Chat").click()
        page.locator("#ask").click()
        page.locator(".turn .note:not(:empty)").wait_for(timeout=ANSWERED_MS)
    wait(page)


def sign_in(page: Page) -> None:
    if key := os.environ.get("TAONET_API_KEY"):
        page.locator("#account-key").fill(key)
        page.locator("#ask").click()
        page.locator("#balance:not(:empty)").wait_for(timeout=ANSWERED_MS)
    wait(page)


def trade(page: Page) -> None:
    """Open an account, and leave one order in the book."""
    page.locator("#account-name").fill(f"picture-{secrets.token_hex(3)}")
    page.get_by_role("button", name="Open an account").click()
    page.locator("#balances").get_by_text("1.00").wait_for(timeout=ANSWERED_MS)
    page.locator("#kind").select_option("MARKET")
    page.locator("#place").click()
    page.locator("#kind").select_option("LIMIT")
    page.locator("#price").fill(f"{float(page.locator('#price').input_value()) * 0.97:.6f}")
    page.wait_for_timeout(1_000)
    page.locator("#place").click()
    wait(page)


def scroll_through(page: Page) -> None:
    """Panels are drawn as they come into sight."""
    for _ in range(12):
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(400)
    wait(page)


ACTIONS: dict[str, Callable[[Page], None]] = {
    "playground": ask,
    "account": sign_in,
    "trade": trade,
}
"""What is done on a page before its picture."""


if __name__ == "__main__":
    main()
