"""The service: the only place where parts meet.

One life of a batch: the receiver's thread queues messages; the main thread takes some, decodes, steps the engine,
commits readings and points in one transaction, and only then acknowledges; the delivery thread moves points from the
outbox to the database. Now and then a snapshot of all networks lets the journal forget.

Start: newest good snapshot + journal since then = the state at the last commit, bit by bit.
"""

import errno
import logging
import queue
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from pipeline.config.settings import Config, duration_ns
from pipeline.engine.commands import Command, CommandError, read
from pipeline.engine.engine import Engine
from pipeline.engine.incidents import Incident
from pipeline.engine.scores import Scores
from pipeline.mqtt.announcements import Announcer, is_own, topic_of
from pipeline.mqtt.redelivery import Redelivery
from pipeline.payloads import Decoded, Decoder
from pipeline.records import Announcement, Machine, Message, Point, Reading, Readings
from pipeline.service import incident_log
from pipeline.service.clocks import Clocks
from pipeline.service.connections import status_topic
from pipeline.service.destinations import Deliveries, Destination
from pipeline.service.health import Liveness, figures, give_back
from pipeline.service.hearing import Hearing, remember
from pipeline.service.traffic import Volume
from pipeline.sinks import Sink
from pipeline.storage.data_folder import Writing, claim, journal_path, restore, say_if_missing
from pipeline.storage.journal import Dead, Journal
from pipeline.storage.snapshots import GENERATIONS, Snapshots
from pipeline.storage.sqlite_files import is_damage, is_full

log = logging.getLogger("spikewatch")

BATCH_MESSAGES = 2_000
BATCH_BYTES = 1 << 20  # of payloads; a byte of JSON may become 40 in memory, and as many again when it is scored
POISON_PER_CAUSE = 100  # refused messages kept as dead letters since the start; the others are only counted
WAIT_S = 0.1  # for the first message of a batch
HEALTH_EVERY_S = 10.0
DISK_RETRY_S = 1.0
STOPPED = "the service has stopped"
NO_DESTINATIONS: Mapping[str, Destination] = {}
MOST_JOURNALS = 4  # times the journal's limit: nothing more is taken while snapshots fail


T = TypeVar("T")


class Source(Protocol):
    """Where messages come from, and announcements go; `pipeline.mqtt.Receiver` in the service."""

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Messages that have arrived, in order."""

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages whose effects are on disk."""

    def publish(self, announcement: Announcement) -> None:
        """Say something, now or when it can be."""

    def counters(self) -> dict[str, int]:
        """What happened so far, by name."""


def portions(
    messages: Sequence[Message], alone: Callable[[str], bool] = lambda topic: False
) -> Iterator[Sequence[Message]]:
    """Messages in order, in batches that fit the memory whatever they hold; a batch has at least one.

    A message whose topic is to be `alone` is a batch of its own.
    """
    begin = size = 0
    before = False  # whether the message before is alone
    for number, message in enumerate(messages):
        single = alone(message.topic)
        if (size and size + len(message.payload) > BATCH_BYTES) or (number > begin and (single or before)):
            yield messages[begin:number]
            begin, size = number, 0
        size += len(message.payload)
        before = single
    if messages:
        yield messages[begin:]


class DiskTrouble(NamedTuple):
    """Nothing can be committed."""

    since_ns: int  # Unix time
    why: str


