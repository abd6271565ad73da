"""The configuration: one frozen tree, everything with a default, unknown keys are errors.

`load` reads YAML and either returns a `Config` or raises `ConfigError` naming file, line and key. What can be
wrong on paper is found here, before the first socket opens. Parts receive their own branch, never the tree.
"""

import difflib
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import SplitResult, urlsplit

import msgspec
import yaml

from pipeline.topics import parse


class ConfigError(Exception):
    """The configuration is wrong and the operator must change it; `problems` has one line for each.

    A line reads `FILE:LINE: key.path: what is wrong (what would be right)`. It never holds a secret.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


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
    time_missing: Literal["refuse", "arrival"] = "refuse"  # what a sample without the time field gets
    machine: str | None = None  # path of the machine's name, where the topic does not capture it
    samples: str | None = None  # path of the object or array that holds the readings; default: the whole payload
    qos: Literal[0, 1] = 1


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. Without `url` an embedded broker is started on loopback, for trying out."""

    url: str | None = None  # mqtt://host:1883 or mqtts://host:8883
    username: str | None = None
    password: Secret | None = None
    insecure_password: bool = False  # allow a password over a clear connection to another host
    tls: Tls = Tls()
    client_id: str = "spikewatch"
    session_expiry: str = "7d"
    receive_maximum: int = 2000  # messages the broker may send ahead of our acknowledgements
    sources: tuple[Source, ...] = (
        Source(topic="plant/{machine}/{sensor}", payload="number"),
        Source(topic="plant/{machine}", payload="json", time="time", time_missing="arrival"),
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
    insecure_password: bool = False  # allow a token or password over http:// to another host


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


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the YAML file at `path`; without a path, the defaults.

    `environ` is where secrets are looked up. Relative paths in the file are relative to the working directory.
    Raises ConfigError with every problem that can be found on paper.
    """
    if path is None:
        return Config()
    reader = _Reader(str(path), environ)
    try:
        config = reader.config(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None
    if reader.problems:
        raise ConfigError([text for _, text in sorted(reader.problems)])
    return config


def read_secret(secret: Secret, environ: Mapping[str, str]) -> str:
    """The secret's text, without line breaks around it. ConfigError, which does not hold it, where it is missing."""
    if secret.env is not None:
        text = environ.get(secret.env, "")
        if not text:
            raise ConfigError([f"the environment variable {secret.env} is not set"])
    else:
        try:
            text = Path(secret.file or "").read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError([f"the file {secret.file} cannot be read: {why}"]) from None
    text = text.strip("\r\n")
    if not text:
        raise ConfigError([f"the secret in {secret.env or secret.file} is empty"])
    return text


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
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d|w)")
_LONGEST_NS = 100 * 365 * _UNITS_NS["d"]  # keeps sums with Unix times inside 64 bits


def duration_ns(text: str) -> int:
    """Nanoseconds of `10m`, `1.5h`, `500ms`; ValueError says what would be right.

    >>> duration_ns("1.5s")
    1500000000
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration (a number and one of {', '.join(_UNITS_NS)}: 30s, 10m, 7d)")
    length = int(Decimal(found[1]) * _UNITS_NS[found[2]])
    if length > _LONGEST_NS:
        raise ValueError(f"{text!r} is longer than 100 years")
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


class _Yaml(yaml.SafeLoader):
    """YAML with the plain scalars of YAML 1.2: `no` is a name and not False, `10:30` is not 630, nothing a date."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML fills the class's own table


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf)|\.nan",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))

_BAD: Any = object()
_DESCRIBED: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[float, float]: "a pair of numbers: [low, high]",
}


