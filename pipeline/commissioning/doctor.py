"""How long may broker, database and this service each be down before anything is lost, and what would make it longer.

Each examination looks at one thing, in the order in which readings pass, and says what it found; where that is too
little, it says the one line that mends it. Measured where it can be: the broker is made to keep messages for a
session that is away, the disk to synchronise, the database to take a point.
"""

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.config.settings import Config, ConfigError, duration_ns
from pipeline.files import make_folder
from pipeline.mqtt import Broker, ConfirmedPublisher, Greeting, Publisher, PublishError, Receiver, greet
from pipeline.notify.channels import open_channel
from pipeline.payloads import Decoder
from pipeline.records import Announcement, Machine, Point
from pipeline.service.clocks import BEHIND_NS
from pipeline.service.traffic import Volume
from pipeline.sinks import Sink, SinkError
from pipeline.storage.inspection import Stats
from pipeline.storage.inspection import stats as stats_of
from pipeline.topics import parse

BYTES_A_POINT = 60.0  # in the outbox, compressed: benchmarks/faults/outage.py
PLAIN_BYTES_A_POINT = 165.0  # before that, of the sample recordings; as counter `points_bytes` counts them
QUIET_S = 2.0  # no message for so long: the broker has sent all that it kept
SYNCHRONISATIONS = 20
MOST_CLOCKS = 5  # that are named


class Finding(NamedTuple):
    """What one examination found; `fix` is empty where nothing is wrong."""

    subject: str
    found: str
    fix: str = ""


class Sent(NamedTuple):
    """What one source sent."""

    messages: int
    size: int  # bytes
    readings: int
    refused: str = ""  # causes and an example, where there was no reading in it


