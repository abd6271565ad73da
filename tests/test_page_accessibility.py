"""axe-core looks at every page in a real browser: names, roles, order, contrast; light, dark and on a phone."""

from pathlib import Path

import pytest
from pasts import fill, on_monday
from plants import HEALTHY_ROWS, FirstRun, Plant, press
from playwright.sync_api import Browser, Page, expect
from receivers import Receiver

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PAST = "press-07;site=a"
ALARM = "press-99;site=a"
PAGES = {
    "list": ("#/?view=list", "#machines .machine"),
    "table": ("#/?view=table&group=site", "#machines canvas"),
    "heat map": ("#/?view=heat", "#machines canvas"),
    "machine": (f"#/machines/{ALARM}", "#charts canvas"),
    "past of a machine": (f"#/machines/{PAST}?range=7d", "#past-charts canvas"),
    "no machine": ("#/machines/nobody", ".empty"),
    "incidents": ("#/incidents", "#open .card"),
    "incident": (f"#/incidents/{PAST}/4", "#past-charts canvas"),
    "ageing": ("#/ageing", "#ageing-says"),
    "service": ("#/service", "#channels li"),
    "configuration": ("#/configuration", "#configuration .card"),
    "editor": ("#/setup", "#verdict.strong"),
}
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 860}},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "light phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True},
    "dark phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Of fifty machines with a past, one in alarm, and a channel of notifications."""
    folder = tmp_path_factory.mktemp("plant")
    fill(folder / "data" / "store.sqlite")
    with Receiver() as receiver:
        settings = {
            "machines": [{"match": "press-*", "kind": "press"}],
            "notify": [{"name": "shift", "webhook": receiver.url}],
        }
        with Plant(folder, **settings) as running:
            on_monday(running)
            running.send("press-99", press(HEALTHY_ROWS + 150, 2, fault=8.0))
            yield running


def violations(page: Page) -> list[str]:
    """What axe finds, an entry per element."""
    assert AXE.is_file(), "axe-core is not installed: run tests/install_servers.sh"
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{one['id']}: {node['target']}: {node['failureSummary']!r}" for one in found for node in one["nodes"]]


@pytest.fixture(params=LOOKS)
def look(request, chromium: Browser):
    """A browser of one size and scheme."""
    context = chromium.new_context(**LOOKS[request.param])
    yield context
    context.close()


@pytest.mark.servers
def test_axe_finds_nothing_to_complain_of_on_any_page(plant, look):
    page = look.new_page()
    found = []
    for name, (address, shown) in PAGES.items():
        page.goto("about:blank")
        page.goto(f"{plant.url}/{address}")
        page.evaluate(f"sessionStorage.setItem('spikewatch.token', '{plant.token}')")
        expect(page.locator(shown).first).to_be_visible(timeout=20_000)
        found += [f"{name}: {one}" for one in violations(page)]
    page.evaluate("sessionStorage.clear()")
    page.reload()
    page.locator("#unlock").click()
    expect(page.get_by_label("Token")).to_be_visible()
    found += [f"dialog: {one}" for one in violations(page)]
    assert not found, "\n".join(found)


@pytest.mark.servers
def test_axe_finds_nothing_to_complain_of_in_the_steps_of_a_first_configuration(tmp_path, look, mosquitto):
    with FirstRun(tmp_path) as first:
        page = look.new_page()
        page.goto(first.plant.url)
        expect(page.locator("#begin")).to_be_visible()
        assert violations(page) == []
        page.evaluate(f"sessionStorage.setItem('spikewatch.token', '{first.token}')")
        page.reload()
        page.get_by_label("Address").first.fill(mosquitto.url)
        page.locator("#test-broker").click()
        expect(page.locator("#step-broker .said")).to_contain_text("Connected")
        page.locator("#listen").click()
        expect(page.locator("#step-traffic .said")).to_contain_text("Listening")
        assert violations(page) == []
        page.locator("#embedded").click()
        page.locator("#review").click()
        expect(page.locator("#verdict")).to_contain_text("Valid")
        assert violations(page) == []
