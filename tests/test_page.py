"""The console's page in a real browser (Chromium), on the real service: what a person sees and does."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from machines import machine_with_modes
from plants import HEALTHY_ROWS, Plant, late_history, press
from playwright.sync_api import Page, expect
from receivers import Receiver
from servers import free_port, until

from pipeline.mqtt import Broker, Publisher

FIRST_LOAD_MS = 2_000  # what is promised


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Address of the console of a running demonstration with its three machines."""
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "demo.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pipeline", "demo", "--seconds", "600"]
        root = str(Path(__file__).parent.parent)
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**os.environ, "PYTHONPATH": root}
        )
    try:
        until(lambda: "The console: http://" in log.read_text(), "the demonstration says where its page is", 60)
        plant = Plant(folder / "unused")
        plant.port = int(log.read_text().partition("The console: http://127.0.0.1:")[2].split()[0])

        def learned():
            try:
                _, found, _ = plant.get("/api/machines")
            except OSError:
                return False
            return len(found.get("machines", ())) == 3 and all(len(one["course"]) > 20 for one in found["machines"])

        until(learned, "three machines", 120)
        yield plant.url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def left_ms(page: Page) -> float:
    """Of the promised time, since the navigation began."""
    return max(FIRST_LOAD_MS - page.evaluate("performance.now()"), 1)


@pytest.mark.servers
def test_the_first_load_of_a_running_demonstration_shows_machines_within_two_seconds(demo, page: Page):
    page.goto(demo, wait_until="commit", timeout=FIRST_LOAD_MS)
    expect(page.locator("#machines .machine")).to_have_count(3, timeout=left_ms(page))
    expect(page.locator("#machines .machine", has_text="hydraulic-rig").locator(".pill")).to_be_visible()


@pytest.mark.servers
def test_the_first_load_of_a_machine_shows_live_charts_within_two_seconds(demo, page: Page):
    page.goto(f"{demo}/#/machines/machine-temperature", wait_until="commit", timeout=FIRST_LOAD_MS)
    charts = page.locator("#charts")
    expect(charts).to_have_attribute("data-rows", re.compile(r"[2-9]\d|\d{3,}"), timeout=left_ms(page))
    expect(charts.locator("canvas")).to_have_count(3, timeout=left_ms(page))
    newest = charts.get_attribute("data-newest")
    expect(charts).not_to_have_attribute("data-newest", newest)
    for number in range(3):  # something is drawn on each
        canvas = f"document.querySelectorAll('#charts canvas')[{number}].getContext('2d')"
        pixels = f"new Set(new Uint32Array({canvas}.getImageData(0, 0, 600, 100).data.buffer)).size"
        assert page.evaluate(pixels) > 3


@pytest.fixture
def plant(tmp_path):
    """Of a press in alarm."""
    with Plant(tmp_path / "plant") as running:
        running.table = press(HEALTHY_ROWS + 800, 2, fault=8.0)
        running.send("press-1", running.table[: HEALTHY_ROWS + 150])
        running.sent = HEALTHY_ROWS + 150
        yield running


def go_on(plant: Plant, rows: int) -> None:
    """The machine goes on with its fault."""
    plant.send("press-1", plant.table[plant.sent : plant.sent + rows], plant.sent)
    plant.sent += rows


