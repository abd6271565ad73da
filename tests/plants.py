"""A plant for tests of the console: a real broker, the real service as a process, and machines that publish to it."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import yaml
from machines import SECOND, START, machine_with_modes
from servers import Mosquitto, free_port, until

from pipeline.mqtt import Broker, Publisher

MESSAGE_ROWS = 50


class Plant:
    """One service, its console and its machines; usable as `with Plant(folder) as plant:`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.broker = Mosquitto(folder / "mosquitto")
        self.port = free_port()
        self.path = folder / "plant.yaml"
        self.settings = {
            "data": str(folder / "data"),
            "mqtt": {
                "url": self.broker.url,
                "sources": [{"topic": "plant/{site}/{machine}", "payload": "json", "time": "time"}],
            },
            "console": {"port": self.port},
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    @property
    def token(self) -> str:
        path = self.folder / "data" / "console.token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return path.read_text().strip()

    def start(self) -> None:
        """Start the service and wait until it is subscribed."""
        self.path.write_text(yaml.safe_dump(self.settings))
        self.start_anyhow()
        until(lambda: "mqtt.connected" in self.log, "the service is subscribed", 120)

    def start_anyhow(self) -> None:
        """Start the service with the file as it is, and wait for nothing."""
        with (self.folder / "service.log").open("wb") as output:
            command = [sys.executable, "-m", "pipeline", "run", "--config", str(self.path)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ)

    def stop(self) -> int:
        """End the service in order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.process = None
        return code

    def __enter__(self) -> Self:
        self.broker.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.broker.stop()

    def send(self, machine: str, table: Any, first: int = 0, site: str = "a") -> None:
        """Publish rows, a second apart, of which the first is number `first`, and wait until they are scored."""
        self.publish(f"plant/{site}/{machine}", table, first)
        newest_s = (START + (first + len(table) - 1) * SECOND) / 1e9
        until(lambda: self.machine(machine, site).get("newest_s", 0) >= newest_s - 1.5, f"{machine} is scored", 60)

    def publish(self, topic: str, table: Any, first: int = 0) -> None:
        """The same to any topic, without waiting for scores."""
        rows = [
            {"time": START + (first + at) * SECOND, **{f"s{sensor}": value for sensor, value in enumerate(row)}}
            for at, row in enumerate(table.tolist())
        ]
        with Publisher(Broker.of(self.broker.url, client_id=f"sender-{uuid4()}", protocol=4)) as publisher:
            for at in range(0, len(rows), MESSAGE_ROWS):
                publisher.publish(topic, json.dumps(rows[at : at + MESSAGE_ROWS]).encode())
            publisher.drain()

    def get(self, path: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers of an answer."""
        return self.request("GET", path, None, **headers)

    def request(self, method: str, path: str, body: bytes | None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """The same of any request; `_` in the name of a header stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = urllib.request.Request(self.url + path, body, named, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
                text, status, got = answer.read(), answer.status, answer.headers
        except urllib.error.HTTPError as error:
            text, status, got = error.read(), error.code, error.headers
        content = json.loads(text) if "json" in got.get("content-type", "") else text.decode()
        return status, content, {name.lower(): value for name, value in got.items()}

    def machine(self, name: str, site: str = "a") -> dict[str, Any]:
        """One machine."""
        status, content, _ = self.get(f"/api/machines/{name};site={site}")
        return content if status == 200 else {}

    def tell(self, name: str, verb: str, argument: str = "", **headers: str) -> tuple[int, Any]:
        """Say something to a machine of site a, with the token unless told otherwise."""
        said = {"content_type": "application/json", "authorization": f"Bearer {self.token}", **headers}
        body = json.dumps({"verb": verb, "argument": argument, "by": "anna"}).encode()
        status, content, _ = self.request("POST", f"/api/machines/{name};site=a/command", body, **said)
        return status, content


class FirstRun:
    """`spikewatch run` in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plant = Plant(folder / "unused")
        self.log = folder / "run.log"
        with self.log.open("wb") as output:
            command = [sys.executable, "-m", "pipeline", "run"]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environment)
        until(lambda: "setup url=" in self.log.read_text(), "the page is served", 60)
        self.plant.port = int(self.log.read_text().partition("setup url=http://127.0.0.1:")[2].split()[0])

    @property
    def token(self) -> str:
        return (self.folder / "spikewatch-data" / "console.token").read_text().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


HEALTHY_ROWS = 1500


def press(rows: int, seed: int, fault: float = 0.0) -> Any:
    """A machine of four sensors; from row HEALTHY_ROWS on its second is off by `fault`."""
    table = machine_with_modes(rows, 4, seed)
    table[HEALTHY_ROWS:, 1] += fault
    return table


def late_history(delay_ms: int) -> str:
    """A script for a page, to which the database seems slow: real answers about the past, asked for later."""
    return f"""{{
      const ask = window.fetch;
      window.fetch = async (path, options) => {{
        if (path.includes("/history?")) await new Promise((resolve) => setTimeout(resolve, {delay_ms}));
        return ask(path, options);
      }};
    }}"""
