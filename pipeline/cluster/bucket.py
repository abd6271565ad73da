"""A bucket: the engine of all machines whose identity hashes to it, as one unit of state. Pure; knows no Spark.

1. What a bucket says of its machines depends on the messages of its log, in their order, and on nothing else: not on
   how they were split into batches, on how many buckets there are, or on a dump and load in between.
2. A message that comes twice counts once: each sender numbers its own.
3. No message ends anything: what cannot be read, or done, is counted by its cause.

So a dump and the messages since then are a bucket, too, and cost less to keep than a dump after every batch.

What machines of different buckets know of each other is not here: named faults and the ageing ranks of a kind are
those of this bucket's machines. Nor is what an engine keeps of this life only: late readings and silence.
"""

import io
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from pipeline.cluster.messages import Rows, Said, UnreadableError, bucket_of, read, read_columns, read_named
from pipeline.engine.commands import Command, CommandError, audit
from pipeline.engine.earlier import SnapshotError
from pipeline.engine.engine import Engine
from pipeline.engine.fleet import IGNORED, NO_ROOM, LaterFormatError
from pipeline.records import Ints, Point, Readings
from pipeline.storage.snapshots import LaterVersionError, arrays_of, later, write_arrays
from pipeline.storage.snapshots import UnreadableError as DamagedError

FORMAT = 1  # of what a dump says beside its fleet
SENDERS = 256  # that a bucket knows the newest message of; the one that was heard least recently goes first
SPARE_ENTRIES = 1_000  # of names that are remembered as they are written, beside four of each machine