class _Reader:
    """Builds the tree from YAML nodes, and collects every problem with its line on the way."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.problems: list[tuple[int, str]] = []
        self._file = file
        self._environ = environ
        self._lines: dict[str, int] = {"": 1}  # of every key and list entry, by its path

    def config(self, text: str) -> Config:
        """The tree; worth nothing where there are problems."""
        try:
            self._yaml = _Yaml(text)
            root = self._yaml.get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            position = getattr(error, "position", None)  # of a character that YAML does not allow
            line = mark.line + 1 if mark else text.count("\n", 0, position) + 1
            # Not the error's own text: that quotes the line, which may hold a secret.
            why = getattr(error, "problem", None) or getattr(error, "reason", None)
            self._add("", f"not YAML: {why}", line)
            return Config()
        except RecursionError:
            self._add("", "nested too deeply")
            return Config()
        if root is None or _is_null(root):
            return Config()
        config = self._build(Config, root, "")
        return Config() if config is _BAD else config

    def _add(self, path: str, what: str, line: int = 0) -> None:
        known = path
        while known not in self._lines:  # a default is not in the file, but what it belongs to is
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        where = f"{self._file}:{line or self._lines[known]}:"
        self.problems.append((line or self._lines[known], f"{where} {path}: {what}" if path else f"{where} {what}"))

    def _build(self, kind: Any, node: yaml.Node, path: str) -> Any:
        """The value of `node` as a `kind`, or _BAD with a problem added."""
        if get_origin(kind) in (Union, types.UnionType):
            kind = next(option for option in get_args(kind) if option is not type(None))
        of = get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(node, yaml.MappingNode):
                return self._struct(kind, node, path)
            # The value is not shown: somebody may have written the secret itself.
            self._add(path, f"expected {'{env: NAME} or {file: PATH}' if kind is Secret else 'keys and values'}")
            return _BAD
        if get_origin(kind) is dict:
            if not isinstance(node, yaml.MappingNode):
                self._add(path, "expected names and their settings")
                return _BAD
            found = {}
            for key, value in self._items(node, path).items():  # a name with nothing after it has the defaults
                found[key] = of[1]() if _is_null(value) else self._build(of[1], value, _join(path, key))
            return found
        if get_origin(kind) is tuple and of[1] is ...:
            if not isinstance(node, yaml.SequenceNode):
                self._add(path, "expected a list")
                return _BAD
            values = []
            for number, value in enumerate(node.value):
                self._lines[f"{path}[{number}]"] = value.start_mark.line + 1
                values.append(self._build(of[0], value, f"{path}[{number}]"))
            return _BAD if any(value is _BAD for value in values) else tuple(values)
        return self._leaf(kind, node, path)

    def _items(self, node: yaml.MappingNode, path: str) -> dict[str, yaml.Node]:
        """Keys and values of a mapping, with merge keys (`<<`) resolved; a key given twice is a problem."""
        own: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add(path, "a key must be plain text", key.start_mark.line + 1)
            elif key.value in own:
                line = key.start_mark.line + 1
                self._add(_join(path, key.value), f"is already set in line {own[key.value]}", line)
            else:
                own[key.value] = key.start_mark.line + 1
        try:
            self._yaml.flatten_mapping(node)
        except (yaml.YAMLError, RecursionError):
            self._add(path, "`<<` needs an alias of keys and values, such as <<: *name", own.get("<<", 0))
            return {}
        items: dict[str, yaml.Node] = {}
        for key, value in node.value:  # merged keys come first, so that the mapping's own override them
            if isinstance(key, yaml.ScalarNode):
                items[key.value] = value
                self._lines[_join(path, key.value)] = own.get(key.value, key.start_mark.line + 1)
        return items

    def _struct(self, kind: type[msgspec.Struct], node: yaml.MappingNode, path: str) -> Any:
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        bad: set[str] = set()
        sound = True
        for key, value in self._items(node, path).items():
            if key not in fields:
                sound = False
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
                self._add(_join(path, key), f"unknown key ({hint})")
            elif not _is_null(value):  # a key with nothing after it has its default
                built = self._build(hints[key], value, _join(path, key))
                if built is not _BAD:
                    values[key] = built
                    continue
                bad.add(key)
                # A bad part within counts as its default, so that the rest can still be checked.
                sound = sound and not isinstance(value, yaml.ScalarNode)
        missing = [name for name, field in fields.items() if field.required and name not in values]
        if missing:
            for name in missing:
                if name not in bad:
                    self._add(_join(path, name), "is missing")
            return _BAD
        part = kind(**values)
        if sound:  # else what follows from a misspelt key would be reported as well
            for key, what in _CHECKS[kind](part, self._environ):
                self._add(_join(path, key), what)
        return part

    def _leaf(self, kind: Any, node: yaml.Node, path: str) -> Any:
        try:
            value = self._yaml.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            self._add(path, "is not plain YAML")
            return _BAD
        if get_origin(kind) is Literal:
            for option in get_args(kind):
                if value == option and type(value) is type(option):
                    return option
            self._add(path, f"{_shown(value)} is not one of {', '.join(map(str, get_args(kind)))}")
            return _BAD
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError:
            quoted = f" (write '{node.value}')" if kind is str and isinstance(node, yaml.ScalarNode) else ""
            self._add(path, f"{_shown(value)} is not {_DESCRIBED[kind]}{quoted}")
            return _BAD


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# What a type does not say. Each check yields (key, what is wrong) of a part whose own keys are well typed.
_Problems = Iterator[tuple[str, str]]


def _check_secret(secret: Secret, environ: Mapping[str, str]) -> _Problems:
    if (secret.env is None) == (secret.file is None):
        yield "", "expected either {env: NAME} or {file: PATH}"
        return
    try:
        read_secret(secret, environ)
    except ConfigError as error:
        yield "env" if secret.env is not None else "file", error.problems[0]


def _check_tls(tls: Tls, environ: Mapping[str, str]) -> _Problems:
    for key in ("ca", "cert", "key"):
        name = getattr(tls, key)
        if name is not None and not Path(name).is_file():
            yield key, f"there is no file {name}"
    if (tls.cert is None) != (tls.key is None):
        yield ("cert" if tls.key is None else "key"), "cert and key go together"


def _check_source(source: Source, environ: Mapping[str, str]) -> _Problems:
    try:
        template = parse(source.topic)
    except ValueError as error:
        yield "topic", str(error)
        return
    paths = {"time": source.time, "machine": source.machine, "samples": source.samples}
    for key, path in paths.items():
        if path is not None and not all(path.split(".")):
            yield key, f"{path!r} is not a path (such as ts or header.stamp)"
    if source.payload == "number":
        for name in ("machine", "sensor"):
            if not template.captures(name):
                yield "topic", f"payload number needs a level {{{name}}} in the topic"
        for key, path in paths.items():
            if path is not None:
                yield key, "a payload number has no fields (payload: json)"
    if source.time is None and source.time_unit != "auto":
        yield "time_unit", "needs time, the path of the time field"
    if source.time is None and source.time_missing != "refuse":
        yield "time_missing", "needs time, the path of the time field"
    if source.machine is not None and template.captures("machine"):
        yield "machine", "the topic captures {machine} already"


def _check_mqtt(mqtt: Mqtt, environ: Mapping[str, str]) -> _Problems:
    if mqtt.url is not None:
        url, wrong = _split_url(mqtt.url, ("mqtt", "mqtts"))
        if wrong:
            yield "url", wrong
        elif url is not None and url.scheme == "mqtt":
            if url.path or url.query:
                yield "url", "has more than a host and a port (mqtt://host:1883)"
            if mqtt.password is not None and not mqtt.insecure_password and not _is_loopback(url):
                yield "password", _CLEAR.format("mqtts://")
            if mqtt.tls != Tls():
                yield "tls", "needs an mqtts:// url"
    elif mqtt.tls != Tls():
        yield "tls", "needs an mqtts:// url"
    if not mqtt.client_id:
        yield "client_id", "must not be empty: the broker keeps our unacknowledged messages under this name"
    yield from _check_duration("session_expiry", mqtt.session_expiry)
    if not 1 <= mqtt.receive_maximum <= 65_535:
        yield "receive_maximum", f"{mqtt.receive_maximum} is not within 1 and 65535"
    if not mqtt.sources:
        yield "sources", "is empty: there would be nothing to listen to"
    filters: dict[str, int] = {}
    for number, source in enumerate(mqtt.sources):
        try:
            filter_ = parse(source.topic).filter
        except ValueError:
            continue  # already told
        if filter_ in filters:
            yield f"sources[{number}].topic", f"subscribes to the same topics as sources[{filters[filter_]}]"
        filters.setdefault(filter_, number)


def _check_influxdb(influxdb: InfluxDB, environ: Mapping[str, str]) -> _Problems:
    url, wrong = _split_url(influxdb.url, ("http", "https"))
    if wrong:
        yield "url", wrong
    if influxdb.bucket is None and influxdb.database is None:
        yield "", "needs bucket (InfluxDB 2, 3, 1.8) or database (InfluxDB 1)"
    elif influxdb.bucket is not None and influxdb.database is not None:
        yield "database", "bucket is set too: give bucket (InfluxDB 2, 3, 1.8) or database (InfluxDB 1)"
    elif influxdb.bucket is not None:
        for key in ("username", "password"):
            if getattr(influxdb, key) is not None:
                yield key, "goes with database; a bucket takes a token"
    else:
        if influxdb.token is not None:
            yield "token", "goes with bucket; a database takes username and password"
    if url is not None and url.scheme == "http" and not influxdb.insecure_password and not _is_loopback(url):
        for key in ("token", "password"):
            if getattr(influxdb, key) is not None:
                yield key, _CLEAR.format("https://")


def _check_sensor(sensor: Sensor, environ: Mapping[str, str]) -> _Problems:
    if sensor.range is not None:
        low, high = sensor.range
        if not -1e100 <= low < high <= 1e100:
            yield "range", f"[{low}, {high}] is not a range (the lower end first, both finite)"


def _check_rule(rule: MachineRule, environ: Mapping[str, str]) -> _Problems:
    if not rule.match:
        yield "match", "is empty (a machine's name, or a pattern such as press-*)"


def _check_alert(alert: Alert, environ: Mapping[str, str]) -> _Problems:
    for key, score in (("warning", alert.warning), ("critical", alert.critical)):
        if not 0 < score <= 1:
            yield key, f"{score} is not a score (above 0, at most 1)"
            return
    if alert.warning > alert.critical:
        yield "warning", f"{alert.warning} is above critical, which is {alert.critical}"


def _check_store(store: Store, environ: Mapping[str, str]) -> _Problems:
    yield from _check_duration("keep", store.keep, positive=True)
    yield from _check_positive(store)


def _check_emit(emit: Emit, environ: Mapping[str, str]) -> _Problems:
    yield from _check_duration("every", emit.every)


def _check_times(times: Times, environ: Mapping[str, str]) -> _Problems:
    try:
        unix_ns(times.oldest)
    except ValueError as error:
        yield "oldest", str(error)
    yield from _check_duration("future", times.future)


def _check_positive(part: msgspec.Struct, environ: Mapping[str, str] | None = None) -> _Problems:
    for key, value in msgspec.structs.asdict(part).items():
        if isinstance(value, int) and not 1 <= value < 2**63:
            yield key, f"{value} is not above 0"


def _check_config(config: Config, environ: Mapping[str, str]) -> _Problems:
    if not config.data:
        yield "data", "is empty (a folder to write to)"
    yield from _check_duration("snapshot_every", config.snapshot_every, positive=True)
    matches: dict[str, int] = {}
    for number, rule in enumerate(config.machines):
        earlier = matches.get("*", matches.get(rule.match))
        if earlier is not None:
            yield f"machines[{number}].match", f"is never reached: machines[{earlier}] matches before it"
        matches.setdefault(rule.match, number)


def _check_duration(key: str, text: str, positive: bool = False) -> _Problems:
    try:
        length = duration_ns(text)
    except ValueError as error:
        yield key, str(error)
        return
    if positive and not length:
        yield key, "must be longer than nothing"


_CLEAR = "would go over a clear connection (use {}, or say insecure_password: true)"


def _split_url(text: str, schemes: tuple[str, ...]) -> tuple[SplitResult | None, str]:
    """The parts of a URL, or what is wrong with it. The URL is not repeated: it may hold a password."""
    right = f"({schemes[0]}://host or {schemes[1]}://host, with :port where it is not the usual one)"
    try:
        url = urlsplit(text)
        port = url.port  # ValueError where it is no port
    except ValueError:
        return None, f"is not a URL {right}"
    if url.scheme not in schemes or not url.hostname or port == 0:
        return None, f"is not a URL of the kind that is needed {right}"
    if url.username is not None or url.password is not None:
        return None, "holds a user or password, which have keys of their own: username, password: {env: NAME}"
    return url, ""


def _is_loopback(url: SplitResult) -> bool:
    """Whether the connection never leaves this computer."""
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_CHECKS: Mapping[type, Callable[[Any, Mapping[str, str]], _Problems]] = {
    Secret: _check_secret,
    Tls: _check_tls,
    Source: _check_source,
    Mqtt: _check_mqtt,
    InfluxDB: _check_influxdb,
    Sensor: _check_sensor,
    MachineRule: _check_rule,
    Alert: _check_alert,
    Store: _check_store,
    Emit: _check_emit,
    Times: _check_times,
    Limits: _check_positive,
    Config: _check_config,
}
