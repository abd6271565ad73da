"""Points as line protocol, the text that every InfluxDB takes."""

import math
from collections.abc import Iterable

from pipeline.records import Point

_NAME = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": " ", "\r": " ", "\t": " "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": " ", "\r": " ", "\t": " "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})


def _name(text: str) -> str:
    """A tag or field name, or a tag's value. A backslash at its end would escape what follows, so it goes."""
    return text.rstrip("\\").translate(_NAME)


def _value(value: float | int | str | bool) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"'
    return repr(value) if math.isfinite(value) else None


def line(point: Point) -> str | None:
    """One line; None for a point without a field that can be written. Numbers that are not finite are left out."""
    fields = [f"{_name(key)}={text}" for key, value in point.fields.items() if (text := _value(value)) is not None]
    if not fields:
        return None
    tags = "".join(f",{_name(key)}={text}" for key, value in point.tags if (text := _name(value)))
    return f"{point.measurement.translate(_MEASUREMENT)}{tags} {','.join(fields)} {point.time_ns}"


def lines(points: Iterable[Point]) -> str:
    """Lines of all points that have any."""
    return "\n".join([text for point in points if (text := line(point)) is not None])
