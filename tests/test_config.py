"""The configuration: what loads, and what a person is told where it does not."""

import json
import os
import re
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.file import MOST_BYTES, MOST_VALUES, _Reader, load
from pipeline.config.prior_file import write_prior
from pipeline.config.settings import (
    Config,
    ConfigError,
    MachineRule,
    Mqtt,
    NoConfigError,
    Secret,
    Sensor,
    duration_ns,
    match_rule,
    read_secret,
    unix_ns,
)
from pipeline.network.prior import Prior

EXAMPLE = Path(__file__).parents[1] / "deploy" / "spikewatch.example.yaml"
ENVIRON = {
    "MQTT_PASSWORD": "hunter2",
    "UPSTREAM_PASSWORD": "hunter4",
    "CONSOLE_TOKEN": "a-token-of-the-plant",
    "INFLUX_TOKEN": "hunter3",
    "NOTIFY_FITTERS": "mailto://user:hunter4@mail.plant",
    "CMMS_TOKEN": "hunter5",
}


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    return tmp_path / "plant.yaml"


def problems(path: Path, text: str) -> list[str]:
    """What `load` says about a file, without the folder."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    assert "hunter" not in str(caught.value)
    return [str(problem).replace(f"{path}", path.name) for problem in caught.value.problems]


def certificate(folder: Path, *options: str) -> None:
    """client.pem with client.key, and ca.pem, which is the same; options are openssl's, for the key."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=client", *(options or ["-nodes"])]
    command += ["-keyout", "client.key", "-out", "client.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "client.pem").read_bytes())


def test_no_file_is_the_defaults() -> None:
    assert load(None, {}) == Config()


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n", "mqtt:\nlimits:\n", "machines: []\n", "\ufeff"])
def test_a_file_without_content_is_the_defaults(plant: Path, text: str) -> None:
    plant.write_text(text)
    assert load(plant, {}) == Config()


def test_the_defaults_pass_their_own_checks(plant: Path) -> None:
    plant.write_bytes(msgspec.yaml.encode(Config()))
    assert load(plant, {}) == Config()


def test_the_example_loads_and_is_the_defaults_apart_from_what_it_adds() -> None:
    config = load(EXAMPLE, {})
    assert config.mqtt.sources[:2] == Mqtt().sources
    plain = msgspec.structs.replace(
        config, machines=(), mqtt=msgspec.structs.replace(config.mqtt, sources=Mqtt().sources)
    )
    assert plain == Config()


def test_the_example_loads_with_every_setting_taken_in(plant: Path, tmp_path: Path) -> None:
    text = re.sub(r"(?m)^( *)#(?=(?:  )*(?:- )?\w+:(?: |$))", r"\1", EXAMPLE.read_text())
    certificate(tmp_path)
    known = Prior(("press-1",), ("a",), np.eye(3)[None, None], np.ones(1), np.ones(1), np.ones((1, 4)), np.zeros(1))
    write_prior(tmp_path / "press.prior.json", known)
    plant.write_text(text.replace("/etc/spikewatch", str(tmp_path)))
    config = load(plant, ENVIRON)
    assert config.mqtt.password == Secret(env="MQTT_PASSWORD")
    assert config.mqtt.tls.key == str(tmp_path / "client.key")
    assert config.machines[0].prior == str(tmp_path / "press.prior.json")
    assert config.influxdb is not None
    assert config.influxdb.token == Secret(env="INFLUX_TOKEN")
    assert [channel.name for channel in config.notify] == ["fitters", "maintenance-system"]


def test_the_example_names_every_setting() -> None:
    text = EXAMPLE.read_text()
    schema = msgspec.json.schema(Config)
    settings = {key for part in schema["$defs"].values() for key in part["properties"]}
    assert {key for key in settings if not re.search(rf"\b{key}\b", text)} == set()


def test_a_problem_names_file_line_and_key(plant: Path) -> None:
    text = """\
mqtt:
  sources:
    - topic: plant/{machine}/{sensor}
      payload: number
    - topic: line/{machine}

      payload: xml
"""
    assert problems(plant, text) == [
        "plant.yaml:7: mqtt.sources[1].payload: is not one of number, json, cbor, msgpack, "
        "senml, influx, csv, sparkplug, waveform"
    ]


def test_every_problem_is_told_at_once_in_the_order_of_the_file(plant: Path) -> None:
    text = """\
mqtt:
  ulr: mqtt://broker
  receive_maximum: many
  sources:
    - topic: plant/press-{machine}
machines:
  - match: press-*
    sensors:
      temp: {range: [3, 1]}
    alert: {warning: 0.9999}
times:
  future: soon
data: 5
"""
    assert [re.match(r"plant.yaml:(\d+): (\S+):", line).groups() for line in problems(plant, text)] == [  # type: ignore[union-attr]
        ("2", "mqtt.ulr"),
        ("3", "mqtt.receive_maximum"),
        ("5", "mqtt.sources[0].topic"),
        ("9", "machines[0].sensors.temp.range"),
        ("10", "machines[0].alert.warning"),
        ("12", "times.future"),
        ("13", "data"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # not YAML
        ("mqtt: [1", "1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("data: a\n\tb: c", "2: not YAML: "),
        ("data: a\x07", "1: not YAML: special characters are not allowed"),
        ("data: a\n---\ndata: b", "2: not YAML: but found another document"),
        ("[" * 5000, "1: nested too deeply"),
        ("- 1", "1: expected keys and values"),
        ("data: !!python/object:os.system {}", "1: data: is not text"),
        ("data: !!int ''", "1: data: is not plain YAML"),
        ("emit: {}\ndata: &a [*a]", "2: an alias stands for itself"),
        ("<<: 5", "1: `<<` needs an alias"),
        ("[a]: 1", "1: a key must be plain text"),
        # keys
        ("data: a\nemit: {}\ndata: b", "3: data: is already set in line 1"),
        ("limits: {machine: 4}", "1: limits.machine: unknown key (did you mean machines?)"),
        ("url: mqtt://broker", "1: url: unknown key (it belongs in mqtt.url or in influxdb.url or in upstream.url)"),
        ("mqtt: {topic: 'a/#'}", "1: mqtt.topic: unknown key (it belongs in mqtt.sources[].topic)"),
        ("mqtt: {data: x}", "1: mqtt.data: unknown key (it belongs at the left margin)"),
        ("machines: [{limit: 7}]", "limit: unknown key (it belongs in machines[].sensors.NAME.limit)"),
        (
            "mqtt: {host: broker}",
            "1: mqtt.host: unknown key (the broker's host and port go into url: mqtt://host:1883)",
        ),
        ("mqtt: {sources: [{topic: 'a/#', times: ts}]}", "times: unknown key (did you mean time?)"),
        ("store:\n  xyz: 1", "2: store.xyz: unknown key (known are keep, max_points)"),
        ("mqtt:\n  sources:\n    - payload: json", "3: mqtt.sources[0].topic: is missing"),
        ("influxdb: {bucket: b}", "1: influxdb.url: is missing"),
        # types
        ("data: 5", "1: data: is not text (put it in quotes)"),
        ("limits:\n  machines: '5'", "2: limits.machines: is not a whole number"),
        ("limits:\n  machines: 010", "2: limits.machines: is not a whole number"),
        ("mqtt: {insecure_password: yes}", "1: mqtt.insecure_password: is not true or false"),
        ("mqtt:\n- url: x", "1: mqtt: expected keys and values"),
        ("mqtt: {sources: plant/#}", "1: mqtt.sources: expected a list"),
        ("mqtt: {sources: [plant/#]}", "1: mqtt.sources[0]: expected keys and values"),
        ("mqtt: {sources: [{topic: 'a/{machine}/{sensor}', qos: true}]}", "qos: is not one of 0, 1"),
        ("machines: [{sensors: [temp]}]", "1: machines[0].sensors: expected names and their settings"),
        (
            "machines:\n- match: press-*\n  prior: none.json",
            "3: machines[0].prior: none.json cannot be read: No such file",
        ),
        ("machines: [{sensors: {t: {range: [1]}}}]", "range: is not a pair of numbers: [low, high]"),
        # values
        ("data: ''", "1: data: is empty"),
        ("snapshot_every: 0s", "1: snapshot_every: must be longer than nothing"),
        ("threads: -1", "1: threads: must be from 1 to 64, or 0 for one less than there are processors"),
        ("threads: 65", "1: threads: must be from 1 to 64, or 0 for one less than there are processors"),
        ("emit: {every: 10}", "1: emit.every: is not text (put it in quotes)"),
        ("emit: {every: 10 minutes}", "1: emit.every: '10 minutes' is not a duration"),
        ("store: {keep: 900w, max_points: 0}", "1: store.max_points: 0 is not above 0"),
        ("store: {keep: 9000w}", "1: store.keep: '9000w' is longer than 100 years"),
        ("times: {oldest: whenever}", "1: times.oldest: 'whenever' is not ISO 8601"),
        ("limits: {queue_messages: -1}", "1: limits.queue_messages: -1 is not above 0"),
        ("machines: [{sensors: {t: {range: [.nan, 1]}}}]", "range: [nan, 1.0] is not a range"),
        ("machines: [{alert: {warning: 0.9999}}]", "alert.warning: 0.9999 is above critical, which is 0.999"),
        ("machines: [{alert: {critical: 99}}]", "alert.critical: 99.0 is not a score"),
        ("machines: [{match: ''}]", "machines[0].match: is empty"),
        ("machines:\n- {}\n- {match: a}", "3: machines[1].match: is never reached: machines[0] matches"),
        ("mqtt: {client_id: 'a+b'}", "1: mqtt.client_id: our status is published below it"),
        ("mqtt: {client_id: 'hall/#'}", "1: mqtt.client_id: our status is published below it"),
        ('mqtt: {client_id: "a\\0"}', "1: mqtt.client_id: holds a line break or control"),
        ("mqtt: {client_id: $SYS}", "1: mqtt.client_id: our status is published below it"),
        ("mqtt: {receive_maximum: 65536}", "1: mqtt.receive_maximum: 65536 is not within 1 and 65535"),
        ("mqtt: {client_id: ''}", "1: mqtt.client_id: must not be empty"),
        ("mqtt: {sources: []}", "1: mqtt.sources: is empty"),
        # a password may be in what was written, so none of it is repeated
        ("mqtt: {insecure_password: hunter2}", "1: mqtt.insecure_password: is not true or false"),
        ("mqtt: {url: ['mqtt://me:hunter2@broker']}", "1: mqtt.url: is not text"),
        ("influxdb: {url: {u: hunter2}, bucket: b}", "1: influxdb.url: is not text"),
        ("mqtt: {username: {password: hunter2}}", "1: mqtt.username: is not text"),
        (
            "mqtt: {sources: [{topic: 'a/#', payload: hunter2}]}",
            "sources[0].payload: is not one of number, json, cbor, msgpack, senml, influx, csv, sparkplug, waveform",
        ),
        ("mqtt: {password: {hunter2}}", "1: mqtt.password: expected either {env: NAME} or"),
        ("mqtt: {password: {env: [hunter2]}}", "1: mqtt.password.env: is not text"),
        ("mqtt: {password: {env: hunter2}}", "password.env: the environment variable that env names is not set"),
        ("mqtt: {password: {file: hunter2}}", "password.file: the file that file names cannot be read: No such"),
        ("mqtt: {password: *hunter2}", "1: not YAML: found undefined alias"),
        ("mqtt: {'mqtt://me:hunter2@broker': }", "1: mqtt: a key must be plain text"),
        ("'me:hunter2@broker': 1", "1: unknown key (known are"),
        ("data: mqtt://me:hunter2@broker", "1: data: is a URL, which belongs in mqtt.url or influxdb.url"),
        ("mqtt: {tls: {key: 'https://me:hunter2@ca'}}", "1: mqtt.tls.key: is a URL"),
        # urls
        ("mqtt: {url: 'http://broker'}", "1: mqtt.url: is not a URL of the kind that is needed (mqtt://"),
        ("mqtt: {url: broker}", "1: mqtt.url: is not a URL of the kind"),
        ("mqtt: {url: 'mqtt://broker:99999'}", "1: mqtt.url: is not a URL"),
        ("mqtt: {url: 'mqtt://broker/x'}", "1: mqtt.url: has more than a host and a port"),
        ("mqtt: {url: 'mqtt://me:hunter2@broker'}", "1: mqtt.url: holds a user or password"),
        ("upstream: {prefix: a}", "1: upstream.url: is missing"),
        ("upstream: {url: 'mqtt://me:hunter2@broker'}", "1: upstream.url: holds a user or password"),
        (
            "upstream:\n  url: mqtt://broker\n  password: {env: UPSTREAM_PASSWORD}",
            "3: upstream.password: would be sent unencrypted (use mqtts://",
        ),
        ("upstream: {url: 'mqtt://broker', tls: {ca: none.pem}}", "upstream.tls: needs an mqtts:// url"),
        ("upstream: {url: 'mqtt://broker', client_id: ''}", "upstream.client_id: must not be empty"),
        ("upstream: {url: 'mqtt://broker', prefix: 'a/#'}", "upstream.prefix: topics begin with it"),
        ("upstream: {url: 'mqtt://broker', what: []}", "upstream.what: is empty"),
        ("upstream: {url: 'mqtt://broker', what: [readings]}", "upstream.what[0]: is not one of states, incidents"),
        ("upstream: {url: 'mqtt://broker', every: soon}", "upstream.every: 'soon' is not a duration"),
        ("upstream: {url: 'mqtt://broker', outbox_bytes: 0}", "upstream.outbox_bytes: 0 is not above 0"),
        (
            "mqtt: {url: 'mqtt://localhost'}\nupstream:\n  url: mqtt://[::1]\n  client_id: spikewatch\n  prefix: a",
            "4: upstream.client_id: mqtt has the same broker and client_id",
        ),
        (
            "mqtt: {url: 'mqtt://Broker', client_id: a}\nupstream: {url: 'mqtt://broker:1883'}",
            "upstream.prefix: mqtt has the same broker, and its own topics begin with its client_id",
        ),
        *[
            (f"mqtt: {{url: {json.dumps(url)}}}", f"1: mqtt.url: {what}")
            for url, what in [
                ("mqtts://me:hunter2@broker", "holds a user or password, which would be shown; they go to username"),
                ("mqtts://broker?p=hunter2", "holds ? or #"),
                ("mqtts://broker/hunter2", "has more than a host and a port"),
                ("mqtt://broker#hunter2", "holds ? or #"),
                ("mqtt://me:hun/hunter2@broker", "holds a user or password"),
                ("mqtt://me:hunter2?@broker", "holds a user or password"),
                ("mqtt://me:hunter2", "is not a URL"),
                ("mqtt://me%3Ahunter2%40broker", "is not a URL"),
                ("mqtt://broker hunter2", "is not a URL"),
                ("mqtt://[hunter2]", "is not a URL"),
                ("hunter2@broker", "is not a URL"),
            ]
        ],
        *[
            (f"influxdb: {{url: {json.dumps(url)}, bucket: b}}", f"1: influxdb.url: {what}")
            for url, what in [
                (
                    "http://h/?u=admin&p=hunter2",
                    "holds ? or #, after which a password would be shown; it goes to token:",
                ),
                ("https://h/x#hunter2", "holds ? or #"),
                ("https://admin:hunter2@h", "holds a user or password, which would be shown; they go to token:"),
                ("https://h/db;p=hunter2", "has a path with other signs"),
                ("https://h/%3Fp=hunter2", "has a path with other signs"),
            ]
        ],
        ("influxdb: {url: 'http://h?p=hunter2', database: d}", "it goes to username, password: {env: NAME}"),
        ("influxdb: {url: 'mqtt://x', bucket: b}", "1: influxdb.url: is not a URL of the kind"),
        # sources
        ("mqtt: {sources: [{topic: 'a/{machine}'}]}", "needs a level {sensor} in the topic"),
        (
            "mqtt: {sources: [{topic: 'a/{machine}/{sensor}', time: ts}]}",
            "sources[0].time: a payload number has no fields",
        ),
        ("mqtt: {sources: [{topic: 'a/#', payload: json, time: a..b}]}", "time: 'a..b' is not a path"),
        ("mqtt: {sources: [{topic: 'a/#', payload: json, time_unit: ms}]}", "time_unit: needs time"),
        ("mqtt: {sources: [{topic: 'a/{machine}', payload: json, machine: m}]}", "captures {machine} already"),
        (
            "mqtt:\n  sources:\n  - {topic: 'a/{machine}', payload: json}\n  - {topic: a/+, payload: json}",
            "4: mqtt.sources[1].topic: subscribes to the same topics as sources[0]",
        ),
        # names for people
        ("machines: [{sensors: {p: {name: ' '}}}]", "1: machines[0].sensors.p.name: is empty"),
        ("machines: [{match: press-*, names: {pump-1: Pump}}]", "names.pump-1: is no machine of this rule"),
        (f"machines: [{{names: {{press-1: {'x' * 81}}}}}]", "names.press-1: has more than 80 characters"),
        # secrets
        ("mqtt: {password: hunter2}", "1: mqtt.password: expected {env: NAME} or {file: PATH}"),
        ("mqtt: {password: {env: A, file: b}}", "1: mqtt.password: expected either {env: NAME} or"),
        ("mqtt: {password: {}}", "1: mqtt.password: expected either {env: NAME} or"),
        ("mqtt: {password: {env: NOPE}}", "mqtt.password.env: the environment variable NOPE is not set"),
        ("mqtt: {password: {file: /no/where}}", "mqtt.password.file: the file /no/where cannot be read: No such"),
        (
            "mqtt:\n  url: mqtt://broker\n  password: {env: MQTT_PASSWORD}",
            "3: mqtt.password: would be sent unencrypted (use mqtts://, or say insecure_password: true)",
        ),
        (
            "influxdb: {url: 'http://db:8086', bucket: b, token: {env: INFLUX_TOKEN}}",
            "1: influxdb.token: would be sent unencrypted (use https://, or say insecure_password: true)",
        ),
        (
            "mqtt: {url: 'mqtts://broker', tls: {ca: /no/where}}",
            "1: mqtt.tls.ca: the file /no/where cannot be read: No such file",
        ),
        ("mqtt: {url: 'mqtt://broker', tls: {key: /dev/null}}", "1: mqtt.tls: needs an mqtts:// url"),
        # notify
        ("notify: {name: a, webhook: 'http://x'}", "1: notify: expected a list"),
        ("notify: [{webhook: 'http://x'}]", "1: notify[0].name: is missing"),
        ("notify: [{name: a b, webhook: 'http://x'}]", "1: notify[0].name: must be 1 to 40 letters"),
        ("notify: [{name: a}]", "1: notify[0]: needs either url (of Apprise) or webhook"),
        ("notify: [{name: a, webhook: 'http://x', url: {env: MQTT_PASSWORD}}]", "1: notify[0]: needs either url"),
        ("notify: [{name: a, url: 'tgram://hunter7'}]", "1: notify[0].url: expected {env: NAME} or {file: PATH}"),
        ("notify: [{name: a, url: {env: NOT_SET}}]", "1: notify[0].url.env: the environment variable NOT_SET is not"),
        ("notify: [{name: a, webhook: 'http://x?key=hunter7'}]", "1: notify[0].webhook: holds ? or #"),
        ("notify: [{name: a, webhook: 'ftp://x'}]", "1: notify[0].webhook: is not a URL of the kind"),
        ("notify: [{name: a, webhook: 'http://x', token: {env: CMMS_TOKEN}}]", "1: notify[0].token: would be sent"),
        (
            "notify: [{name: a, url: {env: CMMS_TOKEN}, token: {env: CMMS_TOKEN}}]",
            "1: notify[0].token: goes with web",
        ),
        ("notify: [{name: a, webhook: 'http://x', severity: bad}]", "1: notify[0].severity: is not one of warning"),
        ("notify: [{name: a, webhook: 'http://x', events: [open]}]", "1: notify[0].events[0]: is not one of opening"),
        ("notify: [{name: a, webhook: 'http://x', events: []}]", "1: notify[0].events: is empty"),
        ("notify: [{name: a, webhook: 'http://x', machines: ''}]", "1: notify[0].machines: is empty"),
        (
            "notify: [{name: a, webhook: 'http://x', captures: {site: n}}]",
            "1: notify[0].captures: no topic of mqtt.sources captures {site} (no topic captures anything)",
        ),
        (
            "{mqtt: {sources: [{topic: 'a/{hall}/{machine}'}]},"
            " notify: [{name: a, webhook: 'http://x', captures: {site: n}}]}",
            "1: notify[0].captures: no topic of mqtt.sources captures {site} (captured are hall)",
        ),
        (
            "notify: [{name: a, webhook: 'http://x', cooldown: soon}]",
            "1: notify[0].cooldown: 'soon' is not a duration",
        ),
        ("notify: [{name: a, webhook: 'http://x', reminder: 1s}]", "1: notify[0].reminder: is shorter than a minute"),
        ("notify: [{name: a, webhook: 'http://x', digest: {from: 0}}]", "1: notify[0].digest.from: 0 is not within"),
        ("notify: [{name: a, webhook: 'http://x', digest: {wait: 1}}]", "1: notify[0].digest.wait: is not text"),
        ("notify: [{name: a, webhook: 'http://x', quiet: {to: '6:00'}}]", "1: notify[0].quiet.from: is missing"),
        (
            "notify: [{name: a, webhook: 'http://x', quiet: {from: '22:00', to: '6:00'}}]",
            "1: notify[0].quiet.to: is not a time of day",
        ),
        (
            "notify: [{name: a, webhook: 'http://x', quiet: {from: '22:00', to: '22:00'}}]",
            "1: notify[0].quiet.to: is the same as from",
        ),
        (
            "notify: [{name: a, webhook: 'http://x', quiet: {from: '22:00', to: '06:00', time_zone: Berlin}}]",
            "1: notify[0].quiet.time_zone: 'Berlin' is no time zone",
        ),
        (
            "notify: [{name: a, webhook: 'http://x'}, {name: a, webhook: 'http://x'}]",
            "1: notify[1].name: is the name",
        ),
        ("console: {public_url: 'http://x?a'}", "1: console.public_url: holds ? or #"),
        # influxdb
        ("influxdb: {url: 'http://db'}", "1: influxdb: needs bucket (InfluxDB 2, 3, 1.8) or database"),
        ("influxdb: {url: 'http://db', bucket: b, database: d}", "1: influxdb.database: bucket is set too"),
        ("influxdb: {url: 'http://db', bucket: b, username: u}", "1: influxdb.username: goes with database"),
        (
            "influxdb: {url: 'https://db', database: d, token: {env: INFLUX_TOKEN}}",
            "1: influxdb.token: goes with bucket",
        ),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong_and_where(plant: Path, text: str, expected: str) -> None:
    found = problems(plant, text)
    assert len([problem for problem in found if expected in problem]) == 1, found
    if not expected[0].isdigit():
        assert len(found) == 1 or "tls" in text, found


def test_a_misspelt_key_brings_no_other_problem_with_it(plant: Path) -> None:
    found = problems(plant, "influxdb:\n  url: http://db\n  bukcet: b\n")
    assert found == ["plant.yaml:3: influxdb.bukcet: unknown key (did you mean bucket?)"]


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"data: \xff")
    for name in ("missing.yaml", "binary.yaml", "."):
        with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
            load(tmp_path / name, {})


def test_plain_words_keep_their_meaning(plant: Path) -> None:
    plant.write_text("machines:\n- match: no\n  sensors: {on: , 12: {ignore: true}, t: {range: [-1e3, 5]}}\n")
    rule = load(plant, {}).machines[0]
    assert rule.match == "no"
    assert rule.sensors == {"on": Sensor(), "12": Sensor(ignore=True), "t": Sensor(range=(-1000.0, 5.0))}


def test_anchors_and_merge_keys_work_and_own_keys_override(plant: Path) -> None:
    plant.write_text(
        "machines:\n- match: a\n  alert: &strict {warning: 0.9, critical: 0.95}\n"
        "- match: b\n  alert: {<<: *strict, warning: 0.8}\n"
    )
    first, second = load(plant, {}).machines
    assert (first.alert.warning, first.alert.critical) == (0.9, 0.95)
    assert (second.alert.warning, second.alert.critical) == (0.8, 0.95)


@pytest.mark.parametrize(
    "url", ["mqtts://broker:8883", "mqtt://localhost", "mqtt://127.0.0.1:1883", "mqtt://[::1]:1883"]
)
def test_a_password_is_accepted_where_nobody_can_listen(plant: Path, url: str) -> None:
    plant.write_text(f"mqtt:\n  url: '{url}'\n  password: {{env: MQTT_PASSWORD}}\n")
    assert load(plant, ENVIRON).mqtt.url == url


def test_a_password_over_a_clear_connection_needs_a_flag_that_says_so(plant: Path) -> None:
    text = "mqtt:\n  url: mqtt://broker\n  password: {env: MQTT_PASSWORD}\n"
    assert len(problems(plant, text)) == 1
    plant.write_text(text + "  insecure_password: true\n")
    assert load(plant, ENVIRON).mqtt.insecure_password


def test_a_secret_is_read_from_the_environment_or_a_file_without_its_line_break(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" hunter4 \r\n")
    assert read_secret(Secret(env="MQTT_PASSWORD"), ENVIRON) == "hunter2"
    assert read_secret(Secret(file=str(tmp_path / "token")), {}) == " hunter4 "


def test_an_empty_secret_is_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    for secret in (Secret(env="A"), Secret(file=str(tmp_path / "token")), Secret(file=str(tmp_path))):
        with pytest.raises(ConfigError):
            read_secret(secret, {"A": ""})


def test_the_first_rule_that_matches_counts() -> None:
    rules = (MachineRule(match="press-[0-9]"), MachineRule(match="press-*", sensors={"a": Sensor()}))
    assert match_rule(rules, "press-1") is rules[0]
    assert match_rule(rules, "press-10") is rules[1]
    assert match_rule(rules, "Press-1") == MachineRule()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", 0),
        ("250ms", 250_000_000),
        ("10m", 600 * 10**9),
        ("1.5 h", 5400 * 10**9),
        ("7d", 604_800 * 10**9),
        ("2h30m", 9000 * 10**9),
        ("1d 12h", 129_600 * 10**9),
        ("1m1.5s250ms", 61_750 * 10**6),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert duration_ns(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "-1s", "30m1h", "1h1h", "1h 30", "1 y", " 1h", "1h ", "1e3s", "١s", "200000d", "1s\n"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        duration_ns(text)


def test_a_time_without_a_zone_is_utc() -> None:
    noon = 1_717_156_800_000_000_000
    for text in ("2024-05-31T12:00:00", "2024-05-31 12:00Z", "2024-05-31T14:00:00+02:00", "20240531T120000Z"):
        assert unix_ns(text) == noon
    assert unix_ns("1969-12-31T23:59:59.999999Z") == -1000


@given(st.text(max_size=200))
def test_any_text_loads_or_is_a_configuration_error(text: str) -> None:
    _Reader("any.yaml", {}).config(text)


def expanding(line: str) -> str:
    """A text in which every line stands for ten times the one before."""
    return "".join(line.format(f"a{i + 1}", ", ".join([f"*a{i}"] * 10)) for i in range(9))


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n" + expanding("{0}: &{0} [{1}]\n"),
        "a0: &a0 {x: 1}\n" + expanding("{0}: &{0} {{<<: [{1}]}}\n"),
        "mqtt: {client_id: &a0 [x]}\n" + expanding("{0}: &{0} [{1}]\n") + "data: *a9\n",
    ],
)
def test_aliases_that_stand_for_a_billion_values_are_refused_with_their_line(plant: Path, text: str) -> None:
    [found] = problems(plant, text)
    assert re.match(r"plant.yaml:[5-7]: more than 100,000 keys and values", found)


def test_a_configuration_has_bounds_and_so_has_what_is_said_of_it(plant: Path) -> None:
    found = problems(plant, "".join(f"key{number}: 1\n" for number in range(300)))
    assert (len(found), found[-1]) == (101, "plant.yaml: and 200 more problems")
    assert "more than 100,000 keys and values" in problems(plant, "data: [" + "1," * 120_000 + "]")[0]
    assert problems(plant, "#" * 2_000_000) == ["plant.yaml: cannot be read: larger than 1,048,576 bytes"]


def test_ten_thousand_machines_with_a_rule_of_their_own_fit_into_one_file(plant: Path) -> None:
    rule = "- {{match: press-{}, alert: {{warning: 0.98, critical: 0.999}}}}\n"
    text = "machines:\n" + "".join(rule.format(number) for number in range(10_000))
    assert len(text) < MOST_BYTES
    assert MOST_VALUES > 10_000 * 9


@pytest.mark.parametrize(
    "text",
    [
        "mqtt: {{password: {{file: {}}}}}",
        "mqtt: {{url: 'mqtts://h', tls: {{ca: {}}}}}",
        "mqtt: {{url: 'mqtts://h', tls: {{cert: {0}, key: {0}}}}}",
        "console: {{token: {{file: {}}}}}",
        "machines: [{{prior: {}}}]",
    ],
)
def test_only_a_regular_file_of_some_size_is_read(plant: Path, tmp_path: Path, text: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    for name, why in (
        ("/dev/zero", "not a regular"),
        (f"{tmp_path}/pipe", "not a regular"),
        (f"{tmp_path}/huge", "larger"),
    ):
        for found in problems(plant, text.format(name)):
            assert "cannot be read" in found
            assert why in found


def test_a_configuration_that_is_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(NoConfigError, match="cannot be read: not a regular file"):
            load(path, {})


@pytest.mark.parametrize("sign", ["\\0", "\\n", "\\x07", "\\x7f", "\\ud800"])
@pytest.mark.parametrize(
    "text",
    [
        'data: "a{}b"',
        'mqtt: {{username: "a{}b"}}',
        'mqtt: {{password: {{file: "a{}b"}}}}',
        'mqtt: {{url: "mqtts://h", tls: {{ca: "a{}b"}}}}',
        'mqtt: {{sources: [{{topic: "a{}b/{{machine}}"}}]}}',
        'machines: [{{prior: "a{}b"}}]',
        'influxdb: {{url: "http://h", bucket: "a{}b"}}',
    ],
)
def test_a_text_that_no_system_takes_is_refused_wherever_it_stands(plant: Path, text: str, sign: str) -> None:
    [found] = problems(plant, text.format(sign))
    assert found.isprintable()
    assert "holds a line break or control character" in found


def test_a_data_folder_whose_name_is_too_long_is_said_on_paper(plant: Path) -> None:
    assert problems(plant, f"data: /x/{'a' * 256}") == ["plant.yaml:1: data: has a name of more than 255 bytes in it"]


def test_certificates_are_tried_on_paper_and_an_encrypted_key_asks_nobody(plant: Path, tmp_path: Path) -> None:
    certificate(tmp_path, "-passout", "pass:hunter2")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nhunter2\n")
    names = ", ".join(
        f"{key}: {tmp_path}/{name}" for key, name in (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key"))
    )
    ca, cert = problems(plant, f"mqtt: {{url: 'mqtts://broker', tls: {{{names}}}}}")
    assert "mqtt.tls.ca: " in ca
    assert "holds no certificate (PEM)" in ca
    assert "mqtt.tls.cert: " in cert
    assert "are not a certificate and its key (PEM, without a passphrase)" in cert


def test_a_prior_that_many_rules_name_is_read_once(plant: Path, tmp_path: Path, monkeypatch) -> None:
    read = []
    monkeypatch.setattr("pipeline.config.prior_file.read_prior", lambda path: read.append(path))
    (tmp_path / "press.json").write_text("{}")
    rules = "".join(f"- {{match: press-{number}, prior: {tmp_path}/press.json}}\n" for number in range(50))
    plant.write_text("machines:\n" + rules)
    assert len(load(plant, {}).machines) == 50
    assert len(read) == 1
