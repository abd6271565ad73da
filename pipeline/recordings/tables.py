"""Recorded machines as tables: the reader that scoring, evaluating, tuning and replaying files share.

No row is dropped that holds a reading, and rows stay in file order unless the newest is first. How a file is
understood is found out in `reading`, told in `Table.understood` and fixed by `Choices`. A gateway's service has no
use for pandas, so it is imported where it is used; what Parquet needs is the extra `files`.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.config.extras import install
from pipeline.files import open_regular
from pipeline.recordings.reading.choices import Choices, Found, TableError
from pipeline.recordings.reading.source import Opener, head, unpacked
from pipeline.records import Bools, Floats, Ints

SUFFIXES = (".csv.gz", ".csv", ".parquet", ".jsonl.gz", ".jsonl", ".ndjson", ".json", ".tsv", ".txt")

__all__ = ["Choices", "Table", "TableError", "need", "read_table", "read_tables", "stem", "tables_of", "times"]


class Table(NamedTuple):
    """One machine's recording."""

    name: str  # file name without its suffix, or what the file calls the machine
    stamps: list[str]  # the time cells as they are written in the file
    time_ns: Ints  # (rows,), Unix time
    sensors: list[str]
    values: Floats  # (rows, sensors), NaN where a reading is missing
    skipped: list[str]  # columns that are not numeric
    labelled: Bools | None = None  # (rows,), of the label column where one was asked for
    understood: str = ""  # how the file was read, on one line
    dayfirst: bool | None = None  # the order of day and month in its dates, where they have one


def need(package: str) -> None:
    """Raises TableError, with what to do, where a package of the extra `files` is missing."""
    if importlib.util.find_spec(package) is None:
        raise TableError(f"this needs {package}, which is not installed: {install('files')}")


def stem(path: Path) -> str:
    """File name without the suffix of its format."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def read_table(path: Path, time: str | None = None, exclude: Sequence[str] = (), label: str | None = None) -> Table:
    """Read the file of one machine; raises TableError, also where it holds several.

    `time` names the time column (default: the first of the usual names), `exclude` columns that are no sensors.
    """
    tables = read_tables(path, Choices(time=time, exclude=tuple(exclude)), label)
    if len(tables) > 1:
        raise TableError(f"{path}: {len(tables)} machines, where one is expected")
    return tables[0]


def read_tables(path: Path, choices: Choices, label: str | None = None) -> list[Table]:
    """Read a file of separated cells, Parquet or JSON, packed with gzip or not: a table per machine.

    `label` names a column of 0/1 or true/false that is no sensor. Raises TableError, which names the file.
    """

    def opener() -> BinaryIO:
        return open_regular(path)

    try:
        if path.suffix.lower() == ".parquet":
            need("pyarrow")
        return tables_of(opener, stem(path), choices, label)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not {error.encoding}: give another --encoding") from None
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    except TableError as error:
        raise TableError(f"{path}: {error}") from None


def tables_of(opener: Opener, name: str, choices: Choices, label: str | None = None) -> list[Table]:
    """The tables of any bytes, which `opener` gives from the beginning as often as they are needed.

    Raises TableError, or what reading the bytes raises.
    """
    from pipeline.recordings.reading.annotated import is_annotated, read_annotated
    from pipeline.recordings.reading.delimited import read_delimited
    from pipeline.recordings.reading.json_lines import is_json, read_json
    from pipeline.recordings.reading.parquet import MAGIC, read_parquet
    from pipeline.recordings.reading.recording import file_name, recordings

    opener, found = unpacked(opener), Found()
    first, _ = head(opener)
    if first.startswith(MAGIC):
        need("pyarrow")
        columns = read_parquet(opener, found)
    elif is_annotated(first):
        columns, choices = read_annotated(opener, choices, found)
    elif is_json(first):
        columns = read_json(opener, found)
    else:
        columns = read_delimited(opener, choices, found)
    read = recordings(columns, choices, label, found)
    if choices.strict:
        found.refuse_guesses()
    several = len(read) > 1 or choices.machine_column is not None
    return [
        Table(
            file_name(one.machine) if several and one.machine is not None else name,
            one.stamps,
            one.time_ns,
            one.sensors,
            one.values,
            one.skipped,
            one.labelled,
            found.sentence(),
            found.dayfirst,
        )
        for one in read
    ]


def times(cells: Sequence[str], choices: Choices | None = None) -> list[int | None]:
    """Unix nanoseconds of cells, each read as a time column of its own; None where a cell is no time.

    Dates of numbers have one order in all of them; raises TableError where two fit.

    >>> times(["1970-01-01 00:00:01", "noon", "2.5"])
    [1000000000, None, 2500000000]
    """
    from pipeline.recordings.reading.moments import single_moments

    return single_moments(cells, choices or Choices())