@pytest.mark.servers
def test_an_incident_is_acknowledged_and_labelled_and_its_machine_learns_anew_when_repaired(plant, page: Page):
    page.goto(plant.url)
    row = page.locator("#machines .machine")
    expect(row.locator(".pill")).to_have_text("▲critical")
    expect(row).to_contain_text("s1 99 % high")
    page.get_by_role("link", name="press-1").click()
    incident = page.locator("#incident")
    expect(incident).to_contain_text("Incident 2: critical")
    expect(incident.locator("dd").last).to_have_text("unacknowledged")

    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Token").fill("not-the-token")
    page.get_by_label("Your name").fill("anna")
    page.locator("dialog").get_by_role("button", name="Unlock").click()
    expect(page.locator("dialog").get_by_role("alert")).to_have_text("This is not the token.")
    expect(page.locator("#unlock")).to_have_text("Unlock")
    assert not plant.machine("press-1")["incident"]["acknowledged"], "a wrong token changes nothing"
    page.get_by_label("Token").fill(plant.token)
    page.locator("dialog").get_by_role("button", name="Unlock").click()
    expect(incident.locator("dd").last).to_have_text("acknowledged")
    assert plant.machine("press-1")["incident"]["acknowledged"]

    page.get_by_role("button", name="Label …").click()
    page.get_by_label("Fault class").fill("bearing")
    page.locator("dialog").get_by_role("button", name="Label").click()
    expect(page.locator("#toasts")).to_contain_text("label bearing: done")
    expect(incident).to_contain_text("bearing, confidence 100 %")

    page.get_by_role("button", name="Repaired").click()
    page.locator("dialog").get_by_role("button", name="Repaired").click()
    expect(incident).to_have_count(0)
    go_on(plant, 60)
    expect(page.locator(".machine-bar .pill")).to_contain_text("learning")
    expect(page.locator("#account")).to_contain_text(re.compile(r"^Per reading: .* spikes, .* \(estimate\)$"))
    go_on(plant, 60)
    machine = plant.machine("press-1")
    assert (machine["attention"], machine["incident"], machine["has_baseline"]) == ("ready", None, True)
    page.get_by_role("button", name="Rollback").click()
    page.locator("dialog").get_by_role("button", name="Rollback").click()
    expect(page.locator("#toasts")).to_contain_text("rollback: done")
    go_on(plant, 150)
    expect(page.locator("#incident")).to_contain_text("Incident 3: critical")

    page.get_by_role("link", name="Incidents").click()
    said = page.locator("section", has_text="Operator log").locator("tbody tr")
    expect(said).to_have_count(4)
    expect(said.first).to_contain_text("rollback")
    expect(said.filter(has_text="label bearing")).to_have_count(1)
    expect(said.last).to_contain_text("ack")
    expect(said.last).to_contain_text("anna")
    expect(page.locator("section", has_text="Past incidents").locator("tbody tr").first).to_contain_text("repaired")


@pytest.mark.servers
def test_what_is_said_to_be_normal_raises_no_alarm_any_more_and_the_keyboard_is_enough_to_say_it(plant, page: Page):
    page.goto(plant.url)
    expect(page.locator("#machines .machine")).to_have_count(1)

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent || document.activeElement.name")
            if focused == name:
                visible = "getComputedStyle(document.activeElement).outlineStyle !== 'none' || "
                after = "getComputedStyle(document.activeElement, '::after').outlineStyle !== 'none'"
                assert page.evaluate(visible + after), f"where the focus is can be seen: {name}"
                return
        raise AssertionError(f"the keyboard does not reach {name}")

    tab_to("press-1")
    page.keyboard.press("Enter")
    expect(page.locator("#incident")).to_be_visible()
    tab_to("Normal")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Normal?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    assert plant.machine("press-1")["incident"]
    page.keyboard.press("Enter")  # the focus is back on the button
    page.keyboard.press("Enter")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(plant.token)
    page.keyboard.press("Enter")
    expect(page.locator("#incident")).to_have_count(0)
    go_on(plant, 300)
    machine = plant.machine("press-1")
    assert (machine["attention"], machine["incident"]) == ("ready", None)


