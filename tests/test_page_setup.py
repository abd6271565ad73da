"""Making and changing the configuration in a real browser."""

import os
import stat
import subprocess
import sys
import threading
from itertools import count

import pytest
import yaml
from plants import FirstRun, Plant
from playwright.sync_api import Page, expect
from servers import free_port

from pipeline.mqtt import Broker, Publisher


def unlocked(page: Page, token: str, button: str = "#begin") -> None:
    """The page after somebody has given this token."""
    page.locator(button).click()
    page.get_by_role("dialog").get_by_label("Token").fill(token)
    page.get_by_role("dialog").get_by_role("button", name="Unlock").click()


@pytest.mark.servers
def test_the_configuration_is_edited_checked_as_typed_saved_and_taken_over(tmp_path, tabs):
    with Plant(tmp_path / "plant") as plant:
        before = plant.path.read_text()
        page = tabs()
        page.goto(f"{plant.url}/#/configuration")
        page.get_by_role("link", name="Edit").click()
        unlocked(page, "a wrong token, long enough")
        expect(page.get_by_role("dialog")).to_contain_text("This is not the token.")
        expect(page.locator("#text")).to_have_count(0)
        page.get_by_label("Token").fill(plant.token)
        page.get_by_role("dialog").get_by_role("button", name="Unlock").click()
        text = page.locator("#text")
        expect(text).to_have_value(before)
        expect(page.locator("#verdict")).to_contain_text("the same as the file")
        expect(page.locator("#save")).to_be_disabled()

        text.fill(f"{before}limits: {{machins: 7}}\n")
        wrong = page.locator("#problems")
        expect(wrong).to_contain_text("limits.machins")
        expect(wrong).to_contain_text("did you mean machines?")
        expect(page.locator("#save")).to_be_disabled()
        wrong.get_by_role("button").click()
        assert text.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == (
            "limits: {machins: 7}"
        )

        text.fill(f"{before}limits: {{machines: 7}}\n")
        expect(page.locator("#changes .added")).to_have_text("added: + limits: {machines: 7}")
        page.locator("#save").click()
        expect(page.locator("#after")).to_contain_text("plant.yaml.1")
        assert plant.path.read_text() == f"{before}limits: {{machines: 7}}\n"
        assert plant.path.with_name("plant.yaml.1").read_text() == before
        page.locator("#restart").click()
        expect(page.locator("#machines")).to_be_attached(timeout=60_000)
        assert plant.process.poll() is None
        plant.stop()


@pytest.mark.servers
def test_two_browsers_do_not_overwrite_what_the_other_has_saved(tmp_path, tabs):
    with Plant(tmp_path / "plant") as plant:
        before = plant.path.read_text()
        pages = [tabs(), tabs()]
        for page in pages:
            page.goto(f"{plant.url}/#/setup")
            unlocked(page, plant.token)
            expect(page.locator("#text")).to_have_value(before)
        first, second = pages
        for machines, page in enumerate(pages, 7):
            page.locator("#text").fill(f"{before}limits: {{machines: {machines}}}\n")
            expect(page.locator("#save")).to_be_enabled()
        first.locator("#save").click()
        expect(first.locator("#after")).to_contain_text("Saved")
        expect(second.locator("#elsewhere")).to_contain_text("changed by someone else")
        second.locator("#save").click()
        expect(second.locator("#toasts")).to_contain_text("not saved: the file was changed by someone else")
        assert plant.path.read_text() == f"{before}limits: {{machines: 7}}\n"


