"""A stranger's first hour, by commands or in a browser: from live traffic to an alarm that was answered."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Locator, Page, expect
from receivers import Receiver
from servers import InfluxDB, Mosquitto, free_port, program, until


def spikewatch(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """One command, to its end."""
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


class Background:
    """A command that runs until it is stopped."""

    def __init__(self, *arguments: str, folder: Path, name: str) -> None:
        self.log_path = folder / f"{name}.log"
        with self.log_path.open("wb") as output:
            command = [sys.executable, "-m", "pipeline", *arguments]
            self._process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


PLANT = ("simulate", "--machines", "3", "--sensors", "4", "--rate", "40")
BROKEN = ("--fault", "bearing", "--machine", "press-02", "--after", "15s")


@pytest.mark.servers
def test_from_live_traffic_to_an_alarm_that_was_answered(
    tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB, page
):
    plant = (*PLANT, "--url", mosquitto.url)
    with Background(*plant, folder=tmp_path, name="plant"):
        # init: from what is heard to a configuration that check accepts.
        told = spikewatch("init", "--url", mosquitto.url, "--seconds", "4", folder=tmp_path)
        assert told.returncode == 0, told.stderr
        path = tmp_path / "plant.yaml"
        assert "{machine}" in path.read_text()
        told = spikewatch("check", "--config", "plant.yaml", folder=tmp_path)
        assert told.returncode == 0, told.stderr
        tapped = spikewatch("tap", "--config", "plant.yaml", "--count", "20", "--json", folder=tmp_path)
        assert tapped.returncode == 0, tapped.stderr
        assert "press-02" in tapped.stdout
    tree = yaml.safe_load(path.read_text())
    port = free_port()
    tree |= {
        "influxdb": {"url": influxdb.url, "database": "machines"},
        "console": {"port": port},
        "emit": {"every": "1s"},
    }
    path.write_text(yaml.safe_dump(tree))
    assert spikewatch("check", "--config", "plant.yaml", folder=tmp_path).returncode == 0

    with (
        Background("run", "--config", "plant.yaml", folder=tmp_path, name="run") as service,
        subprocess.Popen(
            [program("mosquitto_sub"), "-p", str(mosquitto.port), "-t", "spikewatch/#", "-v"],
            stdout=subprocess.PIPE,
            text=True,
        ) as ears,
    ):
        until(lambda: "mqtt.connected" in service.log, "the service is subscribed", 120)
        with Background(*plant, *BROKEN, folder=tmp_path, name="broken") as machine:
            until(lambda: incidents_of(influxdb, "press-02"), "the incident is in InfluxDB", 90)
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.get_by_text("press-02").first).to_be_visible(timeout=10_000)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/machines", timeout=10) as answer:
                listed = {one["name"]: one for one in json.load(answer)["machines"]}
            assert listed["press-02"]["incident"] is not None
            said = spikewatch("tell", "press-02", "ack", "--by", "anna", "--config", "plant.yaml", folder=tmp_path)
            assert said.returncode == 0, said.stderr
            until(lambda: attended(influxdb, "press-02"), "that it is acknowledged is in InfluxDB")
            said_by = [("ack", "", "anna", "cli")]
            until(lambda: audit(influxdb, "press-02") == said_by, "who said it is in InfluxDB")
            looked = spikewatch(
                "doctor", "--config", "plant.yaml", "--listen", "2", "--probe", "0", "--json", folder=tmp_path
            )
            assert looked.returncode in (0, 1), looked.stderr
            assert {"broker", "database"} <= {finding["subject"] for finding in json.loads(looked.stdout)}
            assert machine.stop() == 0
        assert service.stop() == 0
        os.kill(ears.pid, signal.SIGTERM)
        heard = ears.stdout.read() if ears.stdout else ""
    assert "spikewatch/press-02/incident {" in heard
    assert "spikewatch/press-02/state {" in heard


def incidents_of(influxdb: InfluxDB, machine: str) -> list[dict[str, object]]:
    return influxdb.query(f"SELECT phase, cause FROM incident WHERE machine = '{machine}'", "machines")


def attended(influxdb: InfluxDB, machine: str) -> bool:
    rows = influxdb.query(f"SELECT acknowledged, phase FROM incident WHERE machine = '{machine}'", "machines")
    return any(row["acknowledged"] for row in rows)


def audit(influxdb: InfluxDB, machine: str) -> list[tuple[object, ...]]:
    rows = influxdb.query(f"SELECT verb, argument, \"by\", via FROM command WHERE machine = '{machine}'", "machines")
    return [(row["verb"], row["argument"], row["by"], row["via"]) for row in rows]


class Stranger:
    """Somebody at a browser, whose clicks and fields are counted; how long each step took is told."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = self.fields = 0
        self._since = time.monotonic()

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def fill(self, what: Locator, text: str) -> None:
        what.fill(text)
        self.fields += 1

    def choose(self, what: Locator, value: str) -> None:
        what.select_option(value)
        self.fields += 1

    def unlock(self, token: str) -> None:
        self.fill(self.page.get_by_label("Token"), token)
        self.click(self.page.get_by_role("dialog").get_by_role("button", name="Unlock"))

    def done(self, step: str) -> None:
        now = time.monotonic()
        print(f"{step}: {now - self._since:.1f} s; {self.clicks} clicks, {self.fields} fields")  # noqa: T201
        self._since = now


