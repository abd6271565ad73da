"""The configuration: one frozen tree, everything with a default.

Parts receive their own branch, never the tree. `pipeline.config.file` reads it from YAML, `pipeline.config.checks`
finds what the types cannot say.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from pipeline.files import read_bounded


class Problem(NamedTuple):
    """One mistake of a configuration. It never holds a secret, nor a value that might be one."""

    message: str  # what is wrong (what would be right)
    key: str = ""  # path of the key, such as `mqtt.sources[0].topic`
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """As a line, `FILE:LINE: key.path: message`; what is not known is left out."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration is wrong and the operator must change it: `problems`, one on each line of the text."""

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        self.problems = tuple(Problem(one) if isinstance(one, str) else one for one in problems)
        super().__init__("\n".join(map(str, self.problems)))


class NoConfigError(ConfigError):
    """There is no configuration to be wrong: the file cannot be read at all."""


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is to be read from: `{env: NAME}` or `{file: PATH}`. Never holds the secret itself."""

    env: str | None = None  # name of an environment variable
    file: str | None = None  # path of a file that holds nothing else


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates of an `mqtts://` connection; without them the system's authorities are trusted."""

    ca: str | None = None  # PEM file of the authority that signed the broker's certificate
    cert: str | None = None  # PEM file of our own certificate, for mutual TLS
    key: str | None = None  # PEM file of its key


GOOD = (True, 192, "Good")  # of most that say so, and of OPC DA; 0 is good in OPC UA and bad in OPC DA
Scalar = bool | int | float | str | None  # a single value of YAML or JSON


class Bearing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rolling bearing whose inner ring turns with the shaft, as its data sheet gives it."""

    rollers: int  # balls or rollers in one row
    ball: float  # diameter of one of them, in the unit of `pitch`
    pitch: float  # diameter of the circle through their centres
    angle: float = 0.0  # contact angle, degrees


class Waveform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Blocks of samples, and which features are made of each block; `pipeline.waveforms` says how."""

    rate: float | None = None  # samples of one channel a second
    rate_path: str | None = None  # in place of rate: path of the rate in a JSON payload
    encoding: Literal["raw", "base64", "array"] = "raw"  # raw: the payload is samples; else JSON that holds them
    type: Literal["int16", "int32", "float32", "float64"] = "int16"  # what a sample is, unless it is in a JSON array
    order: Literal["little", "big"] = "little"  # which end of a sample's bytes comes first, likewise
    channels: tuple[str, ...] = ()  # names of sensors whose samples take turns in a block
    scale: float = 1.0  # what one count is worth, in the unit of the readings
    unit: Literal["g", "m/s2"] | None = None  # what samples times `scale` are, where they are accelerations
    bands: tuple[tuple[float, float], ...] = ()  # whose RMS are features, Hz
    velocity: tuple[float, float] | None = None  # band of the velocity, Hz; default 10 to 1000 where `unit` is given
    speed: float | None = None  # speed of the shaft, 1/min
    speed_path: str | None = None  # in place of speed: path of the speed in a JSON payload
    bearing: Bearing | None = None
    envelope: tuple[float, float] | None = None  # band of the envelope, Hz; default 500 to 10,000 or half the rate