class Traffic(NamedTuple):
    """What came in while we listened."""

    seconds: float
    messages: int
    readings: int
    refused: dict[str, int]  # by cause
    machines: int
    sensors: int
    sources: dict[str, Sent]  # by topic as configured
    behind: dict[str, float]  # machines whose readings arrive late, all of them, by how many seconds at least

    @property
    def messages_per_s(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def examine(
    config: Config,
    broker: Broker,
    sink: Callable[[], Sink],
    listen_s: float,
    probe: int,
    survive_s: float,
    progress: Callable[[str], None] = lambda what: None,
    upstream: Broker | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """All examinations. `probe`: messages that the broker is made to keep; 0 leaves that out.

    `upstream` is the second broker, if there is one.
    """
    known: Stats | None = None
    folder = Path(config.data)
    if os.path.exists(folder / "journal.sqlite"):
        known = stats_of(folder, free_bytes(folder))
    progress("broker")
    traffic: Traffic | None = None
    try:
        greeting = greet(broker._replace(client_id=f"{broker.client_id}-doctor"))
    except OSError as error:
        yield Finding("broker", f"{broker.host}:{broker.port}: {error}", "set mqtt.url, or start the broker")
    else:
        yield from of_greeting(config, broker, greeting)
        progress(f"listening for {listen_s:.0f} s")
        traffic = listen(config, broker, listen_s)
        yield from of_traffic(config, traffic)
        if probe:
            progress(f"sending {probe} test messages for the broker to queue")
            yield from of_queue(config, broker, greeting, traffic, probe, survive_s)
        yield from of_bytes(config, known, traffic)
    progress("disk")
    yield from of_disk(folder, traffic)
    progress("database")
    yield from of_database(sink)
    yield from of_channels(config, environ)
    yield from of_outbox(config, folder, known, traffic, survive_s)
    if upstream is not None:
        progress("second broker")
        yield from of_upstream(upstream, (config.upstream and config.upstream.prefix) or config.mqtt.client_id)


def of_greeting(config: Config, broker: Broker, greeting: Greeting) -> Iterator[Finding]:
    """What the broker says of itself."""
    what = f"{broker.host}:{broker.port}, {greeting.version or 'version unknown'}"
    yield Finding("broker", f"{what}, answers within {1000 * greeting.took_s:.0f} ms")
    window = greeting.receive_maximum
    if window is not None and window < config.mqtt.receive_maximum:
        yield Finding(
            "window",
            f"the broker allows {window} unacknowledged messages, mqtt.receive_maximum is"
            f" {config.mqtt.receive_maximum}: no batch can be larger",
            f"mosquitto.conf: max_inflight_messages {config.mqtt.receive_maximum}",
        )
    expiry_s, wanted_s = greeting.session_expiry_s, duration_ns(config.mqtt.session_expiry) / 1e9
    if expiry_s is not None and expiry_s < wanted_s:
        yield Finding(
            "session",
            f"the broker drops the session after {span(expiry_s)}, mqtt.session_expiry is {span(wanted_s)}",
            f"mosquitto.conf: persistent_client_expiration {config.mqtt.session_expiry}",
        )


def listen(config: Config, broker: Broker, seconds: float) -> Traffic:
    """What comes in on the topics of the configuration, beside a running service; nothing is kept of it."""
    decoder = Decoder(config.mqtt.sources, config.times, config.limits.message_bytes)
    topics = [(parse(source.topic).filter, source.qos) for source in config.mqtt.sources]
    receiver = Receiver(broker._replace(client_id=f"{broker.client_id}-doctor", session_expiry_s=0), topics)
    volume = Volume(config.mqtt.sources, decoder.source_of)
    messages = readings = 0
    refused: dict[str, int] = {}
    sensors: set[tuple[Machine, str]] = set()
    lags: dict[Machine, int] = {}
    receiver.start()
    try:
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            batch = receiver.take(2_000, min(left_s, 0.1))
            decoded = [decoder.decode(message) for message in batch]
            for message, (found, bad, _) in zip(batch, decoded, strict=True):
                readings += len(found)
                for reading in found:
                    sensors.add((reading.machine, reading.sensor))
                    lag = message.received_ns - reading.time_ns
                    lags[reading.machine] = min(lag, lags.get(reading.machine, lag))
                for cause, _ in bad:
                    refused[str(cause)] = refused.get(str(cause), 0) + 1
            messages += len(batch)
            volume.came(batch, decoded)
            receiver.ack(batch)
    finally:
        receiver.stop()
    by_source = {}
    for topic, one in volume.sources.items():
        unread = one.unread
        understood = one.readings or not unread.messages
        why = "" if understood else f"{unread.causes_in_words()}; {' '.join(unread.example)}"
        by_source[topic] = Sent(one.count, one.size, one.readings, why)
    behind = {machine.name: lag / 1e9 for machine, lag in lags.items() if lag >= BEHIND_NS}
    return Traffic(seconds, messages, readings, refused, len(lags), len(sensors), by_source, behind)


def of_traffic(config: Config, traffic: Traffic) -> Iterator[Finding]:
    """What comes in."""
    if not traffic.messages:
        topics = ", ".join(source.topic for source in config.mqtt.sources)
        yield Finding(
            "traffic",
            f"no message within {traffic.seconds:.0f} s on {topics}",
            "check mqtt.sources[].topic, the sensors, and the broker's access list",
        )
        return
    yield Finding(
        "traffic",
        f"{traffic.messages_per_s:,.1f} messages/s with {traffic.readings / traffic.seconds:,.1f} readings/s of"
        f" {traffic.machines} machines, {traffic.sensors} sensors",
    )
    for topic, sent in traffic.sources.items():
        if sent.refused:
            yield Finding(
                "source",
                f"{topic}: no reading in {sent.messages} messages: {sent.refused}",
                "mqtt.sources[]: spikewatch init proposes what reads them, spikewatch tap shows each message",
            )
    for machine, lag_s in sorted(traffic.behind.items(), key=lambda one: -one[1])[:MOST_CLOCKS]:
        yield Finding(
            "clock",
            f"{machine}: its readings arrive {span(lag_s)} and more after the time they carry",
            "set the clock of the sender, or time_zone of its source",
        )
    if traffic.refused:
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(traffic.refused.items()))
        yield Finding(
            "traffic",
            f"refused: {causes}",
            "correct the sender, or mqtt.sources[]: topic, payload, time; examples: spikewatch journal export dead",
        )


def of_queue(
    config: Config, broker: Broker, greeting: Greeting, traffic: Traffic, probe: int, survive_s: float
) -> Iterator[Finding]:
    """How many messages the broker keeps for a session that is away: asked of it, by trying."""
    try:
        kept = kept_of(broker, f"{config.mqtt.client_id}/doctor", probe)
    except (PublishError, OSError) as error:
        yield Finding(
            "queue", f"could not be tested: {error}", f"allow this client to write {config.mqtt.client_id}/#"
        )
        return
    rate = traffic.messages_per_s
    need = max(int(rate * survive_s * 1.2), 1_000)
    fix = f"mosquitto.conf: max_queued_messages {need} (needed for {span(survive_s)}; 0 is no limit)"
    if kept < probe:
        lasts = f", {span(kept / rate)} at this rate" if rate else ""
        yield Finding(
            "service down", f"the broker kept {kept} of {probe} messages for a disconnected session{lasts}", fix
        )
    elif rate and probe / rate >= survive_s:
        yield Finding(
            "service down",
            f"the broker keeps {probe} messages for a disconnected session, {span(probe / rate)} and more",
        )
    else:
        lasts = f", {span(probe / rate)} at this rate" if rate else ""
        yield Finding(
            "service down",
            f"the broker kept all {probe} test messages{lasts}; {span(survive_s)} need {need}: compare"
            f" its max_queued_messages, or try with --probe {need}",
        )
    if "mosquitto" in greeting.version:
        yield Finding(
            "broker down",
            "publishers must keep their messages; those that Mosquitto has acknowledged and not yet saved are lost"
            " (autosave_interval, 30 minutes unless set; a client cannot see the setting)",
        )


def kept_of(broker: Broker, topic: str, count: int) -> int:
    """Of `count` messages that are sent while a session is away, how many its broker keeps."""
    away = broker._replace(client_id=f"{broker.client_id}-doctor-{os.getpid()}", session_expiry_s=600)
    receiver = Receiver(away, [(topic, 1)])
    receiver.start()
    try:
        receiver.wait_subscribed(10.0)
    finally:
        receiver.stop()
    try:
        with Publisher(broker._replace(client_id=f"{broker.client_id}-doctor-publisher")) as publisher:
            for number in range(count):
                publisher.publish(topic, b"%d" % number)
            publisher.drain()
        receiver = Receiver(away, [(topic, 1)])
        receiver.start()
        found = 0
        try:
            newest = time.monotonic()
            while found < count and time.monotonic() - newest < QUIET_S:
                batch = receiver.take(2_000, 0.1)
                receiver.ack(batch)
                found += len(batch)
                newest = time.monotonic() if batch else newest
        finally:
            receiver.stop()
        return found
    finally:
        greet(away)  # with a clean start, which ends the session


def of_bytes(config: Config, known: Stats | None, traffic: Traffic) -> Iterator[Finding]:
    """What each source sends, and what of it leaves in points; announcements are few and not in it."""
    if not traffic.messages:
        return
    for topic, sent in traffic.sources.items():
        rate = f"{sent.size / traffic.seconds:,.0f} bytes/s in {sent.messages / traffic.seconds:,.1f} messages/s"
        yield Finding("source", f"{topic}: {rate}")
    arriving = sum(sent.size for sent in traffic.sources.values()) / traffic.seconds
    leaving = points_per_s(config, known, traffic) * PLAIN_BYTES_A_POINT
    if leaving:
        yield Finding(
            "bytes",
            f"{arriving:,.0f} bytes/s in, about {leaving:,.0f} bytes/s of points out, without alarms and before"
            f" compression: {arriving / leaving:,.1f} to 1",
        )


def of_disk(folder: Path, traffic: Traffic | None) -> Iterator[Finding]:
    """How fast the disk synchronises, which bounds how many batches a second are committed."""
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            began = time.monotonic()
            for _ in range(SYNCHRONISATIONS):
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
            each_s = (time.monotonic() - began) / SYNCHRONISATIONS
    except OSError as error:
        yield Finding("disk", f"{folder}: {error.strerror}", "give the service a folder it may write to (key: data)")
        return
    rate = f"; {traffic.messages_per_s:,.0f} messages/s share them" if traffic else ""
    slow = "slow synchronisation makes batches larger and scores later: use a faster disk" if each_s > 0.25 else ""
    yield Finding("disk", f"{folder}: {1000 * each_s:.1f} ms to synchronise, once per batch{rate}", slow)


def of_database(sink: Callable[[], Sink]) -> Iterator[Finding]:
    """Whether the database takes a point: one is written to measurement `service`."""
    point = Point("service", (("host", socket.gethostname()),), {"doctor": 1}, time.time_ns())
    try:
        target = sink()
        began = time.monotonic()
        try:
            target.write([point])
        finally:
            target.close()
    except (SinkError, OSError, ConfigError) as error:
        yield Finding("database", str(error), "set influxdb: url, and bucket with token, or database; points wait")
        return
    yield Finding("database", f"accepts a point within {1000 * (time.monotonic() - began):.0f} ms")


def of_upstream(broker: Broker, prefix: str) -> Iterator[Finding]:
    """Whether the second broker takes a message from us."""
    where = f"{broker.host}:{broker.port}"
    publisher = ConfirmedPublisher(lambda: broker._replace(client_id=f"{broker.client_id}-doctor"))
    began = time.monotonic()
    try:
        refused = publisher.publish([Announcement(f"{prefix}/doctor", b"", retain=False)])
    except PublishError as error:
        yield Finding("upstream", f"{where}: {error}", "set upstream: url, username, password, tls; messages wait")
        return
    finally:
        publisher.close()
    if refused:
        yield Finding("upstream", f"{where}: {refused[0][1]}", f"allow this client to write {prefix}/#")
        return
    yield Finding("upstream", f"{where} accepts a message within {1000 * (time.monotonic() - began):.0f} ms")


def of_channels(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether notifications can be sent as configured. Nothing is sent: that is for `spikewatch notify --test`."""
    for channel in config.notify:
        try:
            opened = open_channel(channel, environ)
        except ConfigError as error:
            yield Finding("notify", error.problems[0].message, "see docs/notifications.md")
            continue
        opened.sender.close()
        yield Finding("notify", f"{channel.name}: {opened.kind}; spikewatch notify --test sends a test message")


def of_outbox(
    config: Config, folder: Path, known: Stats | None, traffic: Traffic | None, survive_s: float
) -> Iterator[Finding]:
    """How long the outbox holds what is not delivered."""
    rate = points_per_s(config, known, traffic)
    each = BYTES_A_POINT
    if known is not None and known.outbox_points >= 1_000:
        each = known.outbox_bytes / known.outbox_points
    waiting = 0 if known is None else known.outbox_bytes
    bound = config.limits.outbox_bytes - waiting
    free = free_bytes(folder) - 2 * config.limits.disk_reserve_bytes - config.limits.journal_bytes
    room = max(min(bound, free), 0)
    if not rate:
        yield Finding("database down", "how long the outbox lasts depends on the traffic, and there is none")
        return
    lasts_s = room / (rate * each)
    what = f"{rate:,.1f} points/s of {each:.0f} bytes into {room / 1e9:.1f} GB last {span(lasts_s)}"
    need = int(rate * each * survive_s * 1.2)
    fix = ""
    if lasts_s < survive_s:
        fix = f"limits.outbox_bytes: {waiting + need}" if bound < need else f"free {need / 1e9:.1f} GB of {folder}"
        fix += ", or a longer emit.every and emit.sensors"
    yield Finding("database down", what, fix)


def points_per_s(config: Config, known: Stats | None, traffic: Traffic | None) -> float:
    """Points that the known machines give, without alarms; every reading gives one where `emit` says so."""
    machines = max(known.machines if known else 0, traffic.machines if traffic else 0)
    sensors = max(known.sensors if known else 0, traffic.sensors if traffic else 0)
    readings = traffic.readings / traffic.seconds if traffic else 0.0
    rows = readings * machines / sensors if sensors else 0.0
    every_s, sensors_every_s = duration_ns(config.emit.every) / 1e9, duration_ns(config.emit.sensors) / 1e9
    of_machines = min(machines / every_s, rows) if every_s else rows
    of_sensors = min(sensors / sensors_every_s, readings) if sensors_every_s else readings
    return of_machines + of_sensors


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder, which may not be there yet, is or would be on."""
    while not os.path.exists(folder):
        folder = folder.absolute().parent
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def span(seconds: float) -> str:
    """A length of time in the unit that fits.

    >>> span(5400)
    '1.5 h'
    """
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"