@pytest.mark.servers
def test_a_change_that_nobody_confirmed_is_shown_beside_a_later_fault_and_says_what_to_do(tmp_path, page: Page):
    table = machine_with_modes(2000, 4, 3)
    table[960:, 1] += 12.0  # accepted after two thirds of what the machine has lived through
    table[1790:, 3] += 25.0
    with Plant(tmp_path / "plant", machines=[{"alert": {"close": "1m"}}]) as plant:
        plant.send("press-1", table[:1620])
        page.goto(plant.url)
        row = page.locator("#machines .machine")
        expect(row).to_contain_text(
            re.compile(r"s1 \S+, above the expected .*disagrees with the other sensors for .*\. changed: s1 \(unconf")
        )
        plant.send("press-1", table[1620:1790], 1620)
        expect(row.locator(".pill")).to_have_text("◆changed")
        expect(row).to_contain_text("changed: s1 (unconfirmed)")
        expect(row).to_contain_text(
            "press Normal if this is how it should be, otherwise repair it and press Repaired"
        )
        page.get_by_role("link", name="press-1").click()
        card = page.locator("#unconfirmed")
        expect(card).to_contain_text("Incident 2 is unconfirmed")
        expect(card).to_contain_text("changed: s1 (unconfirmed)")
        expect(card).to_contain_text(
            "Press Normal if this is how it should be. Otherwise repair it and press Repaired."
        )
        expect(card).not_to_contain_text("Another alarm")
        expect(page.locator("#incident")).to_have_count(0)
        expect(page.locator("tr", has_text="◆ changed").locator("th")).to_have_text("s1")

        plant.send("press-1", table[1790:1850], 1790)
        expect(page.locator("#incident")).to_contain_text("Incident 3: critical")
        expect(card).to_contain_text("Another alarm of this machine is open")
        page.get_by_role("link", name="Machines", exact=True).click()
        expect(row.locator(".pill")).to_have_text("▲critical")
        expect(row).to_contain_text("changed: s1 (unconfirmed)")

        page.get_by_role("link", name="Incidents").click()
        expect(page.locator("#open .card")).to_have_count(1)
        waiting = page.locator("#unconfirmed .card")
        expect(waiting).to_contain_text("changed: s1 (unconfirmed)")
        expect(page.locator("section", has_text="Past incidents").locator("tbody tr").first).to_contain_text(
            "unconfirmed"
        )
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, "on a phone, too"
        page.set_viewport_size({"width": 1280, "height": 860})
        waiting.get_by_role("button", name="Normal").click()
        page.locator("dialog").get_by_role("button", name="Normal").click()
        page.get_by_label("Token").fill(plant.token)
        page.locator("dialog").get_by_role("button", name="Unlock").click()
        expect(page.locator("#toasts")).to_contain_text("normal: done")
        expect(waiting).to_have_count(0)
        expect(page.locator("#open .card")).to_have_count(0)
        past = page.locator("section", has_text="Past incidents").locator("tbody")
        expect(past).not_to_contain_text("unconfirmed")


LEVEL = """() => {
  const canvas = document.querySelector("#charts canvas");
  const draw = canvas.getContext("2d");
  const line = document.createElement("canvas").getContext("2d");
  line.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
  line.fillRect(0, 0, 1, 1);
  const wanted = line.getImageData(0, 0, 1, 1).data.slice(0, 3).join();
  const { width, height } = canvas;
  const data = draw.getImageData(0, 0, width, height).data;
  for (let y = 0; y < height; y += 1)
    for (let x = Math.round(width * 0.9); x < width; x += 1) {
      const at = 4 * (y * width + x);
      if (data[at + 3] === 255 && data.slice(at, at + 3).join() === wanted) return y;
    }
  return -1;
}"""


