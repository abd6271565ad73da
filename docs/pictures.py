"""Takes the pictures of these pages from a real service: `python docs/pictures.py`, some three minutes.

Needs Chromium and the extras `dev` and `demo`. What is shown is what the commands of docs/first-alarm.md lead to.
"""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from shutil import which

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parent
PAGE = DOCS / "first-alarm.md"
COLOURS = 256  # a page has few, and a small file loads at once
ZONE = "Europe/Berlin"  # of the browser: it is not the UTC that the page offers beside it
DESKTOP = {"width": 1280, "height": 860}


@contextmanager
def running(folder: Path, *command: str) -> Iterator[None]:
    """A command of ours, until the end of the block."""
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "pipeline", *command], cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def until(holds: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(holds)
        time.sleep(0.5)


def keep(page: Page, name: str, height: int) -> None:
    """Save the upper part of what is seen of the page."""
    width = page.evaluate("innerWidth")
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
    picture = Image.open(BytesIO(shot)).convert("RGB").quantize(COLOURS)
    picture.save(DOCS / f"{name}.png", optimize=True)


def with_charts(page: Page) -> None:
    """Wait until the charts of a machine are drawn."""
    page.locator("#charts canvas").first.wait_for()
    page.wait_for_function("Number(document.querySelector('#charts').dataset.rows) >= 20")


def take(browser: Browser, url: str, token: str) -> None:
    """The steps of the page, in order, and what else there is to see on the way."""
    page = browser.new_context(viewport=DESKTOP, timezone_id=ZONE).new_page()
    page.goto(url)
    row = page.locator("#machines .machine", has_text="press-03")
    row.wait_for()
    phone = browser.new_context(viewport={"width": 390, "height": 844}, timezone_id=ZONE).new_page()
    dark = browser.new_context(viewport=DESKTOP, color_scheme="dark", timezone_id=ZONE).new_page()
    others = {"phone": phone, "dark": dark}
    for other in others.values():  # before the alarm, to show what the others do
        other.goto(f"{url}/#/machines/press-03")
    row.locator(".pill", has_text="critical").wait_for(timeout=240_000)
    keep(page, "pictures/first-alarm-machines", 420)
    keep(page, "console-desktop", 520)
    page.get_by_role("link", name="press-03").click()
    with_charts(page)
    keep(page, "pictures/first-alarm-machine", 860)
    for name, other in others.items():
        with_charts(other)
        keep(other, f"console-{name}", other.evaluate("innerHeight"))
        other.close()
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Token").fill(token)
    page.get_by_label("Your name").fill("anna")
    page.locator("dialog").get_by_role("button", name="Unlock").click()
    page.locator("#incident dd").get_by_text("acknowledged", exact=True).wait_for()
    page.get_by_role("button", name="Label …").click()
    page.get_by_label("Fault class").fill("bearing")
    keep(page, "pictures/first-alarm-label", 560)
    page.locator("dialog").get_by_role("button", name="Label").click()
    page.locator("#incident", has_text="bearing, confidence").wait_for()
    page.get_by_role("button", name="Repaired").click()
    page.locator("dialog").get_by_role("button", name="Repaired").click()
    page.locator("#incident").wait_for(state="detached")
    page.goto(f"{url}/#/incidents")
    page.locator("section", has_text="Operator log").get_by_text("repaired").first.wait_for()
    keep(page, "pictures/first-alarm-log", 520)


def main() -> None:
    """All of them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "plant.yaml").write_text(f"data: data\nconsole: {{port: {port}}}\n")
        stack.enter_context(running(folder, "run", "--config", "plant.yaml"))
        until((folder / "data" / "broker.port").exists)
        (simulate,) = [line.split()[1:] for line in PAGE.read_text().splitlines() if "--fault" in line]
        stack.enter_context(running(folder, *simulate, "--config", "plant.yaml"))
        chromium = stack.enter_context(sync_playwright()).chromium
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = chromium.launch(executable_path=which("chromium"), headless=True, args=arguments)
        take(browser, f"http://127.0.0.1:{port}", (folder / "data" / "console.token").read_text().strip())


if __name__ == "__main__":
    main()
