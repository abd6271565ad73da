"""Files of JSON to columns: an object per line, or one array of objects.

Objects within objects become names with dots, as payloads have them. A line that is not JSON is an error that names
it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import numpy as np

from pipeline.recordings.reading.choices import Found, TableError, counted
from pipeline.recordings.reading.delimited import Columns
from pipeline.recordings.reading.source import Opener, head

if TYPE_CHECKING:
    import pandas as pd

MOST_DEPTH = 16
MOST_NAMES = 10_000
MOST_CELLS = 100_000_000


def is_json(first: bytes) -> bool:
    """Whether the first character that is no blank begins an object, or an array of them."""
    text = first.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"{") or (text.startswith(b"[") and text[1:].lstrip().startswith((b"{", b"]")))


def read_json(opener: Opener, found: Found) -> Columns:
    """Read a file of JSON; raises TableError."""
    first, _ = head(opener)
    array = first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    found.fact("an array of JSON objects" if array else "a JSON object per line")
    with opener() as file:
        objects = _array(file) if array else _lines(file)
        return Columns(_frame(objects))


def _lines(file: BinaryIO) -> Iterator[tuple[int, Any]]:
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(file, 1):
        text = line.strip(b"\xef\xbb\xbf \t\r\n")
        if text:
            try:
                yield number, decode(text)
            except (ValueError, RecursionError) as error:
                raise TableError(f"line {number}: {error}") from None


def _array(file: BinaryIO) -> Iterator[tuple[int, Any]]:
    try:
        objects = msgspec.json.decode(file.read().strip(b"\xef\xbb\xbf \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise TableError(str(error)) from None
    yield from enumerate(objects if isinstance(objects, list) else [objects], 1)


def _frame(objects: Iterator[tuple[int, Any]]) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    count = 0
    for number, one in objects:
        if not isinstance(one, dict):
            raise TableError(f"line or element {number}: not an object")
        for name, value in _flat(one, "", 1):
            column = columns.get(name)
            if column is None:
                column = columns[name] = []
                if len(columns) > MOST_NAMES:
                    raise TableError(f"more than {counted(MOST_NAMES, 'name', 'names')} in its objects")
            if len(column) > count:
                raise TableError(f"line or element {number}: {name} occurs twice")
            column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
        if count * len(columns) > MOST_CELLS:
            raise TableError("too large for one table: cut the file into parts")
    for column in columns.values():
        column.extend([None] * (count - len(column)))
    return pd.DataFrame({name: _column(values) for name, values in columns.items()}, index=range(count))


def _flat(node: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        name = prefix + key
        if isinstance(value, dict) and depth < MOST_DEPTH:
            yield from _flat(value, name + ".", depth + 1)
        elif isinstance(value, dict | list):
            yield name, msgspec.json.encode(value).decode() if depth < MOST_DEPTH else "nested too deeply"
        else:
            yield name, value


def _column(values: list[Any]) -> "pd.Series":
    """Whole numbers stay whole, for times in nanoseconds; a mixture is text."""
    import pandas as pd

    kinds = {type(value) for value in values}
    if kinds == {int}:
        if all(-(2**63) <= value < 2**63 for value in values):
            return pd.Series(values, dtype=np.int64)
        return pd.Series([float(value) if abs(value) < 1e300 else np.nan for value in values])
    if kinds <= {int, float, type(None)}:
        return pd.Series([np.nan if value is None else _float(value) for value in values], dtype=np.float64)
    if kinds == {bool}:
        return pd.Series(values, dtype=np.bool_)
    return pd.Series([None if value is None else str(value) for value in values], dtype="str")


def _float(value: float) -> float:
    return float(value) if abs(value) < 1e300 else np.nan
