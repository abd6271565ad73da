"""The past in a real browser: what a maintenance engineer on Monday finds out about Saturday night."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from machines import START
from pasts import COLD, DAY, FRIDAY, HOT, HOUR, MONDAY, NAMES, SECOND, SENSORS, fill, on_monday
from plants import HEALTHY_ROWS, Plant, late_history, press
from playwright.sync_api import Page, expect

HOT_ONE = "press-07;site=a"
NIGHT = ((FRIDAY + DAY + 20 * HOUR) // SECOND, (FRIDAY + 2 * DAY + 6 * HOUR) // SECOND)


@pytest.fixture
def page(tabs):
    """A tab in Berlin."""
    return tabs(timezone_id="Europe/Berlin")


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Of fifty machines with three days behind them, on Monday."""
    folder = tmp_path_factory.mktemp("plant")
    fill(folder / "data" / "store.sqlite")
    with Plant(folder, machines=[{"match": "press-*", "kind": "press"}]) as running:
        on_monday(running)
        yield running


def shown(page: Page) -> tuple[float, float]:
    """From when to when the charts of the past reach."""
    charts = page.locator("#past-charts")
    expect(charts).to_have_attribute("data-from", re.compile(r"\d"))
    return float(charts.get_attribute("data-from")), float(charts.get_attribute("data-to"))