@pytest.mark.servers
def test_the_score_of_a_machine_in_alarm_stays_within_its_chart_and_a_zoom_stays_until_it_is_reset(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/press-1;site=a")
    charts = page.locator("#charts")
    expect(charts.locator("canvas")).to_have_count(6)
    scores = plant.get("/api/machines/press-1;site=a/rows")[1]["score"]
    assert max(scores) > 0.99999, "where the range of the chart ended before"
    assert page.evaluate(LEVEL) > 3, "the line is drawn below the upper edge of its chart"
    levels = plant.machine("press-1")
    fact = page.locator(".machine-bar .facts div", has_text="level").locator("dd")
    expect(fact).to_have_text(f"{int(levels['level'] * 10 + 1e-6) / 10:.1f}")
    expect(fact).to_have_attribute("title", re.compile(r"^Anomaly level, 0 to 10: .* Score 0\.9\d+$"))
    assert (levels["warning_level"], levels["critical_level"]) == (5.0, 8.0)
    expect(charts.get_by_role("heading", name="Anomaly level")).to_be_visible()
    page.goto(f"{plant.url}/#/incidents")
    expect(page.locator("#open")).to_contain_text(re.compile(r"highest level (10|[89])\.\d"))
    expect(page.locator("main")).not_to_contain_text("0.999")
    page.goto(f"{plant.url}/#/")
    expect(page.locator("#machines .c-score")).to_have_text(re.compile(r"^(10|[89])\.\dhighest; now (10|[89])\.\d$"))
    page.goto(f"{plant.url}/#/machines/press-1;site=a")
    expect(charts.locator("canvas")).to_have_count(6)

    reset = page.get_by_role("button", name="Reset zoom")
    expect(reset).to_be_hidden()
    box = charts.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 50, steps=4)
    page.mouse.up()
    expect(reset).to_be_visible()
    zoom = charts.get_attribute("data-zoom")
    begin, end = map(float, zoom.split())
    times = plant.get("/api/machines/press-1;site=a/rows")[1]["time_s"][-400:]
    assert (begin, end) == pytest.approx(
        [times[0] + part * (times[-1] - times[0]) for part in (0.3, 0.6)], abs=3 + 0.01 * (times[-1] - times[0])
    )
    picture = charts.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    newest = charts.get_attribute("data-newest")
    go_on(plant, 60)
    expect(charts).not_to_have_attribute("data-newest", newest)
    assert charts.get_attribute("data-zoom") == zoom, "new rows do not undo it"
    assert charts.locator("canvas").first.evaluate("canvas => canvas.toDataURL()") == picture
    page.emulate_media(color_scheme="dark")
    expect(reset).to_be_visible()
    reset.click()
    expect(charts).to_have_attribute("data-zoom", "")
    expect(reset).to_be_hidden()


@pytest.mark.servers
def test_the_page_says_since_when_nothing_is_known_and_never_that_all_is_well(tmp_path, page: Page):
    with Plant(tmp_path / "plant") as plant:
        plant.send("press-1", press(60, 2))
        page.goto(f"{plant.url}/#/incidents")
        expect(page.get_by_text("No open incident")).to_be_visible()
        expect(page.locator(".sign.on")).to_have_text(["live", "broker", "database"])
        banner = page.locator("#banner")
        expect(banner).to_be_hidden()
        assert plant.get("/readyz")[:2] == (200, {"ready": True, "broker": True, "database": True})

        plant.broker.stop()
        expect(banner).to_have_text(
            re.compile(r"^The broker has been disconnected since \d\d:\d\d:\d\d: no new readings")
        )
        expect(page.locator("#live")).to_have_class("sign off")
        expect(page.locator("#live")).to_have_text("no new readings")
        expect(page.locator("#broker")).to_have_text("broker disconnected")
        assert banner.bounding_box()["width"] == 1280
        assert plant.get("/readyz")[:2] == (503, {"ready": False, "broker": False, "database": True})
        assert plant.get("/healthz")[0] == 200, "a restart would mend nothing"
        plant.broker.start()
        expect(banner).to_be_hidden(timeout=30_000)
        expect(page.locator("#live")).to_have_class("sign on")

        os.kill(plant.process.pid, signal.SIGSTOP)  # it hangs
        expect(page.locator("#live")).to_have_text("not connected", timeout=15_000)
        expect(banner).to_have_text(
            re.compile(r"^No connection to Spikewatch since \d\d:\d\d:\d\d\. What is shown is from before")
        )
        assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"
        os.kill(plant.process.pid, signal.SIGCONT)
        expect(banner).to_be_hidden(timeout=15_000)

        assert plant.stop() == 0
        expect(banner).to_have_text(re.compile("^No connection to Spikewatch since"))
        expect(page.locator(".sign.on")).to_have_count(0)
        for name in ("Service", "Incidents", "Machines"):
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.locator("#skeleton")).to_be_visible()
            expect(banner).to_contain_text("Nothing is known yet.")
            assert page.locator("main").inner_text() == "", "no empty state before an answer"


