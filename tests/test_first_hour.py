"""A stranger's first hour, with the commands a stranger types: from live traffic to an answered alarm."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect
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


@pytest.mark.servers
def test_from_live_traffic_to_an_alarm_that_was_answered(
    tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB, page
):
    plant = ("simulate", "--url", mosquitto.url, "--machines", "3", "--sensors", "4", "--rate", "40")
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

    broken = (*plant, "--fault", "bearing", "--machine", "press-02", "--after", "15s")
    with (
        Background("run", "--config", "plant.yaml", folder=tmp_path, name="run") as service,
        subprocess.Popen(
            [program("mosquitto_sub"), "-p", str(mosquitto.port), "-t", "spikewatch/#", "-v"],
            stdout=subprocess.PIPE,
            text=True,
        ) as ears,
    ):
        until(lambda: "mqtt.connected" in service.log, "the service is subscribed", 120)
        with Background(*broken, folder=tmp_path, name="broken") as machine:
            until(lambda: incidents_of(influxdb, "press-02"), "the incident is in InfluxDB", 90)
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.get_by_text("press-02").first).to_be_visible(timeout=10_000)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/machines", timeout=10) as answer:
                listed = {one["name"]: one for one in json.load(answer)["machines"]}
            assert listed["press-02"]["incident"] is not None
            said = spikewatch("tell", "press-02", "ack", "--by", "anna", "--config", "plant.yaml", folder=tmp_path)
            assert said.returncode == 0, said.stderr
            until(lambda: attended(influxdb, "press-02"), "that it is acknowledged is in InfluxDB")
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
    audit = influxdb.query("SELECT verb, \"by\", via FROM command WHERE machine = 'press-02'", "machines")
    assert [(row["verb"], row["by"], row["via"]) for row in audit] == [("ack", "anna", "cli")]


def incidents_of(influxdb: InfluxDB, machine: str) -> list[dict[str, object]]:
    return influxdb.query(f"SELECT phase, cause FROM incident WHERE machine = '{machine}'", "machines")


def attended(influxdb: InfluxDB, machine: str) -> bool:
    rows = influxdb.query(f"SELECT acknowledged, phase FROM incident WHERE machine = '{machine}'", "machines")
    return any(row["acknowledged"] for row in rows)
