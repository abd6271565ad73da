"""What decoding a message gives: readings, and a named refusal for every part that gave none.

The promise of every format: a bad part disturbs no other reading of its message, and is counted by its cause.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pipeline.records import Machine, Reading
from pipeline.topics import escaped

MAX_NAMES = 10_000  # names that one source remembers having checked, of each kind; starts over when full
MAX_DEPTH = 8  # arrays and objects inside one another; judgement: real payloads have two to four
MAX_NAME = 128  # characters of a machine's, sensor's or tag's name
DETAILED = 100  # refusals of one message that say where; the others only count


class Cause(StrEnum):
    """Why a message, or a part of one, gave no reading. The text is the label of its counter."""

    # the message
    UNKNOWN_TOPIC = "unknown_topic"  # no source matches
    EMPTY = "empty"  # no bytes, or nothing in them: `{}`, `[]`
    RETAINED = "retained"  # stored by the broker before we subscribed, and the source does not accept that
    IGNORED = "ignored"  # nothing in it but sensors that the source ignores
    TOO_LARGE = "too_large"  # more bytes than `limits.message_bytes`; more samples or blocks than a waveform may have
    NOT_NUMBER = "not_number"  # not one decimal number in ASCII
    NOT_JSON = "not_json"  # not one JSON value in UTF-8
    NOT_CBOR = "not_cbor"  # not one CBOR value
    NOT_MSGPACK = "not_msgpack"  # not one MessagePack value
    NOT_SENML = "not_senml"  # not a SenML pack, or a record of one that the standard does not allow
    NOT_LINE = "not_line"  # a line that is not line protocol; or the whole is not text in UTF-8
    NOT_CSV = "not_csv"  # a row with more or fewer cells than there are columns; or the whole is not text in UTF-8
    NOT_SPARKPLUG = "not_sparkplug"  # not a Sparkplug B payload, or a topic that Sparkplug does not have
    NOT_COMPRESSED = "not_compressed"  # not gzip or zlib, as the source says it is
    # its shape
    TOO_DEEP = "too_deep"  # more than MAX_DEPTH arrays and objects inside one another
    SHAPE = "shape"  # an array where a value belongs, or no `samples` where they should be
    DUPLICATE_KEY = "duplicate_key"  # an earlier value of a key that an object has again; the last one counts
    # definitions that a Sparkplug node gives at its birth
    NO_BIRTH = "no_birth"  # an alias, or a metric without a data type, that no birth has defined
    BIRTHS_FULL = "births_full"  # more nodes or metrics than one source remembers
    # names
    NO_MACHINE = "no_machine"  # neither topic nor payload names the machine
    NO_SENSOR = "no_sensor"  # a bare value, and the topic names no sensor; or a sample without its `sensor`
    BAD_NAME = "bad_name"  # empty or too long; of a topic's level also: not printable
    # time; one refusal per sample, however many values it holds
    NO_TIME = "no_time"  # the configured time field is missing
    BAD_TIME = "bad_time"  # it is not a time in the configured unit
    TIME_FUTURE = "time_future"  # later than arrival plus `times.future`
    TIME_PAST = "time_past"  # before `times.oldest`
    # quality; one refusal per sample
    BAD_QUALITY = "bad_quality"  # none of those that `good` lists
    # values
    NO_VALUE = "no_value"  # a sample without the field that `value` says
    MISSING_VALUE = "missing_value"  # one of those that `missing` lists
    OUT_OF_RANGE = "out_of_range"  # outside what `valid` says
    UNKNOWN_STATE = "unknown_state"  # a word that `states` does not list for its sensor
    NAN = "nan"
    INFINITE = "infinite"
    MAGNITUDE = "magnitude"  # a number beyond MAX_MAGNITUDE
    NULL = "null"
    TEXT = "text"  # a number written as text, where the source does not say `number_text`; any other text
    BOOLEAN = "boolean"
    BINARY = "binary"  # bytes, or another kind of value that stands for no number
    DATETIME = "datetime"  # a point in time that is a value
    DATASET = "dataset"  # a table that is one Sparkplug metric
    TEMPLATE = "template"  # a structure that is one Sparkplug metric
    # blocks of samples, and single features of them: `pipeline.waveforms.refusals`
    PART_SAMPLE = "part_sample"  # no whole number of samples for every channel
    NOT_BASE64 = "not_base64"
    SHORT_BLOCK = "short_block"  # too few samples, or too short a time for a frequency
    CONSTANT_BLOCK = "constant_block"  # all samples are equal, so there is no crest factor, kurtosis or skewness
    BEYOND_RATE = "beyond_rate"  # a frequency above what the rate, or the band of the envelope, can hold
    NO_RATE = "no_rate"  # neither the configuration nor the payload has a rate
    NO_SPEED = "no_speed"  # the configured shaft speed is missing or not above 0


class Refusal(NamedTuple):
    """One bad part of a message. `detail` says where, is printable, and is short."""

    cause: Cause
    detail: str


class Gone(NamedTuple):
    """Machines that are said to have stopped sending."""

    machines: tuple[Machine, ...]


class Request(NamedTuple):
    """Something to publish, at QoS 0: what the format needs from the publisher to go on."""

    topic: str
    payload: bytes


class Kept(NamedTuple):
    """What the format has to know after a restart, to be committed with the readings of its message.

    It replaces what was kept under this key before; nothing is kept where `content` is empty.
    """

    key: str  # a topic; behind a `#` which of several
    content: bytes


class Noted(NamedTuple):
    """The message was understood, and there is nothing to score or to refuse in it (yet)."""

    what: str


Event = Gone | Request | Kept | Noted


class Decoded(NamedTuple):
    """What one message held; never nothing at all, so that every message is either scored or counted, or is noted.

    Readings of one machine and one time are adjacent and in the order of the payload. Events are of formats that are
    a conversation (Sparkplug), and there are few; the readings of a message come before its events.
    """

    readings: Sequence[Reading]
    refused: Sequence[Refusal]
    events: Sequence[Event] = ()


class Window(NamedTuple):
    """The times that are believed, Unix nanoseconds."""

    oldest_ns: int
    future_ns: int  # beyond the arrival of the message

    def beyond(self, time_ns: int, received_ns: int) -> Cause | None:
        """Why a time in a message that arrived at `received_ns` is not believed; None where it is."""
        if time_ns < self.oldest_ns:
            return Cause.TIME_PAST
        return Cause.TIME_FUTURE if time_ns > received_ns + self.future_ns else None


# Decodes the payloads of one topic: (payload, Unix time of arrival in nanoseconds) -> Decoded.
Route = Callable[[bytes, int], Decoded]

_UNTOLD = {cause: Refusal(cause, f"beyond the first {DETAILED} of its message") for cause in Cause}


def refuse(refused: list[Refusal], cause: Cause, detail: str = "") -> None:
    """Count one bad part. What it allocates is bounded, so that a hostile message cannot fill the memory."""
    if len(refused) < DETAILED:
        # repr: a name from outside may hold line breaks or terminal codes, and this text goes to a log.
        refused.append(Refusal(cause, repr(detail[:80])[1:-1]))
    else:
        refused.append(_UNTOLD[cause])


def refusal(cause: Cause, detail: str = "") -> Decoded:
    """A message that gave nothing, for one cause."""
    refused: list[Refusal] = []
    refuse(refused, cause, detail)
    return Decoded((), refused)


def is_name(text: str) -> bool:
    """Whether `text` can name a machine, a sensor or a tag: also in our own topics, and in a database."""
    return (
        0 < len(text) <= MAX_NAME and text.isprintable() and "/" not in text and "+" not in text and "#" not in text
    )


def as_name(text: str) -> str:
    """A name from a payload as we call it, escaped where it must be; empty where it cannot be one."""
    if is_name(text) and "%" not in text and text[0] != " " and text[-1] != " ":
        return text
    if len(text) > MAX_NAME:
        return ""
    text = escaped(text)
    return text if is_name(text) else ""