def saved(page: Page, button: str) -> Path:
    """The file that a button exports."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path()


@pytest.mark.servers
def test_what_is_looked_for_among_all_machines_is_in_the_address(plant, page: Page):
    page.goto(plant.url)
    rows = page.locator("#machines .machine")
    expect(rows).to_have_count(len(NAMES))
    page.get_by_label("Find a machine by name").fill("press-1")
    expect(rows).to_have_count(10)
    page.get_by_role("group", name="Show only machines that are").get_by_role("button", name="learning").click()
    assert page.url.endswith("#/?search=press-1&attention=learning")
    page.reload()
    expect(rows).to_have_count(10)
    expect(page.get_by_label("Find a machine by name")).to_have_value("press-1")


@pytest.mark.servers
def test_saturday_night_is_found_zoomed_read_at_the_cursor_and_exported(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/{HOT_ONE}")
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="UTC").click()
    page.get_by_role("button", name="7 d").click()
    expect(page.locator("#past-says")).to_contain_text("times in UTC")
    expect(page.locator("#past-says")).to_contain_text("in buckets of 30 min, from the embedded store")
    expect(page.locator("#past-marks li")).to_have_count(4)
    expect(page.locator("#past-marks")).to_contain_text("incident 4: s1 81 % high, s2 19 %")
    expect(page.locator("#past-marks")).to_contain_text("ack, by anna")
    assert re.search(r"\?range=7d&zone=utc$", page.url)

    box = page.locator("#past-charts .u-over").first.bounding_box()
    begin, end = shown(page)

    def x_of(seconds: float) -> float:
        return box["x"] + box["width"] * (seconds - begin) / (end - begin)

    page.mouse.move(x_of(HOT / SECOND - 6 * 3600), box["y"] + 50)
    page.mouse.down()
    page.mouse.move(x_of(COLD / SECOND + 6 * 3600), box["y"] + 50, steps=5)
    page.mouse.up()
    expect(page.locator("#past-charts")).to_have_attribute("data-bucket", "120")
    zoomed = shown(page)
    assert zoomed == pytest.approx((HOT / SECOND - 6 * 3600, COLD / SECOND + 6 * 3600), abs=1800)
    assert f"range=7d&from={zoomed[0]:.3f}".rstrip("0") in page.url

    box = page.locator("#past-charts .u-over").first.bounding_box()
    begin, end = zoomed
    page.mouse.move(x_of(HOT / SECOND + 1800), box["y"] + 50)
    expect(page.locator("#past-cursor")).to_have_text(re.compile(r"^Sun, 19 Nov 2023, 02:4\d:\d\d UTC$"))
    hot = page.locator("#past-charts .chart", has=page.get_by_role("heading", name="s1")).locator("header span")
    expect(hot).to_have_text(
        re.compile(r"^mean 7\d(\.\d+)? \(7.* … [78].*, 1[2-4] points\)  expected 5.* \(5.* … 5.*\)$")
    )
    others = page.locator("#past-charts .chart header span")
    assert all(re.search(r"\d", text) for text in others.all_inner_texts()), "one cursor over all charts"

    rows = list(csv.DictReader(saved(page, "Export CSV").read_text().splitlines()))
    assert len(rows) > 300
    assert rows[0]["time"] <= f"2023-11-18T20:{int(begin) // 60 % 60:02d}"
    in_alarm = [row for row in rows if row["severity"] == "2"]
    assert in_alarm[0]["time"] == "2023-11-19T02:12:00.000Z"
    assert max(float(row["s1 high"]) for row in in_alarm) > 75
    assert sum(int(row["score points"]) for row in in_alarm) == pytest.approx((COLD - HOT) / 10 / SECOND, abs=2)

    page.get_by_role("button", name="Reset zoom").click()
    expect(page.locator("#past-charts")).to_have_attribute("data-bucket", "1800")
    assert re.search(r"\?range=7d&zone=utc$", page.url)


@pytest.mark.servers
def test_an_incident_whose_end_was_not_written_is_not_called_open(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/press-40;site=a?range=7d")
    expect(page.locator("#past-marks li")).to_contain_text("incident 1: s2 100 % high, its end is not recorded")
    page.locator("#past-marks").get_by_role("link").click()
    expect(page.locator(".facts").first).to_contain_text("its end is not recorded")


@pytest.mark.servers
def test_a_link_shows_the_same_time_in_the_readers_zone_and_stays_while_live_data_comes_in(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/{HOT_ONE}?from={NIGHT[0]}&to={NIGHT[1]}")
    expect(page.locator("#past-says")).to_contain_text("Sat, 18 Nov 2023, 21:00:00 – Sun, 19 Nov 2023, 07:00:00")
    expect(page.locator("#past-says")).to_contain_text("times in Europe/Berlin")
    picture = page.locator("#past-charts canvas").first.evaluate("canvas => canvas.toDataURL()")
    before = plant.machine("press-07")["newest_s"]
    plant.send("press-07", press(30, 4), (MONDAY - 1_700_000_000 * SECOND) // SECOND + 60)
    assert plant.machine("press-07")["newest_s"] > before
    expect(page.locator(".machine-bar")).to_contain_text("01:01:29")
    assert shown(page) == NIGHT
    assert page.locator("#past-charts canvas").first.evaluate("canvas => canvas.toDataURL()") == picture
    page.get_by_role("button", name="UTC").click()
    expect(page.locator("#past-says")).to_contain_text("Sat, 18 Nov 2023, 20:00:00 – Sun, 19 Nov 2023, 06:00:00")
    page.reload()
    expect(page.locator("#past-says")).to_contain_text("Sat, 18 Nov 2023, 20:00:00 – Sun, 19 Nov 2023, 06:00:00")

    page.get_by_role("button", name="1 h").click()
    expect(page.locator("#past-says")).to_contain_text("00:01:30")
    plant.send("press-07", press(30, 4), (MONDAY - 1_700_000_000 * SECOND) // SECOND + 120)
    expect(page.locator("#past-says")).to_contain_text("00:02:30")
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#charts")).to_be_visible()
    expect(page.locator("#past")).to_be_hidden()
    assert page.url.endswith("?zone=utc")


@pytest.mark.servers
def test_a_time_of_ones_own_is_asked_for_in_the_zone_that_is_shown_and_moved_with_the_keyboard(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/{HOT_ONE}?zone=utc")
    page.get_by_role("button", name="Custom …").click()
    expect(page.locator("dialog")).to_contain_text("In UTC.")
    page.get_by_label("From").fill("2023-11-19T03:00")
    page.get_by_label("To", exact=True).fill("2023-11-19T02:00")
    page.locator("dialog").get_by_role("button", name="Show").click()
    expect(page.locator("dialog").get_by_role("alert")).to_have_text("The beginning is not before the end.")
    page.get_by_label("From").fill("2023-11-19T01:00")
    page.get_by_label("To", exact=True).fill("2023-11-19T03:00")
    page.locator("dialog").get_by_role("button", name="Show").click()
    charts = page.locator("#past-charts")
    own = FRIDAY // SECOND + 49 * 3600
    expect(charts).to_have_attribute("data-from", str(own))
    for button, begin, length in (
        ("Zoom out", -3600, 4),
        ("Later", 3600, 4),
        ("Zoom in", 7200, 2),
        ("Earlier", 3600, 2),
    ):
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")
        expect(charts).to_have_attribute("data-from", str(own + begin))
        expect(charts).to_have_attribute("data-to", str(own + begin + length * 3600))
    page.get_by_role("button", name="Reset zoom").click()
    expect(charts).to_have_attribute("data-from", str(own))
    page.goto(f"{plant.url}/#/machines/{HOT_ONE}?from=1000&to=2000")
    expect(page.locator("#past-says")).to_contain_text("nothing is recorded of this time")


@pytest.mark.servers
def test_an_incident_has_a_page_with_what_happened_who_is_to_blame_and_others_like_it(plant, page: Page):
    page.goto(f"{plant.url}/#/incidents")
    page.get_by_role("link", name="incident 4 of press-07").click()
    expect(page.get_by_role("heading", name="press-07, incident 4")).to_be_visible()
    assert page.url.endswith("#/incidents/press-07;site=a/4")
    expect(page.locator(".facts").first).to_contain_text("closed: alarm cleared")
    page.get_by_role("button", name="UTC").click()
    expect(page.locator("#blamed tr").first).to_contain_text("s1")
    row = page.locator("#blamed tr").first.inner_text()
    assert re.search(r"81 %\s+high\s+7\d.*5\d.*5\d.* … 5\d.*Sun, 19 Nov 2023, 0[23]:", row, re.S)
    steps = page.locator("#timeline li")
    expect(steps).to_have_text(
        [
            re.compile("02:13:00.*opened as warning"),
            re.compile("02:16:00.*severity is now critical"),
            re.compile("02:20:00.*anna acknowledged"),
            re.compile("03:50:00.*closed, alarm cleared"),
            re.compile("07:40:00.*anna labelled it: bearing"),
        ]
    )
    expect(page.locator("#similar tr")).to_have_count(2)
    expect(page.locator("#similar tr").first).to_contain_text("press-07, incident 3")
    begin, end = shown(page)
    assert begin < HOT / SECOND - 1800
    assert end > COLD / SECOND + 1800
    page.wait_for_function(
        "new Set(new Uint32Array(document.querySelector('#past-charts canvas').getContext('2d')"
        ".getImageData(0, 0, 600, 100).data.buffer)).size > 3"
    )
    found = json.loads(saved(page, "Export incident (JSON)").read_text())
    assert (found["machine"], found["number"], found["kind"]) == ("press-07", "4", "press")
    rows = list(csv.DictReader(saved(page, "Export incident (CSV)").read_text().splitlines()))
    assert [row["record"] for row in rows].count("sensor") == 2
    assert [row["what"] for row in rows if row["by"] == "anna"] == ["ack", "label bearing"]
    page.locator("#similar").get_by_role("link", name="press-10, incident 2").click()
    expect(page.get_by_role("heading", name="press-10, incident 2")).to_be_visible()
    page.goto(f"{plant.url}/#/incidents/press-07;site=a/99")
    expect(page.get_by_text("There is no such incident (any more).")).to_be_visible()


@pytest.mark.servers
def test_an_incident_is_read_while_a_slow_database_is_asked_for_its_charts(plant, page: Page):
    page.add_init_script(late_history(7_000))
    banners = "window.banners = []; new MutationObserver(() => banners.push(banner.textContent)).observe(banner, "
    page.goto(f"{plant.url}/#/incidents/{HOT_ONE}/4")
    page.evaluate(f"const banner = document.getElementById('banner'); {banners}{{ childList: true }})")
    expect(page.locator("#blamed tr").first).to_contain_text("s1")
    expect(page.locator("#past-charts canvas").first).to_be_visible(timeout=20_000)
    assert page.evaluate("window.banners") == [], "the connection is never called lost"


@pytest.mark.servers
def test_incidents_are_found_by_what_they_are_and_those_that_began_together_are_one_group(plant, page: Page):
    page.goto(f"{plant.url}/#/incidents")
    rows = page.locator("section", has_text="Past incidents").locator("tbody tr")
    expect(rows).to_have_count(16)
    expect(page.locator("#groups li")).to_have_text(
        re.compile(r"Group 1: 12 incidents on 12 machines \(site b\) began within 2 min")
    )
    expect(rows.filter(has_text="press-40")).to_contain_text(re.compile("–.*its end is not recorded", re.DOTALL))
    page.get_by_label("Severity").select_option("critical")
    expect(rows).to_have_count(2)
    expect(page.locator("#groups li")).to_have_count(0)
    page.get_by_label("Site or other capture").select_option("site a")
    expect(rows).to_have_count(2)
    page.get_by_label("Machine's name").fill("07")
    expect(rows).to_have_count(1)
    assert page.url.endswith("#/incidents?machine=07&tag=site%3Da&severity=critical")
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Severity")).to_have_value("critical")
    page.get_by_label("State").select_option("open")
    expect(page.get_by_text("No open incident matches the filter.")).to_be_visible()
    page.get_by_role("button", name="Clear filter").click()
    expect(rows).to_have_count(16)
    assert page.url.endswith("#/incidents")


@pytest.mark.servers
def test_several_open_incidents_are_acknowledged_at_once(tmp_path, page: Page):
    table = press(HEALTHY_ROWS + 150, 2, fault=8.0)
    with Plant(tmp_path / "plant", machines=[{"kind": "press"}]) as plant:
        for name in ("press-1", "press-2", "press-3"):
            plant.send(name, table)
        page.goto(f"{plant.url}/#/incidents")
        expect(page.locator("#open .card")).to_have_count(3)
        expect(page.locator("#groups")).to_contain_text("on 3 machines (site a) began within 0 s")
        expect(page.locator("#groups")).to_contain_text("3 open")
        page.get_by_label("select incident 2 of press-2").check()
        expect(page.get_by_role("button", name="Acknowledge 1")).to_be_visible()
        page.get_by_role("button", name="Select all").click()
        page.get_by_role("button", name="Acknowledge 3").click()
        page.get_by_label("Token").fill(plant.token)
        page.get_by_label("Your name").fill("anna")
        page.locator("dialog").get_by_role("button", name="Unlock").click()
        expect(page.locator("#open .card", has_text=", acknowledged")).to_have_count(3)
        assert all(plant.machine(name)["incident"]["acknowledged"] for name in ("press-1", "press-2", "press-3"))
        page.get_by_role("link", name="incident 2", exact=True).first.click()
        expect(page.locator("#timeline")).to_contain_text("anna acknowledged")
        page.get_by_role("button", name="Label …").click()
        page.get_by_label("Fault class").fill("bearing")
        page.locator("dialog").get_by_role("button", name="Label").click()
        expect(page.locator("#timeline")).to_contain_text("anna labelled it: bearing")
        expect(page.locator("#similar tr").first).to_contain_text("incident 2")


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_past_fits_on_a_phone_in_either_scheme(plant, chromium, scheme):
    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme, is_mobile=True)
    page = context.new_page()
    for address in (f"#/machines/{HOT_ONE}?range=30d", f"#/incidents/{HOT_ONE}/4", "#/incidents?severity=critical"):
        page.goto("about:blank")
        page.goto(f"{plant.url}/{address}")
        page.wait_for_selector("main[data-ready]")
        if "past" in page.content() and "#/incidents?" not in address:
            expect(page.locator("#past-charts canvas")).to_have_count(5 if "machines" in address else 3)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
    context.close()


@pytest.mark.servers
def test_everything_that_can_be_pressed_or_filled_in_has_a_name(plant, page: Page):
    for address in (f"#/machines/{HOT_ONE}?range=7d", f"#/incidents/{HOT_ONE}/4", "#/incidents"):
        page.goto("about:blank")
        page.goto(f"{plant.url}/{address}")
        page.wait_for_selector("main[data-ready]")
        if address != "#/incidents":
            page.wait_for_selector("#past-charts canvas")
        for role in ("button", "link", "combobox", "searchbox", "checkbox"):
            assert page.get_by_role(role, name=re.compile(r"\S")).count() == page.get_by_role(role).count(), (
                address,
                role,
            )
        assert page.get_by_role("heading", level=1).count() == 1
        twice = "(ids => ids.filter((one, at) => ids.indexOf(one) !== at))"
        assert page.evaluate(f"{twice}([...document.querySelectorAll('[id]')].map(one => one.id))") == []


@pytest.mark.servers
def test_live_charts_say_of_which_time_only_some_rows_are_known(plant, page: Page):
    page.goto(f"{plant.url}/#/machines/press-08;site=b?zone=utc")
    expect(page.locator("#charts")).to_have_attribute("data-rows", re.compile(r"^\d+$"))
    table = 50 + np.random.default_rng(8).normal(size=(30, len(SENSORS)))
    plant.send("press-08", table, (MONDAY + HOUR - START) // SECOND, site="b")  # followed since it was opened
    expect(page.locator("#grey")).to_have_text(
        "Grey: only what was written, about every 5 min. From Mon, 20 Nov 2023, 01:00:00 on every row."
    )
