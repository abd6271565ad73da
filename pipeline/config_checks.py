"""What can be wrong with a configuration on paper, beyond its types: found before the first socket opens.

One function per kind of branch, in the table `CHECKS`; each gives (key, what is wrong) and never shows a secret.
"""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from pipeline.config import (
    Alert,
    Config,
    ConfigError,
    Console,
    Emit,
    InfluxDB,
    Limits,
    MachineRule,
    Mqtt,
    Secret,
    Sensor,
    Source,
    Store,
    Times,
    Tls,
    duration_ns,
    read_secret,
    unix_ns,
)
from pipeline.topics import parse

Problems = Iterator[tuple[str, str]]


def _check_secret(secret: Secret, environ: Mapping[str, str]) -> Problems:
    if (secret.env is None) == (secret.file is None):
        yield "", "expected either {env: NAME} or {file: PATH}"
        return
    try:
        read_secret(secret, environ)
    except ConfigError as error:
        yield "env" if secret.env is not None else "file", error.problems[0]


def _check_tls(tls: Tls, environ: Mapping[str, str]) -> Problems:
    for key in ("ca", "cert", "key"):
        name = getattr(tls, key)
        if name is not None and not Path(name).is_file():
            yield key, f"there is no file {name}"
    if (tls.cert is None) != (tls.key is None):
        yield ("cert" if tls.key is None else "key"), "cert and key go together"


def _check_source(source: Source, environ: Mapping[str, str]) -> Problems:
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


def _check_mqtt(mqtt: Mqtt, environ: Mapping[str, str]) -> Problems:
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
    elif mqtt.client_id.startswith("$") or any(character in mqtt.client_id for character in "+#\0"):
        yield "client_id", "our status is published below it, so it must not begin with $ or hold +, # or NUL"
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


def _check_influxdb(influxdb: InfluxDB, environ: Mapping[str, str]) -> Problems:
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
    if influxdb.token is not None:
        try:
            if not read_secret(influxdb.token, environ).isascii():
                yield "token", "holds a character that no token has"
        except ConfigError:
            pass  # already told
    if url is not None and url.scheme == "http" and not influxdb.insecure_password and not _is_loopback(url):
        for key in ("token", "password"):
            if getattr(influxdb, key) is not None:
                yield key, _CLEAR.format("https://")


def _check_sensor(sensor: Sensor, environ: Mapping[str, str]) -> Problems:
    if sensor.range is not None:
        low, high = sensor.range
        if not -1e100 <= low < high <= 1e100:
            yield "range", f"[{low}, {high}] is not a range (the lower end first, both finite)"
    if sensor.limit is not None and not -1e100 <= sensor.limit <= 1e100:
        yield "limit", f"{sensor.limit} is not a reading"


def _check_rule(rule: MachineRule, environ: Mapping[str, str]) -> Problems:
    if not rule.match:
        yield "match", "is empty (a machine's name, or a pattern such as press-*)"
    if rule.kind == "":
        yield "kind", "is empty (a word for machines that can be compared, such as press)"
    if rule.prior is not None:
        from pipeline.prior_file import PriorError, read_prior  # here, as it brings the network's compiler with it

        try:
            read_prior(Path(rule.prior))
        except PriorError as error:
            yield "prior", f"{rule.prior} {error}"


def _check_alert(alert: Alert, environ: Mapping[str, str]) -> Problems:
    for key in ("hold", "close", "escalate"):
        yield from _check_duration(key, getattr(alert, key))
    for key, score in (("warning", alert.warning), ("critical", alert.critical), ("clear", alert.clear)):
        if not 0 < score <= 1:
            yield key, f"{score} is not a score (above 0, at most 1)"
            return
    if alert.warning > alert.critical:
        yield "warning", f"{alert.warning} is above critical, which is {alert.critical}"


def _check_store(store: Store, environ: Mapping[str, str]) -> Problems:
    yield from _check_duration("keep", store.keep, positive=True)
    yield from _check_positive(store)


def _check_console(console: Console, environ: Mapping[str, str]) -> Problems:
    if not 1 <= console.port <= 65_535:
        yield "port", f"{console.port} is not within 1 and 65535"
    if console.host != "localhost":
        try:
            address = ip_address(console.host)
        except ValueError:
            yield "host", "is not an address of this computer (127.0.0.1, 0.0.0.0, ::1, ...)"
            return
        if not address.is_loopback and console.token is None:
            yield "host", "others can reach this address, so it needs a token (token: {env: NAME} or {file: PATH})"
    if console.token is not None:
        try:
            token = read_secret(console.token, environ)
        except ConfigError:
            return  # already told
        if not token.isascii() or " " in token or len(token) < 16:
            yield "token", "is not a token (16 characters or more of ASCII, no blanks)"


def _check_emit(emit: Emit, environ: Mapping[str, str]) -> Problems:
    yield from _check_duration("every", emit.every)
    yield from _check_duration("sensors", emit.sensors)
    yield from _check_duration("ageing", emit.ageing)


def _check_times(times: Times, environ: Mapping[str, str]) -> Problems:
    try:
        unix_ns(times.oldest)
    except ValueError as error:
        yield "oldest", str(error)
    yield from _check_duration("future", times.future)


def _check_positive(part: msgspec.Struct, environ: Mapping[str, str] | None = None) -> Problems:
    for key, value in msgspec.structs.asdict(part).items():
        if isinstance(value, int) and not 1 <= value < 2**63:
            yield key, f"{value} is not above 0"


def _check_config(config: Config, environ: Mapping[str, str]) -> Problems:
    if not config.data:
        yield "data", "is empty (a folder to write to)"
    yield from _check_duration("snapshot_every", config.snapshot_every, positive=True)
    matches: dict[str, int] = {}
    for number, rule in enumerate(config.machines):
        earlier = matches.get("*", matches.get(rule.match))
        if earlier is not None:
            yield f"machines[{number}].match", f"is never reached: machines[{earlier}] matches before it"
        matches.setdefault(rule.match, number)


def _check_duration(key: str, text: str, positive: bool = False) -> Problems:
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


CHECKS: Mapping[type, Callable[[Any, Mapping[str, str]], Problems]] = {
    Secret: _check_secret,
    Tls: _check_tls,
    Source: _check_source,
    Mqtt: _check_mqtt,
    InfluxDB: _check_influxdb,
    Sensor: _check_sensor,
    MachineRule: _check_rule,
    Alert: _check_alert,
    Store: _check_store,
    Console: _check_console,
    Emit: _check_emit,
    Times: _check_times,
    Limits: _check_positive,
    Config: _check_config,
}
