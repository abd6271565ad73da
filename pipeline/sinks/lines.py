"""Points as line protocol, the text that every InfluxDB takes.

A point is one line, whatever its names and texts hold: they come from topics and payloads, and a line break let
through would end the point and begin another one of the sender's choice. What the protocol cannot say is replaced by
the nearest it can: line breaks (and, in names, tabs) by blanks, and a backslash that would escape what follows it by
a slash.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from pipeline.records import Point

_BLANK = "\\ "
_MEASUREMENT = str.maketrans({",": "\\,", " ": _BLANK, "\n": _BLANK, "\r": _BLANK, "\t": _BLANK})
_BLANKS = str.maketrans("\n\r\t", "   ")
_NAME = _MEASUREMENT | str.maketrans({"=": "\\="})
# InfluxDB takes a line break within quotes; VictoriaMetrics cuts there and reads the rest as a point of its own.
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " "})
WORD = 32  # characters: names of states, sensors and qualities
_ESCAPING = re.compile(r"\\(?=\\*(?:[,= \n\r\t]|\Z))")


def stored(text: str) -> str:
    """A tag's name or value as a database has it. A slash, and not nothing, so that `a` and `a\\` stay two series."""
    return _ESCAPING.sub("/", text).translate(_BLANKS)


@lru_cache(maxsize=4_096)
def _name(text: str) -> str:
    """A tag or field name, or a tag's value."""
    return _ESCAPING.sub("/", text).translate(_NAME)


def _value(value: float | int | str | bool) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, str):
        return _text(value) if len(value) <= WORD else _text.__wrapped__(value)  # a sentence is not written again
    return float.__repr__(value) if math.isfinite(value) else None  # numpy's own repr is no number


@lru_cache(maxsize=65_536)
def _series(measurement: str, tags: tuple[tuple[str, str], ...]) -> str:
    """The head of a line, the same for every point of a series."""
    own = "".join(f",{_name(key)}={text}" for key, value in tags if (text := _name(value)))
    name = _ESCAPING.sub("/", measurement).translate(_MEASUREMENT)
    return f"_{name[1:]}{own}" if name.startswith("#") else name + own  # a line that begins with # is a comment


@lru_cache(maxsize=4_096)
def _text(value: str) -> str:
    """A text as a field's value; few different ones are written again and again."""
    return f'"{value.translate(_TEXT)}"'


def line(point: Point) -> str | None:
    """One line; None for a point without a field that can be written. Numbers that are not finite are left out."""
    fields = [f"{_name(key)}={text}" for key, value in point.fields.items() if (text := _value(value)) is not None]
    if not fields:
        return None
    series = _series.__wrapped__ if point.measurement == "incident" else _series  # an incident's is soon of the past
    return f"{series(point.measurement, point.tags)} {','.join(fields)} {point.time_ns}"


def lines(points: Iterable[Point]) -> str:
    """Lines of all points that have any."""
    return "\n".join([text for point in points if (text := line(point)) is not None])
