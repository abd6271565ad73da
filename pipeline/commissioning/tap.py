"""What becomes of one live message, in words: its machine and sensors, and what is ignored and why."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline.payloads import Cause, Decoded
from pipeline.payloads.decoded import Gone, Noted
from pipeline.records import Message

WHY: Mapping[Cause, str] = {
    Cause.UNKNOWN_TOPIC: "no source of the configuration matches the topic",
    Cause.EMPTY: "the payload is empty",
    Cause.RETAINED: "stored by the broker, of unknown age; retained: accept takes it",
    Cause.IGNORED: "the source ignores all that is in it",
    Cause.TOO_LARGE: "larger than limits.message_bytes, or more samples than a waveform may have",
    Cause.NOT_NUMBER: "not a single number, as payload: number requires",
    Cause.NOT_JSON: "not JSON, as payload: json requires",
    Cause.NOT_CBOR: "not CBOR, as payload: cbor requires",
    Cause.NOT_MSGPACK: "not MessagePack, as payload: msgpack requires",
    Cause.NOT_SENML: "not SenML, as payload: senml requires",
    Cause.NOT_LINE: "not a line of line protocol, as payload: influx requires",
    Cause.NOT_CSV: "not a row of as many cells as there are columns, as payload: csv requires",
    Cause.NOT_SPARKPLUG: "not Sparkplug B, as payload: sparkplug requires",
    Cause.NOT_COMPRESSED: "not in the wrapping that compression says",
    Cause.NO_BIRTH: "no birth of its node or device says what it is; a rebirth is asked for",
    Cause.BIRTHS_FULL: "more nodes or metrics than one source remembers",
    Cause.TOO_DEEP: "too many nested objects",
    Cause.SHAPE: "an array, or a value, where it cannot be used",
    Cause.DUPLICATE_KEY: "the key occurs more than once; the last one counts",
    Cause.NO_MACHINE: "neither topic nor payload names the machine",
    Cause.NO_SENSOR: "neither topic nor payload names the sensor",
    Cause.BAD_NAME: "not a name: empty, too long or not printable",
    Cause.NO_TIME: "the configured time field is missing",
    Cause.BAD_TIME: "not a time in the configured unit",
    Cause.TIME_FUTURE: "further ahead of its arrival than times.future",
    Cause.TIME_PAST: "before times.oldest: from a clock that was never set?",
    Cause.BAD_QUALITY: "its quality is not one of those in good",
    Cause.NO_VALUE: "a sample without the configured value",
    Cause.MISSING_VALUE: "a value that stands for no reading (missing)",
    Cause.OUT_OF_RANGE: "outside its range (valid)",
    Cause.UNKNOWN_STATE: "a state that states does not list",
    Cause.NAN: "not a number (NaN)",
    Cause.INFINITE: "infinite",
    Cause.MAGNITUDE: "larger than 1e100",
    Cause.NULL: "null",
    Cause.TEXT: "text, not a number; number_text or states can read some",
    Cause.BOOLEAN: "true or false, not a number; states can read them",
    Cause.PART_SAMPLE: "no whole number of samples for every channel: are waveform.type and channels right?",
    Cause.NOT_BASE64: "not base64",
    Cause.SHORT_BLOCK: "a block of too few samples, or too short for this feature's frequency",
    Cause.CONSTANT_BLOCK: "all samples of the block are equal, so this feature does not exist",
    Cause.BEYOND_RATE: "the feature's frequency is above what the rate, or the band of the envelope, can hold",
    Cause.NO_RATE: "no rate where waveform.rate_path says",
    Cause.NO_SPEED: "no shaft speed above 0 where waveform.speed_path says",
    Cause.BINARY: "bytes, or another kind of value that stands for no number",
    Cause.DATETIME: "a point in time, not a measurement",
    Cause.DATASET: "a table, not a number",
    Cause.TEMPLATE: "a structure, not a number",
}
NOTED = "understood, and nothing to score"
OURS = "published by the service itself"


class Value(NamedTuple):
    """One reading of a message."""

    machine: str
    tags: Mapping[str, str]
    sensor: str
    value: float
    time: str  # ISO 8601


class Ignored(NamedTuple):
    """One part of a message that gave no reading, or all of it."""

    cause: str  # as its counter is labelled; `ours` for what we say ourselves, `noted` where nothing is wrong
    why: str
    where: str  # field or topic; may be empty


class Told(NamedTuple):
    """All that became of a message."""

    topic: str
    readings: tuple[Value, ...]
    ignored: tuple[Ignored, ...]


def tell(message: Message, decoded: Decoded, client_id: str) -> Told:
    """What became of a message. Topics below `client_id` that no source matches are the service's own."""
    readings = tuple(
        Value(one.machine.name, dict(one.machine.tags), one.sensor, one.value, moment(one.time_ns))
        for one in decoded.readings
    )
    ignored = tuple(Ignored(str(cause), WHY[cause], where) for cause, where in decoded.refused)
    unknown = [one.cause == Cause.UNKNOWN_TOPIC for one in ignored]
    if not readings and not ignored and decoded.events:
        ignored = (Ignored("noted", NOTED, _noted(decoded)),)
    if message.topic.startswith(f"{client_id}/") and all(unknown):
        ignored = (Ignored("ours", OURS, ""),)
    return Told(message.topic, readings, ignored)


def _noted(decoded: Decoded) -> str:
    """What a message without readings has said; empty where there is no more to it."""
    told = [one.what for one in decoded.events if isinstance(one, Noted)]
    gone = [machine.name for one in decoded.events if isinstance(one, Gone) for machine in one.machines]
    return ", ".join([*told, *([f"silent from now on: {', '.join(gone)}"] if gone else [])])


def moment(time_ns: int) -> str:
    """To the millisecond, in UTC."""
    return datetime.fromtimestamp(time_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds")


def in_words(told: Told) -> list[str]:
    """Lines for a terminal: one for each machine of the message, one for each part that is ignored."""
    lines = []
    machines: dict[tuple[str, tuple[tuple[str, str], ...]], list[Value]] = {}
    for one in told.readings:
        machines.setdefault((one.machine, tuple(one.tags.items())), []).append(one)
    for (machine, tags), values in machines.items():
        names = " ".join([f"machine={machine}", *(f"{key}={text}" for key, text in tags)])
        lines.append(f"{told.topic} -> {names}: {', '.join(f'{one.sensor}={one.value:g}' for one in values)}")
    for cause, why, where in told.ignored:
        about = f" ({where})" if where and where != told.topic else ""
        lines.append(f"{told.topic} -> ignored, {cause}{about}: {why}")
    return [repr(line)[1:-1] if not line.isprintable() else line for line in lines]
