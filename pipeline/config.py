"""The configuration: one frozen tree, everything with a default, unknown keys are errors.

`load` reads YAML and either returns a `Config` or raises `ConfigError` naming file, line and key. What can be
wrong on paper is found here, before the first socket opens. Parts receive their own branch, never the tree.
"""

from typing import Literal

import msgspec


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is to be read from: `{env: NAME}` or `{file: PATH}`. Never holds the secret itself."""

    env: str | None = None
    file: str | None = None


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates of an `mqtts://` connection; without them the system's authorities are trusted."""

    ca: str | None = None  # PEM file of the authority that signed the broker's certificate
    cert: str | None = None  # our own certificate and key, for mutual TLS
    key: str | None = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One subscription. `{name}` in the topic captures a level; `{machine}` and `{sensor}` have their meaning."""

    topic: str
    payload: Literal["number", "json"] = "number"
    time: str | None = None  # path of the time field in a JSON payload, e.g. `ts` or `header.stamp`
    time_unit: Literal["auto", "s", "ms", "us", "ns", "iso"] = "auto"
    machine: str | None = None  # path of the machine's name, where the topic does not capture it
    samples: str | None = (
        None  # path of the object or array that holds the readings; default: the whole payload
    )
    qos: Literal[0, 1] = 1


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. Without `url` an embedded broker is started on loopback, for trying out."""

    url: str | None = None  # mqtt://host:1883 or mqtts://host:8883
    username: str | None = None
    password: Secret | None = None
    insecure_password: bool = False  # allow a password over a clear connection
    tls: Tls = Tls()
    client_id: str = "spikewatch"
    session_expiry: str = "7d"
    receive_maximum: int = 2000  # messages the broker may send ahead of our acknowledgements
    sources: tuple[Source, ...] = (
        Source(topic="plant/{machine}/{sensor}", payload="number"),
        Source(topic="plant/{machine}", payload="json", time="time"),
    )


class Sensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known about a sensor beforehand; all of it optional."""

    ignore: bool = False
    range: tuple[float, float] | None = None  # declared lower and upper end, in the sensor's unit


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores at which a machine's severity becomes `warning` and `critical`."""

    warning: float = 0.99
    critical: float = 0.999


class MachineRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the machines whose name matches; the first rule that matches counts."""

    match: str = "*"  # shell pattern over the machine's name
    sensors: dict[str, Sensor] = {}
    alert: Alert = Alert()


class InfluxDB(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where points go. `bucket` selects API v2 (InfluxDB 2, 3, 1.8+); `database` selects `/write` of 1.x."""

    url: str
    bucket: str | None = None
    org: str = ""
    token: Secret | None = None
    database: str | None = None
    username: str | None = None
    password: Secret | None = None


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded store, used where no `influxdb` is configured."""

    keep: str = "30d"  # age of the oldest point, against the newest in the store
    max_points: int = 5_000_000


class Emit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Emission by exception: a machine's point is written on change of severity or state, in alarm, or when due."""

    every: str = "10s"  # in the time of the data; `0s` writes every score


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which time stamps are believed."""

    oldest: str = "2000-01-01"  # older stamps come from a clock that was never set
    future: str = "10m"  # how far a stamp may lie ahead of its arrival


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of everything that can grow; each has a counter."""

    machines: int = 10_000
    sensors_per_machine: int = 256
    message_bytes: int = 1_048_576
    queue_messages: int = 20_000  # received, not yet scored
    outbox_points: int = 5_000_000  # scored, not yet delivered; oldest go first when full


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree; an empty file is a working configuration."""

    data: str = "spikewatch-data"  # folder of journal, snapshots and embedded store
    mqtt: Mqtt = Mqtt()
    machines: tuple[MachineRule, ...] = ()
    influxdb: InfluxDB | None = None
    store: Store = Store()
    emit: Emit = Emit()
    times: Times = Times()
    limits: Limits = Limits()
    snapshot_every: str = "60s"