@pytest.mark.servers
def test_a_stranger_sets_up_a_plant_from_live_traffic_and_sees_its_machines(tmp_path, mosquitto, tabs):
    simulate = ["simulate", "--url", mosquitto.url, "--machines", "3", "--sensors", "2", "--rate", "5"]
    command = [sys.executable, "-m", "pipeline", *simulate]
    traffic = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    page = tabs()
    try:
        with FirstRun(tmp_path) as first:
            page.goto(first.plant.url)
            expect(page.get_by_role("heading", name="Set up Spikewatch")).to_be_visible()
            headers = {"authorization": "Bearer wrong", "content_type": "application/json"}
            for step in ("broker", "listen", "heard", "database", "draft", "open", "save", "restart"):
                assert first.plant.request("POST", f"/api/setup/{step}", b"{}", **headers)[0] == 401
            unlocked(page, first.token)

            page.get_by_label("Address").first.fill(f"mqtt://127.0.0.1:{free_port()}")
            page.locator("#test-broker").click()
            expect(page.locator("#step-broker .said")).to_contain_text("refused", timeout=20_000)
            expect(page.locator("#step-traffic")).to_be_hidden()
            page.get_by_label("Address").first.fill(mosquitto.url)
            page.locator("#test-broker").click()
            expect(page.locator("#step-broker .said")).to_contain_text("Connected", timeout=20_000)

            page.get_by_label("Seconds").fill("6")
            page.locator("#listen").click()
            expect(page.locator("#heard-machines tr")).to_have_count(3, timeout=30_000)
            expect(page.locator(".source input[type=text]")).to_have_value("plant/{machine}")
            expect(page.locator("#step-traffic .said")).to_contain_text("messages heard", timeout=30_000)
            assert not (tmp_path / "spikewatch.yaml").exists()

            page.get_by_label("Unit of vibration").fill("mm/s")
            page.get_by_label("Limit of vibration").fill("7.1")
            page.locator("#review").click()
            expect(page.locator("#verdict")).to_have_text("● Valid")
            page.locator("#save").click()
            expect(page.locator("#machines .machine")).to_have_count(3, timeout=60_000)
            assert first.process.poll() is None
            written = yaml.safe_load((tmp_path / "spikewatch.yaml").read_text())
            assert written["mqtt"]["url"] == mosquitto.url
            assert written["mqtt"]["sources"][0]["topic"] == "plant/{machine}"
            assert written["machines"] == [{"match": "*", "sensors": {"vibration": {"unit": "mm/s", "limit": 7.1}}}]
            assert stat.S_IMODE((tmp_path / "spikewatch.yaml").stat().st_mode) == 0o600
    finally:
        traffic.kill()
        traffic.wait()


@pytest.mark.servers
def test_the_steps_say_what_is_true_now_and_keep_what_was_typed(tmp_path, mosquitto, tabs):
    page, over = tabs(), threading.Event()

    def publish():
        with Publisher(Broker.of(mosquitto.url, client_id="hall")) as publisher:
            for value in count():
                publisher.publish("hall/press-1/temp", str(20 + value % 7).encode())
                publisher.publish("hall/press-1/vibration", str(value % 5 / 10).encode())
                publisher.drain()
                if over.wait(0.2):
                    return

    traffic = threading.Thread(target=publish)
    traffic.start()
    try:
        with FirstRun(tmp_path) as first:
            page.goto(first.plant.url)
            unlocked(page, first.token)
            said = page.locator("#step-broker .said")
            page.get_by_label("Address").first.fill(mosquitto.url)
            page.locator("#unlock").click()  # locks
            page.locator("#test-broker").click()
            expect(said).to_have_text("▲ this needs the token: press Unlock above")
            unlocked(page, first.token, "#unlock")
            page.locator("#test-broker").click()
            expect(said).to_contain_text("Connected")
            page.get_by_label("Address").first.fill("mqtt://127.0.0.1:1")
            expect(said).to_have_text("")
            expect(page.locator("#step-traffic")).to_be_hidden()
            page.get_by_label("Address").first.fill(mosquitto.url)
            page.locator("#test-broker").click()
            expect(said).to_contain_text("Connected")

            heard = page.locator("#step-traffic .said")
            page.get_by_label("Seconds").fill("2")
            for topic in ("hall/#", "hall/+/temp", "hall/#"):
                page.get_by_label("Topics", exact=False).first.fill(topic)
                page.locator("#listen").click()
                expect(heard).to_contain_text("Listening")
                expect(heard).to_contain_text("messages heard", timeout=20_000)
                expect(page.locator("#sensors tr")).to_have_count(1 if "temp" in topic else 2)
                unit = page.get_by_label("Unit of vibration")
                if topic == "hall/#" and not unit.input_value():
                    unit.fill("mm/s")
            expect(unit).to_have_value("mm/s")

            page.locator("#listen").click()
            expect(heard).to_contain_text("Listening")
            said_by_a_new_start = {"error": "nothing is listened to yet"}
            page.route("**/api/setup/heard", lambda route: route.fulfill(status=409, json=said_by_a_new_start))
            expect(heard).to_have_text("▲ nothing is listened to yet: press Listen again.")
            page.unroute_all(behavior="ignoreErrors")
            expect(page.locator("#live")).to_have_text("not set up")
    finally:
        over.set()
        traffic.join()


@pytest.mark.servers
def test_a_file_that_cannot_be_opened_is_told_once_and_opened_as_soon_as_it_can_be(tmp_path, tabs):
    with Plant(tmp_path / "plant") as plant:
        page, text = tabs(), plant.path.read_bytes()
        plant.path.write_bytes(b"# \xff")
        page.goto(f"{plant.url}/#/setup")
        unlocked(page, plant.token)
        told = page.locator("#setup").get_by_role("alert")
        expect(told).to_contain_text("The file cannot be opened")
        with page.expect_response("**/api/setup/open"):
            pass
        expect(told).to_have_count(1)
        expect(page.locator("#toasts *")).to_have_count(0)
        plant.path.write_bytes(text)
        expect(page.locator("#text")).to_have_value(text.decode())
