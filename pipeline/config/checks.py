"""What can be wrong with a configuration on paper, beyond its types: found before the first socket opens.

One function per kind of branch, in the table `CHECKS`; each gives (key, what is wrong) and never shows a secret.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import msgspec

from pipeline.config.addresses import MQTT, address, is_loopback
from pipeline.config.notify_checks import channel_problems, channels_problems, digest_problems, quiet_problems
from pipeline.config.settings import (
    Alert,
    Bearing,
    Channel,
    Config,
    ConfigError,
    Console,
    Digest,
    Emit,
    InfluxDB,
    Limits,
    MachineRule,
    Mqtt,
    Quiet,
    Secret,
    Sensor,
    Source,
    Store,
    Times,
    Tls,
    Upstream,
    Waveform,
    WaveformFile,
    duration_ns,
    no_token,
    read_secret,
    unix_ns,
)
from pipeline.config.source_checks import check_source
from pipeline.config.waveforms import bearing_problems, file_problems, waveform_problems
from pipeline.files import read_bounded
from pipeline.topics import parse

Problems = Iterator[tuple[str, str]]

LONGEST_LABEL = 80  # characters of a name for people
MOST_PEM_BYTES = 1 << 20  # of a certificate, a key or all the authorities that are trusted
MOST_THREADS = 64
LONGEST_NAME = 255  # bytes between two slashes of a path, on every file system in use


def _check_secret(secret: Secret, environ: Mapping[str, str]) -> Problems:
    if (secret.env is None) == (secret.file is None):
        yield "", "expected either {env: NAME} or {file: PATH}"
        return
    try:
        read_secret(secret, environ)
    except ConfigError as error:
        yield "env" if secret.env is not None else "file", error.problems[0].message


def _check_tls(tls: Tls, environ: Mapping[str, str]) -> Problems:
    unread = False
    for key in ("ca", "cert", "key"):
        name = getattr(tls, key)
        if name is not None:
            try:
                read_bounded(Path(name), MOST_PEM_BYTES)
            except OSError as error:
                unread = True
                yield key, f"the file {name} cannot be read: {error.strerror}"
    if (tls.cert is None) != (tls.key is None):
        yield ("cert" if tls.key is None else "key"), "cert and key go together"
        return
    if unread:
        return
    import ssl  # here, as most commands and most plants need none

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is not None:
        try:
            context.load_verify_locations(tls.ca)
        except OSError:  # of which ssl.SSLError is one
            yield "ca", f"{tls.ca} holds no certificate (PEM)"
    if tls.cert is not None:
        try:
            # Without a password it would ask for one, on the terminal, and wait.
            context.load_cert_chain(tls.cert, tls.key, password="")
        except OSError:
            yield "cert", f"{tls.cert} and {tls.key} are not a certificate and its key (PEM, without a passphrase)"


def _check_mqtt(mqtt: Mqtt, environ: Mapping[str, str]) -> Problems:
    if mqtt.url is not None:
        yield from _broker_problems(mqtt.url, mqtt)
    elif mqtt.tls != Tls():
        yield "tls", "needs an mqtts:// url"
    if not mqtt.client_id:
        yield "client_id", "must not be empty: the broker keeps our unacknowledged messages under this name"
    elif not _begins_topics(mqtt.client_id):
        yield "client_id", "our status is published below it, so it must not begin with $ or hold +, # or NUL"
    host = mqtt.sparkplug_host
    if host is not None:
        if not host or any(character in host for character in "/+#"):
            yield "sparkplug_host", "is one level of a topic: not empty, without /, + and #"
        elif not any(source.payload == "sparkplug" for source in mqtt.sources):
            yield (
                "sparkplug_host",
                "no source has payload sparkplug: edge nodes would wait for a host that does not listen",
            )
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


def _broker_problems(text: str, broker: Mqtt | Upstream) -> Problems:
    """What is wrong with how a broker at this URL is to be reached."""
    url, wrong = _split_url(text, MQTT, "username, password: {env: NAME} or {file: PATH}")
    if wrong:
        yield "url", wrong
    elif url is not None and url.scheme == "mqtt":
        if broker.password is not None and not broker.insecure_password and not is_loopback(url):
            yield "password", _CLEAR.format("mqtts://")
        if broker.tls != Tls():
            yield "tls", "needs an mqtts:// url"


def _begins_topics(name: str) -> bool:
    return not name.startswith("$") and not any(character in name for character in "+#\0")


def _check_upstream(upstream: Upstream, environ: Mapping[str, str]) -> Problems:
    yield from _broker_problems(upstream.url, upstream)
    if upstream.client_id == "":
        yield "client_id", "must not be empty; without this setting it is mqtt.client_id with -upstream after it"
    if upstream.prefix is not None and (not upstream.prefix.strip("/") or not _begins_topics(upstream.prefix)):
        yield "prefix", "topics begin with it, so it must not be empty, begin with $ or hold +, # or NUL"
    if not upstream.what:
        yield "what", "is empty: nothing would go there (any of states, incidents, ageing, scores)"
    for key in ("every", "outbox_age"):
        yield from _check_duration(key, getattr(upstream, key))
    if not 1 <= upstream.outbox_bytes < 2**63:
        yield "outbox_bytes", f"{upstream.outbox_bytes} is not above 0"


def _same_broker_problems(mqtt: Mqtt, upstream: Upstream) -> Problems:
    """Where both are one broker: two connections of one name would end each other, and topics would be one."""
    try:
        here, there = (_host_and_port(address(url or "", MQTT, "")) for url in (mqtt.url, upstream.url))
    except ValueError:
        return  # already told, or there is but one broker
    if here != there:
        return
    if upstream.client_id == mqtt.client_id:
        yield "upstream.client_id", "mqtt has the same broker and client_id: each would end the other's connection"
    if (upstream.prefix or mqtt.client_id) == mqtt.client_id:
        yield "upstream.prefix", "mqtt has the same broker, and its own topics begin with its client_id: give another"


def _host_and_port(url: SplitResult) -> tuple[str, int]:
    host = "localhost" if is_loopback(url) else (url.hostname or "").lower()
    return host, url.port or (8883 if url.scheme == "mqtts" else 1883)


def _check_influxdb(influxdb: InfluxDB, environ: Mapping[str, str]) -> Problems:
    theirs = "token" if influxdb.bucket is not None else "username, password"
    url, wrong = _split_url(influxdb.url, ("http", "https"), f"{theirs}: {{env: NAME}} or {{file: PATH}}", path=True)
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
    if unsendable := no_token(influxdb.token, environ):
        yield "token", unsendable
    if url is not None and url.scheme == "http" and not influxdb.insecure_password and not is_loopback(url):
        for key in ("token", "password"):
            if getattr(influxdb, key) is not None:
                yield key, _CLEAR.format("https://")


def _wrong_label(text: str) -> str:
    """Why people cannot read that as a name; empty where they can."""
    if not text.strip():
        return "is empty (a name for people to read)"
    return f"has more than {LONGEST_LABEL} characters" if len(text) > LONGEST_LABEL else ""


def _check_sensor(sensor: Sensor, environ: Mapping[str, str]) -> Problems:
    for key in ("name", "group"):
        text = getattr(sensor, key)
        if text is not None and (wrong := _wrong_label(text)):
            yield key, wrong
    if sensor.range is not None:
        low, high = sensor.range
        if not -1e100 <= low < high <= 1e100:
            yield "range", f"[{low}, {high}] is not a range (the lower end first, both finite)"
    if sensor.limit is not None and not -1e100 <= sensor.limit <= 1e100:
        yield "limit", f"{sensor.limit} is not a reading"


def _check_rule(rule: MachineRule, environ: Mapping[str, str]) -> Problems:
    if not rule.match:
        yield "match", "is empty (a machine's name, or a pattern such as press-*)"
    for machine, name in rule.names.items():
        if wrong := _wrong_label(name):
            yield f"names.{machine}", wrong
        elif rule.match and not fnmatchcase(machine, rule.match):
            yield f"names.{machine}", f"is no machine of this rule (match: {rule.match})"
    if rule.kind == "":
        yield "kind", "is empty (a word for machines that can be compared, such as press)"
    if rule.prior is not None:
        wrong = _prior_problem(rule.prior, _state_of(rule.prior))
        if wrong:
            yield "prior", f"{rule.prior} {wrong}"
    if rule.time_zone is not None or rule.holidays is not None:
        yield from _calendar_problems(rule.time_zone, rule.holidays)


def _calendar_problems(zone: str | None, holidays: tuple[str, ...] | None) -> Problems:
    from pipeline.config.calendars import problems  # here, as few name one, and it loads the network

    yield from problems(zone, holidays)


@lru_cache(maxsize=64)
def _prior_problem(name: str, state: tuple[int, ...]) -> str:
    """What is wrong with a prior, once for however many rules that name it and as long as its file stays the same."""
    from pipeline.config.prior_file import PriorError, read_prior  # here, as few name one, and it loads the network

    try:
        read_prior(Path(name))
    except PriorError as error:
        return str(error)
    return ""


def _state_of(name: str) -> tuple[int, ...]:
    """What changes with a file."""
    try:
        found = os.stat(name)  # every name that the system refuses is an OSError
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def _check_alert(alert: Alert, environ: Mapping[str, str]) -> Problems:
    for key in ("hold", "close", "escalate"):
        yield from _check_duration(key, getattr(alert, key))
    if alert.accept_after is not None:
        yield from _check_duration("accept_after", alert.accept_after)
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
    if not 0 <= console.metrics_machines <= 100_000:
        yield "metrics_machines", f"{console.metrics_machines} is not within 0 and 100000"
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
    if console.public_url is not None:
        _, wrong = _split_url(console.public_url, ("https", "http"), "nobody: the page asks for its token", path=True)
        if wrong:
            yield "public_url", wrong


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
    elif any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(config.data).parts):
        yield "data", f"has a name of more than {LONGEST_NAME} bytes in it"
    yield from _check_duration("snapshot_every", config.snapshot_every, positive=True)
    if not 0 <= config.threads <= MOST_THREADS:
        yield "threads", f"must be from 1 to {MOST_THREADS}, or 0 for one less than there are processors"
    if config.time_zone != "UTC" or config.holidays:
        yield from _calendar_problems(config.time_zone, config.holidays)
    if config.upstream is not None:
        yield from _same_broker_problems(config.mqtt, config.upstream)
    yield from channels_problems(config)
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


_CLEAR = "would be sent unencrypted (use {}, or say insecure_password: true)"


def _split_url(
    text: str, schemes: tuple[str, ...], secrets_go: str, path: bool = False
) -> tuple[SplitResult | None, str]:
    """The parts of a URL, or what is wrong with it."""
    try:
        return address(text, schemes, secrets_go, path), ""
    except ValueError as error:
        return None, str(error)


CHECKS: Mapping[type, Callable[[Any, Mapping[str, str]], Problems]] = {
    Secret: _check_secret,
    Tls: _check_tls,
    Source: check_source,
    Bearing: lambda bearing, environ: bearing_problems(bearing),
    Waveform: lambda waveform, environ: waveform_problems(waveform),
    WaveformFile: lambda waveform, environ: file_problems(waveform),
    Mqtt: _check_mqtt,
    InfluxDB: _check_influxdb,
    Upstream: _check_upstream,
    Sensor: _check_sensor,
    MachineRule: _check_rule,
    Alert: _check_alert,
    Store: _check_store,
    Console: _check_console,
    Quiet: lambda quiet, environ: quiet_problems(quiet),
    Digest: lambda digest, environ: digest_problems(digest),
    Channel: channel_problems,
    Emit: _check_emit,
    Times: _check_times,
    Limits: _check_positive,
    Config: _check_config,
}