class WaveformFile(Waveform, frozen=True, forbid_unknown_fields=True):
    """The same of a file of samples, for `--waveform`; its rows are blocks."""

    block: int | None = None  # samples of a block; default: a second
    every: str | None = None  # from the beginning of a block to that of the next; default: without a gap
    start: str = "1970-01-01"  # time of the first sample, where the file does not say


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One subscription. `{name}` in the topic captures a level; `{machine}` and `{sensor}` have their meaning."""

    topic: str  # MQTT topic, with + and # as usual, and captures: plant/{site}/{machine}/{sensor}
    # What its messages are.
    payload: Literal["number", "json", "cbor", "msgpack", "senml", "influx", "csv", "sparkplug", "waveform"] = (
        "number"
    )
    time: str | None = None  # path of the time field in a JSON payload, e.g. `ts` or `header.stamp`
    time_unit: Literal["auto", "s", "ms", "us", "ns", "iso"] = "auto"  # of that field; auto: by its size or form
    time_missing: Literal["refuse", "arrival"] = "refuse"  # whether a sample without it gets the time of arrival
    machine: str | None = None  # path of the machine's name, where the topic does not capture it
    # Path of the object or array that holds the readings; default: the whole payload. A part `{machine}` or
    # `{sensor}` stands for every key at its place and names by it, `*` for every key.
    samples: str | None = None
    sensor: str | None = None  # path of the sensor's name, where samples hold a name and a value
    value: str | None = None  # path of the value in a sample; nothing else of it is read
    quality: str | None = None  # path of the quality of a sample
    good: tuple[Scalar, ...] = GOOD  # which qualities are those of readings; null stands for a sample without one
    row: tuple[str, ...] = ()  # names of the items of a sample that is an array: [[1717000000, 41.2], ...]
    header: str | None = None  # path of an array with those names, or `first_row`
    ignore: tuple[str, ...] = ()  # shell patterns over names of sensors that are no measurements
    missing: tuple[float, ...] = ()  # values that stand for no reading, such as -200 or 999.9
    valid: dict[str, tuple[float, float]] = {}  # pattern over sensors: lowest and highest value that is a reading
    states: dict[str, tuple[bool | str, ...]] = {}  # pattern over sensors: words that are the values 0, 1, 2, ...
    number_text: bool = False  # numbers may be written as text: "317.4", "23,5", "5.1 bar"
    time_zone: str | None = None  # IANA name of the clock of times that say no zone; default: UTC
    time_format: str | None = None  # of times as text, as in `strftime`: %d.%m.%Y %H:%M:%S; default: ISO 8601
    retained: Literal["refuse", "accept"] = "refuse"  # whether what the broker has stored when we subscribe counts
    waveform: Waveform | None = None  # what the blocks of the payload `waveform` are
    columns: tuple[str, ...] = ()  # csv: what each column is; default: the first row of each message says it
    separator: str = ","  # csv: between two cells; one character, or `tab`
    decimal: Literal[".", ","] = "."  # csv: the decimal sign
    tags: tuple[str, ...] | None = None  # influx: tags that tell sensors apart; default: all but the machine's
    measurement: bool = True  # influx: sensors are named measurement.field; false: field alone
    compression: Literal["none", "gzip", "zlib", "auto"] = "none"  # what is around the payload; auto: either or none
    qos: Literal[0, 1] = 1  # 1: nothing acknowledged is lost; 0: what is sent while we are away is


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. Without `url` an embedded broker is started on loopback, for trying out."""

    url: str | None = None  # mqtt://host:1883 or mqtts://host:8883
    username: str | None = None  # at the broker
    password: Secret | None = None  # at the broker
    insecure_password: bool = False  # allow a password over an unencrypted connection to another host
    tls: Tls = Tls()
    client_id: str = "spikewatch"  # under which the broker queues for us, and we publish; no two may have the same
    session_expiry: str = "7d"  # how long the broker queues for us while we are away
    receive_maximum: int = 2000  # messages the broker may send ahead of our acknowledgements
    # Name of the Sparkplug primary host that we are: said at spBv1.0/STATE/<name>. Default: we are none.
    sparkplug_host: str | None = None
    home_assistant: bool = False  # machines appear in Home Assistant by themselves (its MQTT discovery)
    sources: tuple[Source, ...] = (
        Source(topic="plant/{machine}/{sensor}", payload="number"),
        Source(topic="plant/{machine}", payload="json", time="time", time_missing="arrival"),
    )


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second broker, the plant's or the company's. It receives states and incidents of machines; no readings."""

    url: str  # mqtt://host:1883 or mqtts://host:8883
    username: str | None = None  # at that broker
    password: Secret | None = None  # at that broker
    insecure_password: bool = False  # allow a password over an unencrypted connection to another host
    tls: Tls = Tls()
    client_id: str | None = None  # default: mqtt.client_id with `-upstream` after it
    prefix: str | None = None  # that topics begin with; default: mqtt.client_id
    # What is sent there.
    what: tuple[Literal["states", "incidents", "ageing", "scores"], ...] = ("states", "incidents", "ageing", "scores")
    every: str = "60s"  # in the time of the data: one score of each machine, the highest; `0s`: every score
    outbox_bytes: int = 268_435_456  # on disk: what is not yet delivered; scores go first when full, incidents last
    outbox_age: str = "0s"  # what has waited for longer goes, whatever it is; `0s`: it stays


class Sensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known about a sensor beforehand; all of it optional."""

    ignore: bool = False  # not scored, not stored
    range: tuple[float, float] | None = None  # declared lower and upper end, in the sensor's unit
    unit: str | None = None  # of its readings, as it is shown in reasons: l/min
    name: str | None = None  # as people call it, for the page; everything else keeps the name that it is sent with
    group: str | None = None  # of sensors that belong together on the page: hydraulics
    limit: float | None = None  # mean reading at which the machine needs service, above or below the present one


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores at which a machine's severity becomes `warning` and `critical`, and when alarms make an incident.

    All times are those of the data.
    """

    warning: float = 0.99  # score from which severity is warning
    critical: float = 0.999  # score from which it is critical
    hold: str = "0s"  # how long an alarm lasts before it is an incident
    clear: float = 0.97  # score below which a machine is calm again; 999 of 1,000 healthy rows are
    close: str = "10m"  # how long it is calm before its incident closes; at least 20 sampling intervals
    escalate: str = "8h"  # after which an unacknowledged warning becomes critical; `0s` never
    # How long an alarm lasts until it counts as a change (state `changed`) that is not yet confirmed; `0s` never.
    # Default: 8 h or 2,000 rows, whichever is longer, at most a week, and less while a machine is young.
    accept_after: str | None = None


class MachineRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the machines whose name matches; the first rule that matches counts."""

    match: str = "*"  # shell pattern over the machine's name
    kind: str | None = None  # machines of one kind are compared in how they age
    prior: str | None = None  # file of `spikewatch prior`: what machines of this kind have in common
    time_zone: str | None = None  # of these machines; default: that of the plant
    holidays: tuple[str, ...] | None = None  # of these machines; default: those of the plant
    names: dict[str, str] = {}  # of machines, as people call them, for the page: {press-1: Press in hall 2}
    sensors: dict[str, Sensor] = {}
    alert: Alert = Alert()


