"""InfluxDB line protocol: one line a row, many lines a message.

    motor,machine=press-1,axis=x rms=0.31,rpm=1480i 1717000000000000000

A series in InfluxDB is a measurement with its tags. So a sensor is named after both, `motor.x.rms` here: two series
of one machine are never taken for one sensor. `Source.machine` says which tag names the machine, where the topic does
not; a tag that repeats what the topic says is left out of the name. `Source.tags` and `Source.measurement` make names
shorter where a person knows that they stay unique.

Numbers, integers (`i`), unsigned ones (`u`) and booleans (0 and 1) are readings; strings are refused. A line that is
wrong disturbs no other. A line without a time stamp has the time of arrival. Format after the public reference of
InfluxDB ("Line protocol").
"""

import re

from pipeline.config.settings import Source
from pipeline.payloads.collection import LONGEST_INTEGER, Collection, number
from pipeline.payloads.decoded import Cause, Decoded, Route, Window, refusal
from pipeline.payloads.stamps import unix_time
from pipeline.records import Machine
from pipeline.topics import Captures, escaped

# Possessive quantifiers (`++`): a text that does not match costs time in proportion to its length, and no more.
_SERIES = re.compile(r"((?:[^,\s\\]|\\[^\n])++)((?:,(?:[^,=\s\\]|\\[^\n])++=(?:[^,=\s\\]|\\[^\n])++)*+) ++")
_TAG = re.compile(r",((?:[^,=\\]|\\.)++)=((?:[^,=\\]|\\.)++)")
_FIELD = re.compile(
    r'((?:[^,=\s\\]|\\[^\n])++)=(?:"((?:[^"\\]|\\.)*+)"|([^,\s"]++))'
    r"(?:(,)|(?: ++(-?[0-9]{1,40}+))? *+(?:\r?\n|\Z))",
    re.DOTALL,
)
_INTEGER = re.compile(r"([+-]?[0-9]++)[iu]")
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0),
}


class Influx:
    """The format `influx`, as one source sets it."""

    def __init__(self, source: Source, window: Window) -> None:
        self._machine = source.machine
        self._tags = None if source.tags is None else frozenset(source.tags)
        self._measurement = source.measurement
        self._unit = "ns" if source.time_unit == "auto" else source.time_unit
        self._window = window

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        known = {captures.machine, *(level for _, level in captures.tags)}

        def decode(payload: bytes, received_ns: int) -> Decoded:
            try:
                text = payload.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                return refusal(Cause.NOT_LINE, str(error))
            taken = Collection(self._window, received_ns)
            at, size = 0, len(text)
            while at < size:
                if text[at] in " \t\r\n":
                    at += 1
                elif text[at] == "#":
                    at = _next_line(text, at)
                else:
                    at = self._line(text, at, captures, known, taken)
            return taken.decoded()

        return decode

    def _line(self, text: str, at: int, captures: Captures, known: set[str | None], taken: Collection) -> int:
        """Take one line; returns where the next begins."""
        series = _SERIES.match(text, at)
        if series is None:
            taken.refuse(Cause.NOT_LINE, text[at : at + 80].split("\n")[0])
            return _next_line(text, at)
        begin, at = at, series.end()
        fields: list[tuple[str, str | None]] = []
        stamp = None
        while True:
            field = _FIELD.match(text, at)
            if field is None:
                taken.refuse(Cause.NOT_LINE, text[begin : begin + 80].split("\n")[0])
                return _next_line(text, at)
            at = field.end()
            fields.append((field[1], field[3]))
            if field[4] is None:
                stamp = field[5]
                break
        tags = {_plain(key): _plain(value) for key, value in sorted(_TAG.findall(series[2]))}
        name = captures.machine
        if name is None:
            if self._machine is None or self._machine not in tags:
                taken.refuse(Cause.NO_MACHINE, self._machine or "")
                return at
            name = escaped(tags.pop(self._machine))
            if not taken.named(name):
                return at
        time_ns = taken.received_ns if stamp is None else unix_time(int(stamp), self._unit)
        if taken.believes(time_ns, series[1][:40]):
            told = [
                value
                for key, value in tags.items()
                if (value not in known if self._tags is None else key in self._tags)
            ]
            before = [_plain(series[1]), *told] if self._measurement else told
            self._fields(fields, before, Machine(name, captures.tags), captures.sensor, time_ns, taken)
        return at

    def _fields(
        self,
        fields: list[tuple[str, str | None]],
        before: list[str],
        machine: Machine,
        sensor: str | None,
        time_ns: int,
        taken: Collection,
    ) -> None:
        """Take the fields of a line; `before`: what their names begin with."""
        for key, text in fields:
            name = escaped(".".join([*before, _plain(key)]))
            if sensor is not None:
                name = sensor if key == "value" else f"{sensor}.{name}"
            if not taken.named(name):
                continue
            value = Cause.TEXT if text is None else _value(text)
            if isinstance(value, Cause):
                taken.refuse(value, name)
            else:
                taken.add(machine, name, time_ns, value)


def _value(text: str) -> float | Cause:
    """The value of a field that is not in quotes."""
    integer = _INTEGER.fullmatch(text)
    if integer is not None:
        return float(integer[1]) if len(text) <= LONGEST_INTEGER else Cause.MAGNITUDE
    return _BOOLEANS[text] if text in _BOOLEANS else number(text)


def _plain(text: str) -> str:
    """A name without the backslashes that its commas, blanks and equal signs need."""
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text


def _next_line(text: str, at: int) -> int:
    """Where the next line begins."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