@pytest.mark.servers
def test_an_error_of_the_page_is_told_as_one_and_not_as_a_lost_connection(demo, chromium):
    context = chromium.new_context()  # without the watch for errors, since there is one
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/api/incidents?*", lambda route: route.fulfill(json={}))
    page.goto(f"{demo}/#/incidents")
    expect(page.locator("#live")).to_have_text("page error")
    expect(page.locator("#banner")).to_have_text(re.compile(r"^This page has an error \(Cannot read prop.*\) since"))
    assert errors
    page.unroute_all(behavior="ignoreErrors")
    expect(page.locator("#banner")).to_be_hidden()
    context.close()


@pytest.mark.servers
def test_the_history_is_shown_though_the_database_takes_longer_than_new_readings_to_come(demo, page: Page):
    page.add_init_script(late_history(3_500))
    page.goto(f"{demo}/#/machines/hydraulic-rig?range=1h")
    expect(page.locator("#past-says")).to_contain_text("scores in buckets of", timeout=20_000)
    expect(page.locator("#past-charts canvas").first).to_be_visible()


@pytest.mark.servers
@pytest.mark.parametrize("address", ["#/", "#/incidents", "#/service", "#/configuration", "#/machines/hydraulic-rig"])
def test_before_the_first_answer_the_page_says_nothing_of_machines(demo, page: Page, address):
    page.route("**/api/**", lambda route: None)  # no answer comes
    page.goto(f"{demo}/{address}")
    expect(page.locator("#skeleton")).to_be_visible()
    assert page.locator("main").inner_text() == ""
    expect(page.locator(".sign")).to_have_text(["connecting", "broker", "database"])
    expect(page.locator(".sign.on")).to_have_count(0)
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("connected", "away", "since_s", "words"),
    [
        (1, None, None, "● connected"),
        (0, None, None, "▲ not connected"),
        (0, "connection refused", 1_700_000_000.0, "▲ not reached since"),
        (1, "refused by the broker: Not authorized", None, "▲ rejects data"),
    ],
)
def test_the_second_broker_is_shown_where_there_is_one_and_never_better_than_it_is(
    demo, page: Page, connected, away, since_s, words
):
    card = page.locator(".connection").nth(2)
    page.goto(f"{demo}/#/service")
    page.wait_for_selector("main[data-ready]")
    expect(card).to_be_hidden()

    def with_one(route):
        # A browser that has an answer already asks for a newer one only, and would get none.
        asked = {name: value for name, value in route.request.headers.items() if name != "if-none-match"}
        answer = route.fetch(headers=asked)
        found = answer.json()
        found |= {"upstream": "mqtts://company", "upstream_away": away, "upstream_since_s": since_s}
        found["figures"] |= {"upstream_connected": connected, "upstream_outbox": 12}
        route.fulfill(response=answer, json=found)

    page.route("**/api/health", with_one)
    page.reload()
    expect(card).to_be_visible()
    expect(card).to_contain_text(words)
    expect(card).to_contain_text("mqtts://company")
    expect(page.locator("#figures")).to_contain_text("messages waiting for the second broker")
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.servers
def test_a_token_is_tried_when_it_is_given_and_an_old_one_is_forgotten(demo, page: Page):
    page.goto(demo)
    page.evaluate("sessionStorage.setItem('spikewatch.token', 'of-an-earlier-service')")
    page.reload()
    expect(page.locator("#unlock")).to_have_text("Unlock")
    page.locator("#unlock").click()
    for wrong in ("any text", "\u2713", "of-an-earlier-service"):
        page.get_by_label("Token").fill(wrong)
        page.locator("dialog").get_by_role("button", name="Unlock").click()
        expect(page.locator("dialog").get_by_role("alert")).to_have_text("This is not the token.")
        expect(page.locator("#unlock")).to_have_text("Unlock")
    where = page.locator("dialog code").inner_text()
    page.get_by_label("Token").fill(Path(where).read_text().strip())
    page.get_by_label("Your name").fill("anna")
    page.locator("dialog").get_by_role("button", name="Unlock").click()
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator("#unlock")).to_have_text("Lock (anna)")