class InfluxDB(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where points go. `bucket` selects API v2 (InfluxDB 2, 3, 1.8+); `database` selects `/write` of 1.x."""

    url: str  # http://host:8086 or https://host:8086
    bucket: str | None = None  # API v2
    org: str = ""  # API v2: organisation
    token: Secret | None = None  # API v2
    database: str | None = None  # InfluxDB 1
    username: str | None = None  # InfluxDB 1
    password: Secret | None = None  # InfluxDB 1
    insecure_password: bool = False  # allow a token or password over http:// to another host


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded store, used where no `influxdb` is configured."""

    keep: str = "30d"  # age of the oldest point, against the newest in the store
    max_points: int = 5_000_000  # the oldest go first


class Emit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Emission by exception: a machine's point is written on change of severity or state, in alarm, or when due.

    Its sensors' points are written beside it, on change of severity or when due.
    """

    every: str = "10s"  # how often a machine's point is written, in the time of the data; `0s` writes every score
    sensors: str = "60s"  # the same for every sensor's point, also in alarm: there are many of them
    ageing: str = "1h"  # how often a sensor's ageing is written, in the time of the data; `0s` with every reading


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which time stamps are accepted."""

    oldest: str = "2000-01-01"  # older stamps come from a clock that was never set
    future: str = "10m"  # how far a stamp may lie ahead of its arrival


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of everything that can grow; each has a counter."""

    machines: int = 10_000  # further ones are refused
    sensors: int = 100_000  # of all machines; a network takes 8 kB for each
    sensors_per_machine: int = 256  # further ones are refused
    # A group is machines with the same captures beside {machine} and {sensor}. Half of everything, so that one
    # publisher that runs wild leaves as much again for all others.
    machines_per_group: int = 5_000
    sensors_per_group: int = 50_000  # the same, sensors of all its machines
    message_bytes: int = 1_048_576  # larger messages are refused
    queue_messages: int = 20_000  # received, not yet scored
    queue_bytes: int = 67_108_864  # the same in bytes of memory; the broker waits when full
    journal_bytes: int = 268_435_456  # readings since the last snapshot; when full, the next snapshot comes early
    outbox_bytes: int = 2_147_483_648  # on disk: points not yet delivered; oldest go first when full
    backlog_rate: int = 20_000  # points a second that an outage has left; new points go first
    disk_reserve_bytes: int = 16_777_216  # kept free for the moment when the disk is full


# The file of the data folder with the token that is made where none is configured.
CONSOLE_TOKEN = "console.token"  # noqa: S105


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The built-in page and HTTP API."""

    enabled: bool = True  # without it there is no page, no API and no /metrics
    host: str = "127.0.0.1"  # another than loopback needs a token of yours
    port: int = 8380  # TCP
    token: Secret | None = None  # for every write; without it one is made, in `console.token` of the data folder
    metrics_machines: int = 1_000  # machines in `/metrics`, those first that need attention; 0: only the service
    public_url: str | None = None  # how people reach the page, for links in notifications: https://spikewatch.plant


Happening = Literal["opening", "rising", "closing", "silence", "service"]  # what a channel may be notified of
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from", "except_": "except"}):
    """Hours in which nothing is sent to a channel; what happens in them is sent in one message at their end."""

    from_: str  # 22:00
    to: str  # 06:00, of the next day where it is not after `from`
    days: tuple[Day, ...] = WEEK  # on which they begin
    time_zone: str | None = None  # IANA name; without one that of the plant
    except_: Literal["critical", "none"] = "critical"  # what is sent all the same


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """When what happens to several machines is one message."""

    wait: str = "60s"  # for more to happen, before anything is sent
    from_: int = 5  # machines from which on there is one message and not one for each


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipient of notifications: by a service of Apprise (`url`), or by JSON over HTTP (`webhook`)."""

    name: str  # of the channel, no two the same
    url: Secret | None = None  # of Apprise, such as mailto://...; it holds secrets, so it is named and not written
    webhook: str | None = None  # http:// or https://
    token: Secret | None = None  # of the webhook, sent as `Authorization: Bearer`
    insecure_token: bool = False  # allow a token over http:// to another host
    severity: Literal["warning", "critical"] = "warning"  # the lowest that is sent
    # What is sent to it.
    events: tuple[Happening, ...] = ("opening", "rising", "closing", "silence", "service")
    machines: str = "*"  # shell pattern over the machine's name
    captures: dict[str, str] = {}  # capture of a topic, such as `site`: shell pattern over its value
    quiet: Quiet | None = None
    cooldown: str = (
        "30m"  # for which nothing more is sent of a machine after a message, unless it becomes more severe
    )
    digest: Digest = Digest()
    reminder: str | None = None  # how often an open, unacknowledged incident is sent again; default: never
    service_after: str = "5m"  # how long the service's own trouble lasts before it is sent


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree; an empty file is a working configuration."""

    data: str = "spikewatch-data"  # folder of journal, snapshots and embedded store
    mqtt: Mqtt = Mqtt()
    machines: tuple[MachineRule, ...] = ()
    time_zone: str = "UTC"  # IANA name (Europe/Berlin) of the clock by which people work: the rhythm of day and week
    holidays: tuple[str, ...] = ()  # days of rest: dates (2026-12-24), codes (DE, DE-BY) of the package holidays
    influxdb: InfluxDB | None = None
    upstream: Upstream | None = None
    store: Store = Store()
    console: Console = Console()
    notify: tuple[Channel, ...] = ()
    emit: Emit = Emit()
    times: Times = Times()
    limits: Limits = Limits()
    snapshot_every: str = "60s"  # how often all networks are written to disk; affects how long a restart takes
    threads: int = 0  # how many share a large batch; 0: one less than there are processors, at least one


class Hidden(str):
    """The text of a secret. Whatever shows an object that holds one shows stars; only who sends it sees it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


MOST_SECRET_BYTES = 65_536
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,39}")  # as people name environment variables


def read_secret(secret: Secret, environ: Mapping[str, str]) -> Hidden:
    """The secret's text, without line breaks around it. ConfigError, which does not hold it, where it is missing.

    Nor may it hold control characters: a library that cannot send them quotes them, and all that is around them.
    What is named is not shown where it may be the secret itself, written where its name should be.
    """
    if secret.env is not None:
        named = secret.env if _VARIABLE.fullmatch(secret.env) else "that env names"
        text = environ.get(secret.env, "")
        if not text:
            raise ConfigError([f"the environment variable {named} is not set"])
    else:
        path = Path(secret.file or "")
        named = str(path) if path.is_absolute() or os.path.exists(path) else "that file names"
        try:
            text = read_bounded(path, MOST_SECRET_BYTES).decode()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError([f"the file {named} cannot be read: {why}"]) from None
    text = text.strip("\r\n")
    if not text:
        raise ConfigError([f"the secret in {named} is empty"])
    if not text.isprintable():
        raise ConfigError([f"the secret in {named} holds a line break or control character"])
    return Hidden(text)


def no_token(secret: Secret | None, environ: Mapping[str, str]) -> str:
    """Why a secret cannot be sent in a header of HTTP; empty where it can. A missing one is told elsewhere."""
    try:
        sendable = secret is None or read_secret(secret, environ).isascii()
    except ConfigError:
        return ""
    return "" if sendable else "holds a character that no token has"


def match_rule(rules: Sequence[MachineRule], machine: str) -> MachineRule:
    """The first rule whose pattern matches the machine's name; the defaults where none does."""
    for rule in rules:
        if fnmatchcase(machine, rule.match):
            return rule
    return MachineRule()


_UNITS_NS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PARTS = re.compile(rf"({_NUMBER}) ?(ms|s|m|h|d|w)")
_DURATION = re.compile("".join(rf"(?:{_NUMBER} ?{unit} ?)?" for unit in ("w", "d", "h", "m", "s", "ms")))
_LONGEST_NS = 100 * 365 * _UNITS_NS["d"]  # keeps sums with Unix times inside 64 bits


def duration_ns(text: str) -> int:
    """Nanoseconds of `10m`, `1.5h`, `2h30m`, `500ms`; ValueError says what would be right.

    >>> duration_ns("1m1.5s")
    61500000000
    """
    if not text or text != text.strip() or _DURATION.fullmatch(text) is None:
        units = ", ".join(_UNITS_NS)
        raise ValueError(f"{text[:40]!r} is not a duration (numbers with {units}, the longest first: 30s, 2h30m, 7d)")
    length = sum(int(Decimal(number) * _UNITS_NS[unit]) for number, unit in _PARTS.findall(text))
    if length > _LONGEST_NS:
        raise ValueError(f"{text[:40]!r} is longer than 100 years")
    return length


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def unix_ns(text: str) -> int:
    """Unix nanoseconds, to the microsecond, of an ISO 8601 date or time; without a zone it is UTC.

    >>> unix_ns("1970-01-01T00:00:01Z")
    1000000000
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not ISO 8601 (such as 2024-05-31T12:00:00Z)") from None