@pytest.mark.servers
def test_in_the_browser_from_no_configuration_to_an_alarm_that_was_told_and_answered(
    tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB, receiver: Receiver, page: Page
):
    plant = (*PLANT, "--url", mosquitto.url)
    somebody = Stranger(page)
    with Background("run", folder=tmp_path, name="run") as service:
        with Background(*plant, folder=tmp_path, name="plant"):
            until(lambda: "setup url=" in service.log, "the page is served", 60)
            url = service.log.partition("setup url=")[2].split()[0]
            page.goto(url)
            somebody.click(page.locator("#begin"))
            somebody.unlock((tmp_path / "spikewatch-data" / "console.token").read_text().strip())
            somebody.fill(page.get_by_label("Address").first, mosquitto.url)
            somebody.click(page.locator("#test-broker"))
            expect(page.locator("#step-broker .said")).to_contain_text("Connected", timeout=20_000)
            somebody.done("broker")

            somebody.click(page.locator("#listen"))
            expect(page.locator("#heard-machines tr")).to_have_count(3, timeout=30_000)
            expect(page.locator("#heard-machines")).to_contain_text("vibration = ")
            somebody.done("preview")

            somebody.choose(page.locator("[name=database-kind]"), "database")
            somebody.fill(page.locator("[name=database-url]"), influxdb.url)
            somebody.click(page.locator("#test-database"))
            expect(page.locator("#step-database .said")).to_contain_text("accepts a point", timeout=20_000)
            somebody.done("database")

            somebody.click(page.locator("#review"))
            expect(page.locator("#verdict")).to_have_text("● Valid")
            somebody.click(page.locator("#save"))
            expect(page.locator("#machines .machine")).to_have_count(3, timeout=60_000)
            somebody.done("saved and started")

            somebody.click(page.get_by_role("link", name="Configuration"))
            somebody.click(page.get_by_role("link", name="Edit"))
            text = page.locator("#text")
            channel = f"notify:\n  - name: fitters\n    webhook: {receiver.url}\n"
            somebody.fill(text, text.input_value() + channel)
            somebody.click(page.locator("#save"))
            expect(page.locator("#after")).to_contain_text("Saved")
            somebody.click(page.locator("#restart"))
            expect(page.locator("#machines .machine")).to_have_count(3, timeout=60_000)
            somebody.done("told whom to notify, and restarted")

        with Background(*plant, *BROKEN, folder=tmp_path, name="broken"):
            until(lambda: [one for one in receiver.titles if "press-02" in one], "somebody is notified", 120)
            [(_, told)] = [one for one in receiver.got if "press-02" in one[1]["title"]][:1]
            assert told["news"][0]["event"] == "opening"
            assert incidents_of(influxdb, "press-02")
            somebody.done("first incident, with its notification")

            somebody.click(page.get_by_role("link", name="Machines"))
            somebody.click(page.get_by_role("link", name="press-02"))
            somebody.click(page.get_by_role("button", name="Acknowledge"))
            somebody.click(page.get_by_role("button", name="Label …"))
            somebody.fill(page.get_by_label("Fault class"), "bearing")
            somebody.click(page.get_by_role("dialog").get_by_role("button", name="Label"))
            expect(page.locator("#incident")).to_contain_text("bearing, confidence 100 %")
            until(lambda: attended(influxdb, "press-02"), "that it is acknowledged is in InfluxDB")
            said = [("ack", "", "", "http"), ("label", "bearing", "", "http")]
            until(lambda: audit(influxdb, "press-02") == said, "what was said is in InfluxDB")
            somebody.done("answered")
        assert service.stop() == 0
    assert somebody.clicks <= 16
    assert somebody.fields <= 6
