"""Recorded machines as tables: the reader that scoring and replaying files share.

Rows stay in file order, none is dropped. A gateway's service has no use for pandas, so it is imported where it is
used; what Parquet needs is the extra `files`.
"""

import gzip
import importlib.util
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.records import MAX_MAGNITUDE, Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t")
SUFFIXES = (".csv.gz", ".csv", ".parquet")
EPOCH_UNITS = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000), (0.0, 1_000_000_000))  # at least: nanoseconds a unit


class TableError(Exception):
    """A file cannot be read as a table; the text names the file and what is wrong."""


class Table(NamedTuple):
    """One machine's recording."""

    name: str  # file name without its suffix
    stamps: list[str]  # the time cells as they are written in the file
    time_ns: Ints  # (rows,), Unix time
    sensors: list[str]
    values: Floats  # (rows, sensors), NaN where a reading is missing
    skipped: list[str]  # columns that are not numeric
    labelled: Bools | None = None  # (rows,), of the label column where one was asked for


def need(package: str) -> None:
    """Raises TableError, with what to do, where a package of the extra `files` is missing."""
    if importlib.util.find_spec(package) is None:
        raise TableError(f"this needs {package}, which is not installed: pip install 'spikewatch[files]'")


def stem(path: Path) -> str:
    """File name without `.csv`, `.csv.gz` or `.parquet`."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def read_table(path: Path, time: str | None = None, exclude: Sequence[str] = (), label: str | None = None) -> Table:
    """Read a CSV, CSV.gz or Parquet file; raises TableError.

    `time` names the time column (default: the first of the usual names). Times are ISO text, naive meaning UTC, or
    numbers since 1970 in s, ms, us or ns by magnitude. Every other numeric column that is not excluded is a sensor;
    booleans count as 0 and 1, infinities as missing. `label` names a column of 0/1 or true/false that is no sensor.
    """
    frame = _read(path)
    columns = [str(name) for name in frame.columns]
    frame.columns = columns
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise TableError(f"{path}: column {twice[0]!r} occurs twice")
    unknown = [name for name in exclude if name not in columns]
    if unknown:
        raise TableError(f"{path}: no column {unknown[0]!r} to exclude; there are {', '.join(columns)}")
    if time is None:
        lower = {name.lower(): name for name in reversed(columns)}
        time = next((lower[name] for name in TIME_NAMES if name in lower), None)
        if time is None:
            raise TableError(f"{path}: no time column ({', '.join(TIME_NAMES)}); there are {', '.join(columns)}")
    elif time not in columns:
        raise TableError(f"{path}: no time column {time!r}; there are {', '.join(columns)}")
    if label is not None and label not in columns:
        raise TableError(f"{path}: no label column {label!r}; there are {', '.join(columns)}")
    if label is not None and label == time:
        raise TableError(f"{path}: column {label!r} is the time and cannot hold the labels")
    if len(frame) == 0:
        raise TableError(f"{path}: no rows")

    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    sensors: list[str] = []
    skipped: list[str] = []
    for name in columns:
        if name in (time, label) or name in exclude:
            continue
        numeric = is_numeric_dtype(frame[name]) or is_bool_dtype(frame[name])
        (sensors if numeric else skipped).append(name)
    values = frame[sensors].to_numpy(dtype=np.float64, na_value=np.nan) if sensors else np.zeros((len(frame), 0))
    values = np.where(np.abs(values) <= MAX_MAGNITUDE, values, np.nan)  # what the service refuses is missing here
    return Table(
        stem(path),
        _stamps(frame[time]),
        _nanoseconds(path, frame[time]),
        sensors,
        values,
        skipped,
        None if label is None else _flags(path, frame[label]),
    )


def times(cells: Sequence[str]) -> list[int | None]:
    """Unix nanoseconds of cells, each read as a time column of its own; None where a cell is no time.

    >>> times(["1970-01-01 00:00:01", "noon", "2.5"])
    [1000000000, None, 2500000000]
    """
    import pandas as pd

    column = pd.Series(list(cells), dtype=object)
    number = pd.to_numeric(column, errors="coerce").astype(np.float64)
    if len(column) > 1 and number.isna().all():
        with suppress(TableError):  # text in all of them: read at once
            return list(_nanoseconds(Path(), column).tolist())
    found: list[int | None] = []
    for cell, value in zip(cells, number.tolist(), strict=True):
        try:
            one: object = cell if math.isnan(value) else pd.to_numeric(cell)
            usable = cell.strip() != "" and not abs(value) >= 2.0**63
            found.append(int(_nanoseconds(Path(), pd.Series([one]))[0]) if usable else None)
        except TableError:
            found.append(None)
    return found


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        if path.name.lower().endswith(".parquet"):
            need("pyarrow")
            return pd.read_parquet(path)
        opener = gzip.open if path.name.lower().endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        names = header.rstrip("\r\n").split(separator)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TableError(f"{path}: column {twice[0]!r} occurs twice")  # pandas would rename the second
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig", low_memory=False)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        raise TableError(f"{path}: {str(error).strip().splitlines()[0] if str(error).strip() else 'empty'}") from None


def _flags(path: Path, column: "pd.Series") -> Bools:
    """A label column as booleans."""
    flag = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
    missing = column.isna().to_numpy()
    codes, kinds = column.factorize()
    meant = [flag.get(str(kind).strip().lower()) for kind in kinds]
    bad = np.flatnonzero(missing | np.isin(codes, [code for code, one in enumerate(meant) if one is None]))
    if len(bad):
        said = "empty" if missing[bad[0]] else repr(str(column.iloc[bad[0]]))
        raise TableError(
            f"{path}: row {bad[0] + 1}: {column.name}: {said} is not a label; labels are 0/1 or true/false"
        )
    flags: Bools = np.array([bool(one) for one in meant], np.bool_)[codes]
    return flags


def _stamps(column: "pd.Series") -> list[str]:
    if column.dtype.kind == "M":
        return [stamp.isoformat() for stamp in column]
    return column.astype(str).tolist()


def _nanoseconds(path: Path, column: "pd.Series") -> Ints:
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        raise TableError(f"{path}: row {missing[0] + 1}: no time")
    if column.dtype.kind == "M":
        return np.asarray(pd.to_datetime(column, utc=True).dt.as_unit("ns").astype("int64"), np.int64)
    if is_numeric_dtype(column):
        unit = next(unit for least, unit in EPOCH_UNITS if float(column.abs().max()) >= least)
        if column.dtype.kind in "iu":
            return np.asarray(column.to_numpy(np.int64) * unit, np.int64)
        whole = np.floor(column.to_numpy(np.float64))
        part = column.to_numpy(np.float64) - whole
        # A double holds no more than microseconds of today's seconds.
        exact: Ints = whole.astype(np.int64) * unit + np.round(part * unit / 1000).astype(np.int64) * 1000
        return exact
    try:
        times = pd.to_datetime(column, format="ISO8601", utc=True)
    except ValueError:
        times = pd.to_datetime(column, format="mixed", utc=True, errors="coerce")
    year = times.dt.year  # NaN where nothing was understood
    bad = np.flatnonzero(~year.between(1678, 2261).to_numpy())  # what nanoseconds in 64 bits hold
    if len(bad):
        raise TableError(f"{path}: row {bad[0] + 1}: {column.iloc[bad[0]]!r} is not a time")
    return np.asarray(times.dt.as_unit("ns").astype("int64"), np.int64)
