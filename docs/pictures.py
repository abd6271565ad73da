"""Takes the pictures of docs/first-alarm.md from a real service: `python docs/pictures.py`, some three minutes.

Needs Chromium and the extras `dev` and `demo`. What is shown is what the commands of that page lead to.
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
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PAGE = FOLDER.parent / "first-alarm.md"
COLOURS = 160  # a page has few, and a small file loads at once


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
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": height})
    picture = Image.open(BytesIO(shot)).convert("RGB").quantize(COLOURS)
    picture.save(FOLDER / f"{name}.png", optimize=True)


def take(page: Page, url: str, token: str) -> None:
    """The steps of the page, in order."""
    page.goto(url)
    row = page.locator("#machines .machine", has_text="press-03")
    row.locator(".pill", has_text="critical").wait_for(timeout=240_000)
    keep(page, "first-alarm-machines", 420)
    page.get_by_role("link", name="press-03").click()
    page.locator("#charts canvas").first.wait_for()
    page.wait_for_function("Number(document.querySelector('#charts').dataset.rows) >= 20")
    keep(page, "first-alarm-machine", 860)
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Token").fill(token)
    page.get_by_label("Your name").fill("anna")
    page.locator("dialog").get_by_role("button", name="Unlock").click()
    page.locator("#incident dd").get_by_text("acknowledged", exact=True).wait_for()
    page.get_by_role("button", name="Label …").click()
    page.get_by_label("Fault class").fill("bearing")
    keep(page, "first-alarm-label", 560)
    page.locator("dialog").get_by_role("button", name="Label").click()
    page.locator("#incident", has_text="bearing, confidence").wait_for()
    page.get_by_role("button", name="Repaired").click()
    page.locator("dialog").get_by_role("button", name="Repaired").click()
    page.locator("#incident").wait_for(state="detached")
    page.goto(f"{url}/#/incidents")
    page.locator("section", has_text="Operator log").get_by_text("repaired").first.wait_for()
    keep(page, "first-alarm-log", 520)


def main() -> None:
    """All of them."""
    FOLDER.mkdir(exist_ok=True)
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
        page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
        take(page, f"http://127.0.0.1:{port}", (folder / "data" / "console.token").read_text().strip())


if __name__ == "__main__":
    main()