class OtherStateError(Exception):
    """A dump is not one of this bucket, or not one that this version reads; the message says what would be."""


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What a dump says beside its fleet."""

    format: int
    bucket: int
    buckets: int
    senders: dict[int, int]
    counts: dict[str, int]


class Bucket:
    """The machines of one bucket."""

    def __init__(self, number: int, buckets: int, engine: Engine) -> None:
        """`engine` knows no machine yet; `buckets` is how many there are."""
        self.number, self.buckets = number, buckets
        self.engine = engine
        self.counts: Counter[str] = Counter()  # readings, repeated, and refused by cause
        self.refusals: dict[str, str] = {}  # of the last step, by cause: what was wrong with the first
        self._senders: dict[int, int] = {}  # the newest message of each, least recent first
        self._entries: dict[bytes, tuple[int, Ints]] = {}  # slot and lines of names, as they are written

    def step(self, messages: Iterable[bytes]) -> list[Point]:
        """The points of messages, in the order of the log."""
        self.refusals = {}
        points: list[Point] = []
        gathered: list[Readings] = []
        for payload in messages:
            try:
                message = read(payload, self.number, self.buckets)
                if self._repeated(message.header.sender, message.header.number):
                    continue
                if isinstance(message, Rows):
                    gathered.append(self._readings(message))
                    continue
            except UnreadableError as error:
                self._refuse(*error.args)
                continue
            points += self._score(gathered)
            gathered = []
            points += self._obey(message)
        return points + self._score(gathered)

    def told(self, time_ns: int) -> Point:
        """What was counted so far, with what was wrong in the last step, as a point of that time."""
        fields: dict[str, float | int | str | bool] = {
            "machines": len(self.engine.fleet.machines),
            "sensors": len(self.engine.fleet.lines),
            **self.counts,
        }
        if self.refusals:
            fields["refused"] = "; ".join(f"{cause}: {detail}" for cause, detail in self.refusals.items())
        return Point("bucket", (("bucket", str(self.number)),), fields, time_ns)

    def dump(self) -> bytes:
        """All that the bucket knows."""
        kept = Kept(FORMAT, self.number, self.buckets, self._senders, dict(self.counts))
        out = io.BytesIO()
        whole = {"bucket": np.frombuffer(msgspec.json.encode(kept), np.uint8), **self.engine.fleet.snapshot()}
        write_arrays(out, 0, whole)
        return out.getvalue()

    @classmethod
    def load(cls, number: int, buckets: int, engine: Engine, data: bytes) -> "Bucket":
        """The bucket that was dumped; raises OtherStateError. `engine` knows no machine yet."""
        try:
            arrays = arrays_of(data, 0)
            kept = msgspec.json.decode(arrays.pop("bucket").tobytes(), type=Kept)
            if kept.format != FORMAT:
                raise OtherStateError(f"state of format {kept.format}; this version reads {FORMAT}")
            if (kept.bucket, kept.buckets) != (number, buckets):
                raise OtherStateError(
                    f"state of bucket {kept.bucket} of {kept.buckets}, asked for as bucket {number} of {buckets}; "
                    "how many buckets there are is fixed for the life of a checkpoint"
                )
            engine.fleet.restore(arrays)
        except LaterFormatError as error:
            raise OtherStateError(f"state of bucket {number}: {later(None, *error.args)}") from None
        except (DamagedError, LaterVersionError, SnapshotError, msgspec.MsgspecError) as error:
            raise OtherStateError(f"state of bucket {number}: {error}") from None
        except KeyError as error:
            raise OtherStateError(f"state of bucket {number}: it lacks {error}") from None
        bucket = cls(number, buckets, engine)
        bucket.counts.update(kept.counts)
        bucket._senders = kept.senders
        return bucket

    def _repeated(self, sender: int, number: int) -> bool:
        """Whether a message came before; if not, it has now."""
        newest = self._senders.pop(sender, 0)
        self._senders[sender] = max(newest, number)
        if len(self._senders) > SENDERS:
            del self._senders[next(iter(self._senders))]
        if number > newest:
            return False
        self.counts["repeated"] += 1
        return True

    def _refuse(self, cause: str, detail: str, count: int = 1) -> None:
        self.refusals.setdefault(cause, detail)
        self.counts[f"refused_{cause}"] += count

    def _readings(self, message: Rows) -> Readings:
        """Rows of numbers; discovers machines and sensors."""
        entries = [bytes(entry) for entry in message.machines]
        unknown = {entry: read_named(entry) for entry in entries if entry not in self._entries}
        for machine, _ in unknown.values():
            if bucket_of(machine, self.buckets) != self.number:
                raise UnreadableError("bucket", f"{machine.name} is not of bucket {self.number}")
        sensors = sum(len(unknown[one].sensors) if one in unknown else len(self._entries[one][1]) for one in entries)
        sensor, time_ns, value, ends = read_columns(message, sensors)
        if len(self._entries) > 4 * len(self.engine.fleet.machines) + SPARE_ENTRIES:
            self._entries = {entry: self._entries[entry] for entry in entries if entry in self._entries}
        for entry, (machine, names) in unknown.items():
            numbers = [self.engine.fleet.number(machine, name) for name in names]
            lines = np.array([line for _, line in numbers], np.int64)
            self._entries[entry] = max((slot for slot, _ in numbers), default=-1), lines
        known = [self._entries[entry] for entry in entries]
        none = np.zeros(0, np.int64)
        line = np.concatenate([none, *(lines for _, lines in known)])[sensor]
        slot = np.repeat([slot for slot, _ in known], [len(lines) for _, lines in known])[sensor]
        kept = line >= 0
        if not kept.all():
            full = int(np.count_nonzero(line == NO_ROOM))
            others = int(np.count_nonzero(~kept & (line != IGNORED))) - full
            for cause, count in (("no_room", full), ("no_room_group", others)):
                if count:
                    self._refuse(cause, "a limit of `limits` is reached in this bucket", count)
            row: Ints = (np.cumsum(ends) - ends)[kept]
            slot, line, time_ns, value = slot[kept], line[kept], time_ns[kept], value[kept]
            ends = np.append(row[1:] != row[:-1], True)[: len(row)]
        self.counts["readings"] += len(line)
        return Readings(slot, line, time_ns, value, ends)

    def _score(self, gathered: Sequence[Readings]) -> list[Point]:
        if not gathered:
            return []
        readings = Readings(*(np.concatenate(columns) for columns in zip(*gathered, strict=True)))
        return self.engine.points(self.engine.step(readings))

    def _obey(self, message: Said) -> list[Point]:
        """Do what somebody says; a point tells of it, also where it cannot be done."""
        command: Command = message.command
        try:
            return self.engine.apply(command)
        except CommandError as error:
            self._refuse("command", f"{command.verb} to {command.machine.name}: {error}")
            tags = tuple(sorted((("machine", command.machine.name), *command.machine.tags)))
            told = audit(command, tags)
            return [told._replace(fields={**told.fields, "refused": str(error)})]