class Service:
    """Everything between a source of messages and a sink of points; one thread drives it."""

    def __init__(
        self,
        config: Config,
        sink: Sink,
        liveness: Liveness | None = None,
        destinations: Mapping[str, Destination] = NO_DESTINATIONS,
    ) -> None:
        """Open the data folder and restore the state at the last commit.

        `destinations` are those beside the database, by the name of their outbox.
        """
        self.liveness = liveness or Liveness()
        self._folder = Path(config.data)
        status, self._client_id = status_topic(config), config.mqtt.client_id

        def own(topic: str) -> bool:
            return topic == status or is_own(config.mqtt.client_id, topic)

        self._decoder = Decoder(config.mqtt.sources, config.times, config.limits.message_bytes, own)
        self._limits = limits = config.limits
        self._snapshot_every_s = duration_ns(config.snapshot_every) / 1e9
        self._snapshot_due = 0.0  # by the monotonic clock
        with ExitStack() as opened:  # closed again where one of them fails
            self._lock = opened.enter_context(claim(Path(config.data)))
            self._snapshots = Snapshots(Path(config.data))
            say_if_missing(config, self._snapshots)
            bounds = {name: one.bound for name, one in destinations.items()}
            self._journal = Journal(
                journal_path(config), limits.outbox_bytes, limits.disk_reserve_bytes, others=bounds
            )
            opened.callback(self._journal.close)
            self.engine, self._sequence = restore(config, self._journal, self._snapshots)
            opened.pop_all()
        self._covered = max(self._snapshots.sequences(), default=0)  # by the newest snapshot that is on the disk
        self._unmended = False  # the journal is damaged, and there is no room to mend it
        self._journal.begin_after(self._sequence)  # where the journal was lost and the snapshots were not
        self._redelivery = Redelivery(self._journal.seen())
        self.arrived_ns = self._journal.arrived_ns()  # the newest message of earlier lives
        self._machines = max(self._journal.machines(), default=-1) + 1
        self._lines = max(self._journal.lines(), default=-1) + 1
        self._writing: Writing | None = None  # a snapshot on its way to the disk
        self._dead: queue.SimpleQueue[Dead] = queue.SimpleQueue()
        self.deliveries = Deliveries(journal_path(config), sink, destinations, self._bury, limits.backlog_rate)
        self.delivery = self.deliveries.database
        kept = self.deliveries.restore(self._journal.kept())
        self._kept = remember(self._decoder, kept)  # to be committed with the next batch
        self._deliver = threading.Event()  # set: no more points will come
        self.listeners: list[
            Callable[[Scores, list[Point]], None]
        ] = []  # of every batch and command that was committed
        self._announcer = Announcer(config.mqtt.client_id, config.mqtt.home_assistant)
        self._publish: Callable[[Announcement], None] = lambda announcement: None
        self._wishes: queue.SimpleQueue[tuple[Callable[[threading.Event], Any], Future[Any]]] = queue.SimpleQueue()
        self._over = False  # nobody fulfils wishes any more
        self.disk_trouble: DiskTrouble | None = None
        self.further_figures: Callable[[], Mapping[str, float | int | str | bool]] = dict  # counters of others
        self._beyond = False  # the engine has done what could not be committed
        self.messages = 0  # taken from the source
        self.volume = Volume(config.mqtt.sources, self._decoder.source_of)
        self.clocks = Clocks()
        self._unreadable: set[str] = set()  # sources that the log has named
        self.readings = 0  # scored
        self.refused: Counter[str] = Counter()  # by cause
        self._poison: Counter[str] = Counter()  # by cause, kept as dead letters
        self._full_groups = 0  # that were named
        self._lag_s = 0.0  # longest time between arrival and commit since it was last told
        self._exhausted = False  # no file could be opened when it was last tried

    def ask(self, question: Callable[[Engine], T], timeout_s: float = 5.0) -> T:
        """What a question to the engine gives, asked on the main thread between two batches; for any other thread.

        Raises TimeoutError where it is not answered in time, and what the question raises.
        """
        return self._between(lambda stop: question(self.engine), timeout_s)

    def tell(self, command: Command, timeout_s: float = 5.0) -> list[Point]:
        """Have a command done between two batches and committed; for any other thread. Returns its points.

        Raises CommandError where it cannot be done, TimeoutError where it is not known yet whether it was.
        """
        return self._between(lambda stop: self._obey(command, stop), timeout_s)

    def _between(self, wish: Callable[[threading.Event], T], timeout_s: float) -> T:
        if self._over:
            raise TimeoutError(STOPPED)
        future: Future[T] = Future()
        self._wishes.put((wish, future))
        return future.result(timeout_s)

    def _fulfil(self, stop: threading.Event) -> None:
        """Do what other threads wish."""
        while not self._wishes.empty():
            wish, future = self._wishes.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(wish(stop))
                except Exception as error:
                    future.set_exception(error)

    def _obey(self, command: Command, stop: threading.Event, seen: bytes = b"", arrived_ns: int = 0) -> list[Point]:
        """Apply a command and commit it with its points."""
        points = self.engine.apply(command)
        log.info(
            "command verb=%s machine=%s argument=%s by=%s via=%s",
            *(command.verb, command.machine.name, command.told, command.by, command.via),
        )
        if not self._commit(None, points, stop, seen, arrived_ns, command):
            self._beyond = True
            raise TimeoutError(STOPPED)
        self._announce(points)
        nothing = self.engine.step(Readings.none())
        for listener in self.listeners:
            listener(nothing, points)
        return points

    def _obey_message(self, message: Message, stop: threading.Event) -> bool:
        """Do what a message says, and answer; False if stopped before it could be committed."""
        new, seen = self._redelivery.sift([message])
        machine = next(
            (one for one in self.engine.fleet.machines if topic_of(self._client_id, one, "command") == message.topic),
            Machine(message.topic.split("/")[-2]),
        )
        said, problem, done = message.payload[:200].decode("utf-8", "replace"), "", False
        try:
            if new:
                command = read(message.payload, machine, "mqtt", time.time_ns())
                self._obey(command, stop, seen, message.received_ns)
                done = True
        except CommandError as error:
            problem = str(error)
            self._refuse("command", problem, message.topic)
        except TimeoutError:
            return False
        if not done and not self._commit(None, [], stop, seen, message.received_ns):
            return False
        self.messages += 1
        if new:
            self._announced(self._announcer.answer(machine, said, problem))
        return True

    def _announced(self, announcement: Announcement) -> None:
        """Say something on MQTT."""
        self.volume.went(announcement)
        self._publish(announcement)

    def _incident(self, machine: Machine) -> Incident | None:
        return self.engine.incident(self.engine.fleet.slot(machine))

    def _announce(self, points: list[Point]) -> None:
        """Say on MQTT what points tell."""
        for announcement in self._announcer.of(points, self._incident, time.monotonic_ns()):
            self._announced(announcement)

    def _is_command(self, topic: str) -> bool:
        return topic.endswith("/command") and topic.startswith(f"{self._client_id}/")

    def run(self, source: Source, stop: threading.Event) -> None:
        """Serve until `stop` is set; then write a snapshot and give the delivery a moment to finish."""
        self._publish = source.publish
        # The network gives up the interpreter lock while it steps, and wants it back when it is done: with Python's
        # 5 ms every batch could wait that long for another thread.
        sys.setswitchinterval(0.0005)
        self.deliveries.start(self._deliver)
        now = time.monotonic()
        self._snapshot_due, health_due = now + self._snapshot_every_s, now + HEALTH_EVERY_S
        self.liveness.waiting = ""
        try:
            while not stop.is_set():
                self.liveness.round()
                messages = [] if self._is_behind(stop) else source.take(BATCH_MESSAGES, WAIT_S)
                for batch in portions(messages, self._is_command):
                    command = self._is_command(batch[0].topic)
                    if not (self._obey_message(batch[0], stop) if command else self._process(batch, stop)):
                        return  # stopped while the disk was full: not committed, so not acknowledged
                    source.ack(batch)
                    self.liveness.round()
                self._fulfil(stop)
                if self._beyond:
                    return
                if not messages and self.deliveries.unsettled():
                    self._commit(None, [], stop)
                with self.liveness.waiting_for("disk"), self._files_may_run_out(stop):
                    if damaged := self.deliveries.damaged():
                        self._salvage(damaged)
                    now = time.monotonic()
                    if now >= health_due:
                        health_due = now + HEALTH_EVERY_S
                        silent = self.engine.silent(time.monotonic_ns())
                        self._commit(None, [self._health(source), *silent], stop)
                        self._announce(silent)
                        overdue = self._decoder.overdue(time.time_ns())
                        if any(overdue) and not self._take([("", b"", overdue)], stop, b"", 0):
                            return  # the networks are beyond the last commit
                        self._tell_of_senders()
                        self._tidy()
                    self._keep_snapshots(now)
            with self._files_may_run_out(stop):
                self._snapshot_to_its_end()  # an older one, still on its way
                self._snapshot()  # only here, where the networks are at the last commit and not beyond
        finally:
            with self.liveness.waiting_for("disk"):
                self._close()

    @contextmanager
    def _files_may_run_out(self, stop: threading.Event) -> Iterator[None]:
        """Where no more files can be opened: say so once and wait. What is not done in here is done the next time."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if not self._exhausted:
                note = "raise the limit (LimitNOFILE, ulimit -n) or find who holds them; trying again"
                log.error('files.exhausted reason="%s" note="%s"', error.strerror, note)
            self._exhausted = True
            stop.wait(DISK_RETRY_S)
        else:
            if self._exhausted:
                log.warning("files.back")
            self._exhausted = False

    def _process(self, messages: Sequence[Message], stop: threading.Event) -> bool:
        """Score messages and commit everything they caused; False if stopped before it could be committed."""
        new, seen = self._redelivery.sift(messages)
        decoded = [self._decoder.decode(message) for message in new]
        found = ((message.topic, message.payload, one) for message, one in zip(new, decoded, strict=True))
        if not self._take(found, stop, seen, messages[-1].received_ns):
            return False
        waited_s = (time.time_ns() - min(message.received_ns for message in messages)) / 1e9
        self._lag_s = max(self._lag_s, waited_s)
        self.messages += len(messages)
        self.volume.came(new, decoded)
        return True

    def _take(
        self, found: Iterable[tuple[str, bytes, Decoded]], stop: threading.Event, seen: bytes, arrived_ns: int
    ) -> bool:
        """The same of what was found in messages: (topic, payload, what it says)."""
        decoded: list[Sequence[Reading]] = []
        poison: list[Dead] = []
        hearing = Hearing()
        for topic, payload, (readings, refused, events) in found:
            decoded.append(readings)
            if events or hearing.gone:
                hearing.take(readings, events)
            for cause, detail in refused:
                self._refuse(cause, detail, topic)
            if refused and self._poison[refused[0].cause] < POISON_PER_CAUSE:
                self._poison[refused[0].cause] += 1
                poison.append(Dead(refused[0].cause, topic[:200], payload[:1024]))
        before = self.refused["no_room"]
        rows = self.engine.arrange(decoded, self.refused)
        if self.refused["no_room"] > before == 0:
            log.warning('refused cause=no_room note="limits.machines, sensors or sensors_per_machine is reached"')
        self._name_full_groups()
        for dead in poison:
            self._dead.put(dead)
        late = self.engine.late
        scores = self.engine.step(rows)
        if self.engine.late > late == 0:
            log.warning('late note="readings not newer than the sensor\'s last one are counted and not learned from"')
        points = self.engine.points(scores) + self.engine.gone(hearing.gone, arrived_ns)
        self._kept |= hearing.kept
        if not self._commit(rows, points, stop, seen, arrived_ns):
            return False
        self._announce(points)
        for request in hearing.requests:
            log.info('asked topic=%s note="its publisher, for what its messages mean"', request.topic)
            self._announced(request)
        self.readings += len(rows.line)
        if arrived_ns:
            self.clocks.heard(rows, arrived_ns)
        for listener in self.listeners:
            listener(scores, points)
        return True

    def _tell_of_senders(self) -> None:
        """Say in the log, once, of which sources nothing can be read, and whose clock is behind."""
        troubles = self.volume.troubles()
        for one in troubles:
            if one.source not in self._unreadable:
                log.error(
                    'source.unreadable topic=%s messages=%d refused="%s" example=%s why="%s" note="nothing of this '
                    'source is scored; spikewatch tap shows each message"',
                    *(one.source, one.messages, self.volume.sources[one.source].unread.causes_in_words()),
                    *(one.topic, one.why),
                )
        unreadable = {one.source for one in troubles}
        for source in sorted(self._unreadable - unreadable):
            log.warning("source.readable topic=%s", source)
        self._unreadable = unreadable
        behind = self.clocks.look()
        if behind:
            worst = self.clocks.behind(self.engine.fleet.machines, 1)[0]
            log.warning(
                'clock.behind machines=%d machine=%s by_s=%.0f note="readings arrive that much later than the time '
                'they carry: check the clock of the sender, or time_zone of its source"',
                *(self.clocks.count, worst.machine, worst.behind_s),
            )

    def _name_full_groups(self) -> None:
        """One warning per group of machines that wants more room than one group gets."""
        full = self.engine.fleet.full_groups
        for group in full[self._full_groups :]:
            log.warning(
                'refused cause=no_room_group group="%s" note="limits: machines_per_group or sensors_per_group is '
                'reached; known machines go on, and other groups still have room"',
                ",".join(f"{capture}={level}" for capture, level in group),
            )
        self._full_groups = len(full)

    def _refuse(self, cause: str, detail: str, topic: str) -> None:
        """Count a refusal; one warning per cause."""
        self.refused[cause] += 1
        if self.refused[cause] == 1:
            log.warning(
                'refused cause=%s topic=%s detail="%s" note="further ones are only counted"',
                cause,
                topic[:200],
                detail,
            )

    def _bury(self, reason: str, point: Point) -> None:
        """Called by the delivery thread."""
        self._dead.put(Dead(reason, point.measurement, msgspec.json.encode(point)))

    def _commit(
        self,
        rows: Readings | None,
        points: list[Point],
        stop: threading.Event,
        seen: bytes = b"",
        arrived_ns: int = 0,
        command: Command | None = None,
    ) -> bool:
        """One transaction; waits and tries again while the disk does not take it. False if stopped before."""
        with self.liveness.waiting_for("disk"):
            return self._commit_in_the_end(rows, points, stop, seen, arrived_ns, command)

    def _commit_in_the_end(
        self,
        rows: Readings | None,
        points: list[Point],
        stop: threading.Event,
        seen: bytes,
        arrived_ns: int,
        command: Command | None,
    ) -> bool:
        """As `_commit`."""
        dead: list[Dead] = []
        fleet = self.engine.fleet
        machines = list(enumerate(fleet.machines))[self._machines :] if len(fleet.machines) > self._machines else []
        lines = [(n, *fleet.lines[n]) for n in range(self._lines, len(fleet.lines))]
        chosen = self.deliveries.choose(points, self._incident, self._journal.outboxes)
        self._kept |= self.deliveries.changed()
        complained = False
        while True:
            try:
                with self.deliveries.settling(chosen) as (progress, others):
                    # After their progress was read: what is done has been buried.
                    dead += [self._dead.get() for _ in range(self._dead.qsize())]
                    sequence = self._journal.commit(
                        *(rows, machines, lines, points, progress, dead, seen, arrived_ns, command, self._kept),
                        others=others,
                    )
                break
            except sqlite3.DatabaseError as error:
                damaged = is_damage(error, self._journal.path)
                if not damaged and not isinstance(error, sqlite3.OperationalError):
                    raise
                if damaged and self._salvage(str(error)):
                    continue
                if not complained:
                    log.error('journal.away reason="%s" note="nothing is acknowledged until it is back"', error)
                    self.disk_trouble = DiskTrouble(time.time_ns(), str(error))
                    complained = True
                if not damaged and is_full(error, self._journal.path) and self._make_room(dead):
                    continue
                if stop.wait(DISK_RETRY_S):
                    for letter in dead:  # the last commit, if there is one, takes them
                        self._dead.put(letter)
                    self._kept = {}  # of what is not committed, and will be decoded again
                    return False
        if complained:
            log.warning("journal.back dropped=%d", self._journal.figures.dropped)
            self.disk_trouble = None
        self._machines, self._lines, self._kept = len(fleet.machines), len(fleet.lines), {}
        self._sequence = sequence or self._sequence
        if command is None or command.verb != "label":  # which repeats a closing, with the name it has been given
            incident_log.say(points)
        return True

    def _make_room(self, dead: list[Dead]) -> bool:
        """The disk is full: let go of what is least needed. False where nothing was left to let go of."""
        try:
            with self.deliveries.settling() as (progress, others):
                dead += [self._dead.get() for _ in range(self._dead.qsize())]
                gave = self._journal.make_room(self._covered, progress, dead, others)
        except sqlite3.DatabaseError as error:
            return is_damage(error, self._journal.path) and self._salvage(str(error))
        dead.clear()
        return gave

    def _salvage(self, reason: str) -> bool:
        """The journal has turned out to be damaged: go on with what is whole of it, and secure what was learned.

        False where there is no room for that now.
        """
        try:
            with self.deliveries.settling() as (progress, others):
                self._journal.salvage(reason, progress, others)
        except (sqlite3.OperationalError, OSError) as error:
            if not self._unmended:
                log.error('journal.damaged reason="%s" salvage="%s" note="trying again"', reason, error)
            self._unmended = True
            return False
        self._unmended = False
        self.deliveries.mended()
        self._snapshot_due = 0.0
        return True

    def _tidy(self) -> None:
        """Keep the reserve, and give disk and memory back after an outage; none of it matters today."""
        give_back()
        try:
            self._journal.refill()
            self._journal.shrink()
        except sqlite3.DatabaseError as error:
            if is_damage(error, self._journal.path):
                self._salvage(str(error))

    def counters(self, source: Source) -> dict[str, float | int | str | bool]:
        """Our own counters; for the main thread."""
        fields: dict[str, float | int | str | bool] = {
            "messages": self.messages,
            "readings": self.readings,
            "machines": len(self.engine.fleet.machines),
            "late": self.engine.late,
            "redelivered": self._redelivery.redelivered,
            "refused": self.refused.total(),
            "points": self._journal.figures.accepted,
            "outbox": self._journal.figures.waiting,
            "outbox_bytes": self._journal.figures.waiting_bytes,
            "journal_bytes": self._journal.readings_bytes,
            "dropped": self._journal.figures.dropped,
            "delivered": self.delivery.delivered,
            "buried": self.delivery.buried,
            "lag_s": self._lag_s,
        }
        fields |= self.deliveries.figures(self._journal.outboxes)
        fields |= self.volume.figures(self._journal.figures.accepted_bytes)
        fields |= figures(self._folder)
        fields |= source.counters()
        fields |= self.further_figures()
        return fields | {f"refused_{cause}": count for cause, count in self.refused.items()}

    def _health(self, source: Source) -> Point:
        """Our own counters as a point."""
        fields = self.counters(source)
        self._lag_s = 0.0
        return Point("service", (("host", socket.gethostname()),), fields, time.time_ns())

    def _is_behind(self, stop: threading.Event) -> bool:
        """Whether so much waits for a snapshot that for a moment nothing is taken, and so nothing acknowledged."""
        return self._journal.readings_bytes > MOST_JOURNALS * self._limits.journal_bytes and (
            not stop.wait(DISK_RETRY_S)
        )

    def _keep_snapshots(self, now: float) -> None:
        """Write a snapshot where it is time, by the monotonic clock, or where the journal is full."""
        if self._writing is not None and not self._writing.is_alive():
            self._snapshot_written()
        full = self._journal.readings_bytes > self._limits.journal_bytes
        if now >= self._snapshot_due or (full and now >= self._snapshot_due - self._snapshot_every_s + DISK_RETRY_S):
            self._snapshot()
            self._snapshot_due = now + self._snapshot_every_s

    def _snapshot(self) -> None:
        """Begin to write a snapshot, unless the newest covers the last batch or is still on its way."""
        if self._writing is None and self._sequence != max(self._snapshots.sequences(), default=0):
            self._writing = Writing(self._snapshots, self._sequence, self.engine.fleet.snapshot())
            self._writing.start()

    def _snapshot_written(self) -> None:
        """Let the journal forget what the oldest kept snapshot covers; if it is too large, what the newest covers."""
        writing, self._writing = self._writing, None
        if writing is not None and writing.failure is not None:
            log.error('snapshot.failed reason="%s" note="the journal grows until one succeeds"', writing.failure)
            return
        kept = self._snapshots.sequences()
        self._covered = kept[0]
        try:
            if len(kept) == GENERATIONS:
                self._journal.prune(kept[-1])
            if self._journal.readings_bytes > self._limits.journal_bytes:
                self._journal.prune(kept[0])
        except sqlite3.DatabaseError as error:
            if not is_damage(error, self._journal.path) or not self._salvage(str(error)):
                log.error('journal.prune_failed reason="%s" note="the next snapshot tries again"', error)

    def _snapshot_to_its_end(self) -> None:
        if self._writing is not None:
            self._writing.join()
            self._snapshot_written()

    def _close(self) -> None:
        self._over = True
        while not self._wishes.empty():
            self._wishes.get()[1].set_exception(TimeoutError(STOPPED))
        self._deliver.set()
        self.deliveries.join(5.0)
        with self._files_may_run_out(self._deliver):
            self._snapshot_to_its_end()
        if self.deliveries.unsettled():
            self._commit(None, [], self._deliver)
        self._journal.close()
        self._lock.close()