@pytest.mark.servers
def test_pages_opened_before_their_machine_or_incident_exists_show_it_once_it_does(tmp_path, tabs):
    with Plant(tmp_path / "plant") as plant:
        machine, incident = tabs(), tabs()
        machine.goto(f"{plant.url}/#/machines/press-1;site=a")
        incident.goto(f"{plant.url}/#/incidents/press-1;site=a/2")
        for page in (machine, incident):
            expect(page.locator("main")).to_contain_text("There is no such machine (yet).")
            expect(page.locator("#live")).to_have_text("live")
        plant.send("press-1", press(HEALTHY_ROWS + 150, 2, fault=8.0))
        expect(machine.locator("#charts canvas").first).to_be_visible()
        expect(machine.locator("#incident")).to_contain_text("Incident 2: critical")
        expect(incident.get_by_role("heading", name="press-1, incident 2")).to_be_visible()
        for page in (machine, incident):
            expect(page.locator("#banner")).to_be_hidden()


@pytest.mark.servers
def test_rows_that_several_questions_bring_at_once_are_shown_once(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/press-1;site=a")
    charts = page.locator("#charts")
    expect(charts).to_have_attribute("data-rows", re.compile(r"^\d+$"))
    before = int(charts.get_attribute("data-rows"))
    page.context.set_offline(True)
    expect(page.locator("#live")).to_have_text("not connected")
    go_on(plant, 40)
    newest = plant.machine("press-1")["newest_s"]
    page.context.set_offline(False)
    spikes = page.get_by_role("button", name="spikes of s1")
    spikes.evaluate("button => { for (let times = 0; times < 5; times += 1) button.click(); }")
    expect(charts).to_have_attribute("data-newest", f"{newest:.0f}")
    assert int(charts.get_attribute("data-rows")) == before + 40


@pytest.mark.servers
def test_before_the_first_reading_the_page_says_what_to_publish(tmp_path, page: Page):
    with Plant(tmp_path / "plant") as plant:
        page.goto(plant.url)
        expect(page.get_by_role("heading", name="No machine yet")).to_be_visible()
        expect(page.locator("pre")).to_contain_text("plant/press-1/temp")
        plant.send("press-1", press(20, 2))
        expect(page.locator("#machines .machine")).to_have_count(1)
        expect(page.locator(".empty")).to_have_count(0)


@pytest.mark.servers
def test_a_source_of_which_nothing_can_be_read_is_an_error_on_every_page_with_an_example(tmp_path, page: Page):
    source = {"topic": "hall/{machine}", "payload": "json", "sensor": "name", "value": "value"}
    with Plant(tmp_path / "plant") as plant, Publisher(Broker.of(plant.broker.url, client_id="mill")) as publisher:
        plant.stop()
        plant.settings["mqtt"]["sources"].append(source)
        plant.start()

        def told():
            publisher.publish("hall/mill", b'{"tag": "oil", "value": 3}')
            publisher.drain()
            return plant.get("/api/health")[1]["unreadable"]

        until(told, "what arrives for ten seconds cannot be read", 60)
        page.goto(plant.url)
        expect(page.locator("#banner")).to_contain_text("No message of hall/{machine} can be read")
        page.goto(f"{plant.url}/#/service")
        expect(page.locator("#senders")).to_contain_text(
            "no_sensor. For example hall/mill: neither topic nor payload"
        )
        publisher.publish("hall/mill", b'{"name": "oil", "value": 3}')
        expect(page.locator("#banner")).to_be_hidden()
        expect(page.locator("#senders")).to_be_hidden()


@pytest.mark.servers
def test_a_test_is_sent_to_one_channel_of_notifications_or_to_all_and_its_outcome_is_shown(tmp_path, receiver, page):
    with Receiver() as other:
        other.status = 500
        channels = [{"name": name, "webhook": one.url} for name, one in (("shift", receiver), ("office", other))]
        with Plant(tmp_path / "plant", notify=channels) as plant:
            page.goto(f"{plant.url}/#/service")
            shift, office = (page.locator("#channels li", has_text=name) for name in ("shift", "office"))
            expect(shift).to_contain_text("nothing sent yet")
            shift.get_by_role("button", name="Send a test to shift").click()
            page.get_by_label("Token").fill(plant.token)
            page.locator("dialog").get_by_role("button", name="Unlock").click()
            expect(shift.get_by_role("status")).to_have_text("● The test arrived.")
            expect(office.get_by_role("status")).to_have_text("")
            [(_, content)] = receiver.got
            assert content["kind"] == "test"
            page.get_by_role("button", name="Send a test to all").click()
            expect(office.get_by_role("status")).to_contain_text(re.compile("^▲ The test did not arrive: .*500"))
            assert len(receiver.got) == 2
            other.status = 200
            office.get_by_role("button").click()
            expect(office.get_by_role("status")).to_have_text("● The test arrived.")
            assert (len(receiver.got), len(other.got)) == (2, 1)


@pytest.mark.servers
def test_in_safe_mode_the_page_shows_the_mistake_in_its_line_and_all_pages_once_it_is_fixed(tmp_path, page: Page):
    port, path = free_port(), tmp_path / "plant.yaml"
    path.write_text(f"console: {{port: {port}}}\ndata: {tmp_path}/data\nlimits: {{machins: 3}}\n")
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(path)]
    process = subprocess.Popen(command)
    try:
        plant = Plant(tmp_path / "unused")
        plant.port = port

        def served():
            try:
                return plant.get("/api/config")
            except OSError:
                return None

        until(served, "the page is served", 60)
        page.goto(plant.url)
        expect(page.locator("main").get_by_role("alert")).to_contain_text("Safe mode: 1 problem")
        expect(page.locator("#live")).to_have_text("safe mode")
        expect(page.locator("#banner, #broker, #database").filter(visible=True)).to_have_count(0)
        expect(page.locator("#pages a").filter(visible=True)).to_have_text(["Configuration"])
        expect(page.locator("#line-3")).to_contain_text("limits.machins: unknown key (did you mean machines?)")
        path.write_text(f"console: {{port: {port}}}\ndata: {tmp_path}/data\n")
        expect(page.locator("#configuration")).to_contain_text("Restart the service")
        process.terminate()
        assert process.wait(30) == 2
        page.evaluate("location.hash = '#/'")  # where the editor goes once the service is there again
        process = subprocess.Popen(command)
        expect(page.locator("#live")).to_have_text("live", timeout=60_000)
        expect(page.locator("#pages a").filter(visible=True)).to_have_count(5)
        expect(page.locator("#broker")).to_have_text("broker")
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen_in_either_scheme(demo, chromium, scheme):
    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, is_mobile=True)
    page = context.new_page()
    for address in ("#/", "#/machines/hydraulic-rig", "#/incidents", "#/service", "#/configuration"):
        page.goto(f"{demo}/{address}")
        page.reload()
        page.wait_for_selector("main[data-ready]")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
        width, place = page.locator("#pages").evaluate("nav => [nav.scrollWidth, nav.clientWidth]")
        assert width <= place, "all pages are in sight"
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(14, 18, 22)"
    assert dark == (scheme == "dark")
    context.close()
