"""A password or token is shown nowhere: not by logs, errors, commands, crash reports or files."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from servers import Mosquitto, passwords, until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.file import load
from pipeline.config.settings import Config, ConfigError, InfluxDB, Mqtt, Secret, read_secret
from pipeline.console.configuration import described
from pipeline.mqtt import Broker, Publisher
from pipeline.records import Point
from pipeline.service.connections import broker_of, open_sink
from pipeline.sinks import SinkError

MQTT_CANARY, INFLUX_CANARY = "canary-of-mqtt-K7", "canary-of-influx-Q9"
POINT = Point("machine", (), {"score": 0.5}, 1)


def shown(text: str | bytes) -> list[str]:
    """Canaries in a text, plain or as HTTP sends them."""
    whole = text if isinstance(text, bytes) else text.encode()
    plain = [MQTT_CANARY, INFLUX_CANARY]
    sent = [base64.b64encode(f"spikewatch:{canary}".encode()).decode() for canary in plain]
    return [canary for canary in (*plain, *sent) if canary.encode() in whole]


class Echo(BaseHTTPRequestHandler):
    """A proxy that refuses and sends back what it was sent, as debugging ones do."""

    def do_POST(self) -> None:
        body = f"no entrance with {self.headers['Authorization']}".encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


INFLUX = {"token": {"bucket": "machines"}, "password": {"database": "machines", "username": "spikewatch"}}


@pytest.mark.parametrize("kind", INFLUX)
def test_no_object_that_holds_a_secret_shows_it_nor_does_the_error_of_a_database_that_sends_it_back(
    kind: str, echo: str
):
    environ = {"M": MQTT_CANARY, "I": INFLUX_CANARY}
    influx = InfluxDB(url=echo, **INFLUX[kind], **{kind: Secret(env="I")})
    config = Config(mqtt=Mqtt(url="mqtt://127.0.0.1", username="me", password=Secret(env="M")), influxdb=influx)
    broker, sink = broker_of(config, environ, "me"), open_sink(config, environ)
    assert broker.password == MQTT_CANARY
    with pytest.raises(SinkError, match=r"401 .*no entrance with .*\*\*\*") as caught:
        sink.write([POINT])
    secret = read_secret(Secret(env="M"), environ)
    texts = [repr(config), str(config), repr(broker), str(broker), f"{broker}", repr(vars(sink).get("_client"))]
    texts += [str(caught.value), repr(caught.value), repr(secret), repr([secret])]
    assert not shown("".join(texts))
    sink.close()


@pytest.mark.parametrize("text", ["canary\nof two lines", "canary\x00", "canary\x7f"])
def test_a_secret_that_a_library_would_quote_in_its_error_is_refused_without_being_shown(text: str):
    with pytest.raises(ConfigError, match="the secret in A holds a line break") as caught:
        read_secret(Secret(env="A"), {"A": text})
    assert "canary" not in str(caught.value)


def test_a_password_may_hold_any_character_and_a_token_those_of_tokens(tmp_path: Path, echo: str):
    config = Config(influxdb=InfluxDB(url=echo, **INFLUX["password"], password=Secret(env="I")))
    sink = open_sink(config, {"I": "pässword€"})
    with pytest.raises(SinkError, match="401"):
        sink.write([POINT])
    sink.close()
    path = tmp_path / "config.yaml"
    for place, content in (
        ("influxdb", {"influxdb": {"url": echo, "bucket": "b", "token": {"env": "I"}}}),
        (r"notify\[0\]", {"notify": [{"name": "hook", "webhook": echo, "token": {"env": "I"}}]}),
    ):
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=rf"{place}\.token: holds a character that no token has") as caught:
            load(path, {"I": "töken€"})
        assert "töken" not in str(caught.value)


# Everything every library has to say, and at the end a crash with a traceback.
LOUD = """
import logging, sys, threading
from pipeline import cli
from pipeline.service import service

def loud():
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, force=True)
    logging.debug("everything")

def crash(self, messages, stop):
    raise RuntimeError("a crash")

cli.serving.set_up_logs = loud
if "crash" in sys.argv:
    sys.argv.remove("crash")
    service.Service._process = crash
