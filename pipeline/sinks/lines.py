"""Points as line protocol, the text that every InfluxDB takes."""

import math
from collections.abc import Iterable
from functools import lru_cache

from pipeline.records import Point

_NAME = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": " ", "\r": " ", "\t": " "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": " ", "\r": " ", "\t": " "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})


@lru_cache(maxsize=4_096)
def _name(text: str) -> str:
    """A tag or field name, or a tag's value. A backslash at its end would escape what follows, so it goes."""
    return text.rstrip("\\").translate(_NAME)


def _value(value: float | int | str | bool) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, str):
        return _text(value)
    return repr(value) if math.isfinite(value) else None


@lru_cache(maxsize=65_536)
def _series(measurement: str, tags: tuple[tuple[str, str], ...]) -> str:
    """The head of a line, the same for every point of a series."""
    own = "".join(f",{_name(key)}={text}" for key, value in tags if (text := _name(value)))
    return measurement.translate(_MEASUREMENT) + own


@lru_cache(maxsize=4_096)
def _text(value: str) -> str:
    """A text as a field's value; few different ones are written again and again."""
    return f'"{value.translate(_TEXT)}"'


def line(point: Point) -> str | None:
    """One line; None for a point without a field that can be written. Numbers that are not finite are left out."""
    fields = [f"{_name(key)}={text}" for key, value in point.fields.items() if (text := _value(value)) is not None]
    if not fields:
        return None
    return f"{_series(point.measurement, point.tags)} {','.join(fields)} {point.time_ns}"


def lines(points: Iterable[Point]) -> str:
    """Lines of all points that have any."""
    return "\n".join([text for point in points if (text := line(point)) is not None])
