"""Fixtures: real servers, one of each kind for a worker where they can be shared; and how a run is made.

`make test` runs several workers beside each other (pytest-xdist), each with its own folders, servers and ports
(`servers.py`). A file is run by one of them, so that what its tests share is made once.
Hypothesis tries the same examples every time; `make explore` looks for new ones.
"""

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from receivers import Receiver
from servers import InfluxDB, Mosquitto, VictoriaMetrics, program

import encoders
import pipeline
from build_core import build_if_older

LONGEST = [f"test_{name}" for name in ("network", "service", "first_hour", "limits", "page", "secrets", "faults")]

# No deadline for an example: how long a disk takes says nothing about what is right.
settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("fixed")  # unless --hypothesis-profile names the other


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """What every test finds done: the network is compiled, once before the workers start, and all is imported.

    Hypothesis takes some of its examples from the constants of the modules that are loaded. They would depend on
    which tests a worker had run before.
    """
    build_if_older()
    for package in (encoders, pipeline):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that none of them is left to one worker at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands set up logs that write to the standard error of their test, which ends with it."""
    root, ours = logging.getLogger(), logging.getLogger("spikewatch")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = [one for one in root.handlers if one in handlers]
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One InfluxDB 1.6 for all tests of a worker."""
    server = InfluxDB(tmp_path_factory.mktemp("influxdb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def influxdb(influxd: InfluxDB) -> Iterator[InfluxDB]:
    """InfluxDB with an empty database `machines`."""
    influxd.query('CREATE DATABASE "machines"')
    yield influxd
    influxd.query('DROP DATABASE "machines"')


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """One VictoriaMetrics for all tests of a worker."""
    server = VictoriaMetrics(tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that keeps every notification."""
    with Receiver() as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file."""
    with sync_playwright() as playwright:
        # No second process for the GPU and no /dev/shm, which containers have too little of.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program("chromium"), headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tabs(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens tabs, each as in a browser of its own; whatever a page complains about fails the test."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(**options: object) -> Page:
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        page.goto("about:blank")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def page(tabs: Callable[..., Page]) -> Page:
    """One tab."""
    return tabs()