cli.main()
"""


@pytest.mark.servers
@pytest.mark.parametrize("kind", INFLUX)
def test_a_canary_appears_in_no_log_no_command_s_output_no_crash_report_no_argument_and_no_file(
    kind: str, tmp_path: Path, echo: str
):
    with Mosquitto(tmp_path / "mosquitto", listener=passwords(tmp_path, {"spikewatch": MQTT_CANARY})) as broker:
        (tmp_path / "secret").write_text(MQTT_CANARY if kind == "token" else INFLUX_CANARY)
        secrets = [{"file": str(tmp_path / "secret")}, {"env": "CANARY"}]
        mqtt, influx = secrets if kind == "token" else secrets[::-1]
        settings = {
            "data": str(tmp_path / "data"),
            "mqtt": {"url": broker.url, "username": "spikewatch", "password": mqtt},
            "influxdb": {"url": echo, **INFLUX[kind], kind: influx},
            "emit": {"every": "0s"},
        }
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(settings))
        environ = {**os.environ, "CANARY": INFLUX_CANARY if kind == "token" else MQTT_CANARY}
        log = tmp_path / "service.log"

        def start(*options: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", LOUD, "run", "--config", str(config), *options]
            begun = log.read_text().count("mqtt.connected") if log.exists() else 0
            with log.open("ab") as output:
                process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
            until(lambda: log.read_text().count("mqtt.connected") > begun, "connected", 120)
            return process

        def publish() -> None:
            address = Broker.of(
                broker.url, client_id="tester", protocol=4, username="spikewatch", password=MQTT_CANARY
            )
            with Publisher(address) as publisher:
                publisher.publish("plant/press-1/temp", b"1")
                publisher.publish("plant/press-1/temp", b"not a number")
                publisher.drain()

        process = start()
        publish()
        until(lambda: "delivery.away" in log.read_text(), "the database refuses us", 60)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process = start("crash")
        publish()
        assert process.wait(30) == 1
        (tmp_path / "wrong").write_text("not " + MQTT_CANARY)
        settings["mqtt"] = {**settings["mqtt"], "password": {"file": str(tmp_path / "wrong")}}
        config.write_text(yaml.safe_dump(settings))
        with log.open("ab") as output:
            command = [sys.executable, "-c", LOUD, "run", "--config", str(config)]
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
        until(lambda: "mqtt.away" in log.read_text(), "the broker refuses us", 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    said = log.read_text()
    assert "RuntimeError: a crash" in said
    assert "Traceback" in said
    assert "DEBUG:root:everything" in said
    assert "401" in said
    assert "***" in said
    assert not shown(said)
    assert not shown(arguments)
    for command in (["check"], ["check", "--json"], ["machines", "--json"]):
        whole = [sys.executable, "-m", "pipeline", *command, "--config", str(config)]
        done = subprocess.run(whole, capture_output=True, env=environ, check=True)
        assert not shown(done.stdout + done.stderr)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if shown(path.read_bytes())]


URLS = {
    "mqtt": f"mqtt: {{url: 'mqtts://me:{MQTT_CANARY}@broker'}}",
    "mqtt with a query": f"mqtt: {{url: 'mqtts://broker?password={MQTT_CANARY}'}}",
    "influxdb": f"influxdb: {{url: 'http://h/?u=admin&p={INFLUX_CANARY}', database: machines}}",
    "a list": f"influxdb: {{url: ['http://admin:{INFLUX_CANARY}@h'], database: machines}}",
    "a token in its place": f"influxdb: {{url: 'https://h', bucket: b, token: {{env: {INFLUX_CANARY}}}}}",
    "a folder": f"data: mqtt://me:{MQTT_CANARY}@broker",
}


@pytest.mark.parametrize("text", URLS.values(), ids=URLS)
def test_a_password_written_into_a_url_is_refused_by_every_command_and_shown_by_none(text: str, tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(f"{text}\nconsole: {{enabled: false}}\n")
    (tmp_path / "press.csv").write_text("time,a\n2026-01-01,1\n")
    table = str(tmp_path / "press.csv")
    commands = [
        *(["check"], ["check", "--json"], ["run"], ["machines"], ["ageing"], ["doctor"], ["tap"], ["simulate"]),
        *(["replay", table], ["score", table, "--out", "x"], ["tune"], ["tell", "press", "normal"]),
        *(["prior", "--out", "x"], ["journal", "stats"], ["evaluate", table, "--label-column", "a"]),
    ]
    for command in commands:
        done = CliRunner().invoke(app, [*command, "--config", str(config)])
        assert done.exit_code == 2, (command, done.output)
        assert f"{config}:1: " in done.output or "config.yaml" in json.loads(done.stdout)["problems"][0]["file"]
        assert not shown(done.output)
    told = described(config, {}, running=False)
    assert len(told["problems"]) == 1
    assert not shown(json.dumps(told))
