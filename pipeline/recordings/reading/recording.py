"""Columns to recordings: one of each machine, with its times, sensors and values.

The last step of reading. Every column ends as time, label, sensor, name of machine or sensor, or among those that are
said to be left out: none vanishes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.recordings.reading.choices import Choices, Found, TableError, counted, shown
from pipeline.recordings.reading.delimited import Columns
from pipeline.recordings.reading.flags import flags
from pipeline.recordings.reading.long import widened
from pipeline.recordings.reading.moments import moments
from pipeline.recordings.reading.numbers import (
    SETTLE,
    Words,
    decimal_of,
    mostly_numbers,
    numbers_of,
    proven,
    told_words,
    words_of,
)
from pipeline.recordings.reading.roles import (
    LongColumns,
    TimeColumns,
    index_columns,
    long_columns,
    machine_column,
    named_column,
    time_columns,
)
from pipeline.records import MAX_MAGNITUDE, Bools, Floats, Ints
from pipeline.topics import escaped

if TYPE_CHECKING:
    import pandas as pd

REPEATED = 0.25  # of the rows repeat the time of another one where a file seems to be of several machines
MOST_MACHINES = 10_000


class Recording(NamedTuple):
    """What one machine has recorded; arrays as in `Table`."""

    machine: str | None  # None where the file is all of one machine and does not say which
    stamps: list[str]
    time_ns: Ints
    sensors: list[str]
    values: Floats
    labelled: Bools | None
    skipped: list[str]


class _Sorted(NamedTuple):
    """The columns of a file by what they are for."""

    time: TimeColumns
    machine: str | None
    long: LongColumns | None
    others: list[str]  # sensors, and what may be left out


def recordings(columns: Columns, choices: Choices, label: str | None, found: Found) -> list[Recording]:
    """All machines of a file, in order of their names' first appearance; raises TableError."""
    frame = columns.frame
    _known(list(frame.columns), choices, label)
    if len(frame) == 0:
        raise TableError("no rows")
    roles = _sorted(frame, choices, label, found)
    stamps = _stamps(frame, roles.time)
    moment = moments(stamps, roles.time.date, choices, found)
    if moment.turned:
        frame, stamps = frame.iloc[::-1].reset_index(drop=True), stamps.iloc[::-1]
    labelled = None if label is None else flags(frame[label], label)
    comma_is_usual = columns.comma_is_usual or found.dotted
    if roles.long is not None:
        values, words = _long_values(frame[roles.long.value], columns, comma_is_usual, choices, found)
        rows = _Long(roles.long, values, words, moment.time_ns, _texts(stamps), labelled)
        return _long(frame, roles, rows, choices, found)
    sensors, values, skipped = _values(frame, roles.others, columns, comma_is_usual, choices, found)
    whole = Recording(None, _texts(stamps), moment.time_ns, sensors, values, labelled, skipped)
    if roles.machine is None:
        _one_machine(frame, moment.time_ns, skipped)
        return [whole]
    return _split(frame[roles.machine], roles.machine, whole, choices, found)


def _known(names: list[str], choices: Choices, label: str | None) -> None:
    """Raises TableError for a name that somebody gave and that no column has."""
    there = ", ".join(names)
    for name in choices.exclude:
        if name not in names:
            raise TableError(f"no column {name!r} to exclude; there are {there}")
    if label is not None:
        named_column(label, "label", names)
        if label == choices.time:
            raise TableError(f"column {label!r} is the time and cannot hold the labels")


def _sorted(frame: "pd.DataFrame", choices: Choices, label: str | None, found: Found) -> _Sorted:
    time = time_columns(frame, choices, found)
    if label is not None and label in time:
        raise TableError(f"column {label!r} is the time and cannot hold the labels")
    names = [name for name in frame.columns if name not in time and name != label and name not in choices.exclude]
    blank = [name for name in names if name.startswith("Unnamed: ") and frame[name].isna().all()]
    names = [name for name in names if name not in blank]
    long = long_columns(frame, names, choices, found)
    counting = index_columns(frame, names) if long is None else []
    if counting:
        found.fact(f"row numbers left out: {', '.join(counting)}")
    machine = machine_column(frame, [name for name in names if name not in counting], choices, found)
    used = {machine, *counting, *(long or ())}
    return _Sorted(time, machine, long, [name for name in names if name not in used])


def _stamps(frame: "pd.DataFrame", time: TimeColumns) -> "pd.Series":
    """The time of each row as it is written."""
    if time.clock is None:
        return frame[time.date]
    date, clock = frame[time.date], frame[time.clock]
    missing = np.flatnonzero((date.isna() | clock.isna()).to_numpy())
    if len(missing):
        raise TableError(f"row {missing[0] + 1}: no time in {time.date} or {time.clock}")
    together: pd.Series = date.astype("str").str.strip() + " " + clock.astype("str").str.strip()
    return together


def _texts(stamps: "pd.Series") -> list[str]:
    if stamps.dtype.kind == "M":
        return [stamp.isoformat() for stamp in stamps]
    return list(stamps.astype("str").tolist())


def _numeric(column: "pd.Series") -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) or is_bool_dtype(column)


def _decimals(
    texts: Sequence[Words], of_file: str | None, comma_is_usual: bool, choices: Choices, found: Found
) -> list[str]:
    """The decimal mark of each column of text; tells where it is a comma."""
    if choices.decimal is not None:
        found.fact(f"decimal {'comma' if choices.decimal == ',' else 'point'}")
        return [choices.decimal] * len(texts)
    of_file = of_file or proven(texts)
    read = [decimal_of(one, of_file, comma_is_usual) for one in texts]
    guessed = [one.name for one, (_, guess) in zip(texts, read, strict=True) if guess]
    if of_file == "," or any(mark == "," and not guess for mark, guess in read):
        found.fact("decimal comma")
    if guessed:
        found.guess(f"decimal comma in {', '.join(guessed)}", SETTLE)
    return [mark for mark, _ in read]


def _values(
    frame: "pd.DataFrame",
    names: Sequence[str],
    columns: Columns,
    comma_is_usual: bool,
    choices: Choices,
    found: Found,
) -> tuple[list[str], Floats, list[str]]:
    """Sensors, their values, and the columns that are left out because they hold words."""
    texts = [
        words_of(name, frame[name], columns.point and name not in columns.doubtful)
        for name in names
        if not _numeric(frame[name])
    ]
    decimals = _decimals(texts, columns.decimal, comma_is_usual, choices, found)
    resolved = [(one, numbers_of(one, decimal)) for one, decimal in zip(texts, decimals, strict=True)]
    kept = {one.name: numbers for one, numbers in resolved if mostly_numbers(one, numbers)}
    skipped = [one.name for one, _ in resolved if one.name not in kept]
    if words := told_words([pair for pair in resolved if pair[0].name in kept]):
        found.fact(words)
    units = [f"{one.unit!r} in {one.name}" for one, _ in resolved if one.unit and one.name in kept]
    if units:
        found.fact(f"units behind numbers left out: {', '.join(units)}")
    if skipped:
        found.fact(f"not numeric, so no sensors: {', '.join(skipped)}")
    sensors = [name for name in names if name not in skipped]
    values = np.empty((len(frame), len(sensors)))
    for number, name in enumerate(sensors):
        values[:, number] = kept[name].values if name in kept else frame[name].to_numpy(np.float64, na_value=np.nan)
    values[~(np.abs(values) <= MAX_MAGNITUDE)] = np.nan  # what the service refuses is missing here
    return sensors, values, skipped


def _one_machine(frame: "pd.DataFrame", time_ns: Ints, skipped: list[str]) -> None:
    """Raises TableError where rows of one time differ in a column of words, as those of several machines do."""
    import pandas as pd

    if not skipped or len(np.unique(time_ns)) > (1 - REPEATED) * len(time_ns):
        return
    for name in skipped:
        if frame[name].nunique() > 1 and not pd.DataFrame({"time": time_ns, "name": frame[name]}).duplicated().any():
            raise TableError(
                f"rows of one time differ in {name}, as those of several machines or sensors do: give "
                f"--machine-column {name!r}, or --sensor-column {name!r} and --value-column, or --exclude {name!r}"
            )


def _split(machines: "pd.Series", name: str, whole: Recording, choices: Choices, found: Found) -> list[Recording]:
    """A recording per machine."""
    codes, names = _codes(machines, name)
    parts = []
    for code, machine in enumerate(names):
        rows = np.flatnonzero(codes == code)
        stamps = [whole.stamps[row] for row in rows.tolist()]
        labelled = None if whole.labelled is None else whole.labelled[rows]
        values = whole.values[rows]
        known = np.flatnonzero((~np.isnan(values)).any(axis=0))  # another machine's sensor is none of this one
        sensors = [whole.sensors[column] for column in known.tolist()]
        parts.append(
            Recording(machine, stamps, whole.time_ns[rows], sensors, values[:, known], labelled, whole.skipped)
        )
    found.fact(f"{counted(len(parts), 'machine', 'machines')} in {name}")
    return parts


def _codes(column: "pd.Series", name: str) -> tuple[Ints, list[str]]:
    """Which of the names that a column holds is in which row; raises TableError where it is empty in a row."""
    names = column.astype("str").str.strip()
    missing = np.flatnonzero(column.isna().to_numpy() | (names == "").to_numpy(dtype=np.bool_, na_value=True))
    if len(missing):
        raise TableError(f"row {missing[0] + 1}: nothing in {name}")
    codes, kinds = names.factorize()
    if len(kinds) > MOST_MACHINES:
        raise TableError(f"{len(kinds):,} different names in {name}, at most {MOST_MACHINES:,} are possible")
    return np.asarray(codes, np.int64), [str(kind) for kind in kinds]


class _Long(NamedTuple):
    """One value per row."""

    of: LongColumns
    values: Floats
    words: Ints  # rows whose value is a word
    time_ns: Ints
    stamps: list[str]
    labelled: Bools | None


def _long(frame: "pd.DataFrame", roles: _Sorted, rows: _Long, choices: Choices, found: Found) -> list[Recording]:
    """Recordings of a file with one value per row."""
    sensors, names = _codes(frame[rows.of.sensor], rows.of.sensor)
    wordy = np.bincount(sensors[rows.words], minlength=len(names))
    no_sensor = 2 * wordy > np.bincount(sensors, minlength=len(names))
    skipped = [name for name, none in zip(names, no_sensor.tolist(), strict=True) if none]
    told = f"one value per row, {counted(len(names) - len(skipped), 'sensor', 'sensors')} in {rows.of.sensor}"
    if choices.sensor_column is None:
        found.guess(told, "--sensor-column and --value-column")
    else:
        found.fact(told)
    _tell_words(frame, rows, skipped, rows.words[~no_sensor[sensors[rows.words]]], found)
    if roles.others:
        found.fact(f"columns left out: {', '.join(roles.others)}")
    machines, of = np.zeros(len(frame), np.int64), [""]
    if roles.machine is not None:
        machines, of = _codes(frame[roles.machine], roles.machine)
        found.fact(f"{counted(len(of), 'machine', 'machines')} in {roles.machine}")
    parts = []
    for code, machine in enumerate(of):
        own = np.flatnonzero((machines == code) & ~no_sensor[sensors])
        if len(own):
            wide = widened(rows.time_ns[own], sensors[own], rows.values[own])
            first = own[wide.row]
            labelled = None
            if rows.labelled is not None:
                labelled = np.zeros(len(first), np.bool_)
                np.logical_or.at(labelled, wide.row_of, rows.labelled[own])
            parts.append(
                Recording(
                    None if roles.machine is None else machine,
                    [rows.stamps[row] for row in first.tolist()],
                    rows.time_ns[first],
                    [names[code] for code in wide.sensors],
                    wide.values,
                    labelled,
                    skipped + roles.others,
                )
            )
    if not parts:
        raise TableError(f"no numbers in {rows.of.value}")
    return parts


def _tell_words(frame: "pd.DataFrame", rows: _Long, skipped: list[str], words: Ints, found: Found) -> None:
    if skipped:
        found.fact(f"not numeric, so no sensors: {', '.join(skipped)}")
    if len(words):
        row = int(words[0])
        cell = shown(frame[rows.of.value].iloc[row])
        found.fact(
            f"words instead of numbers, taken as missing: {len(words):,} in {rows.of.value} (row {row + 1}: {cell})"
        )


def _long_values(
    column: "pd.Series", columns: Columns, comma_is_usual: bool, choices: Choices, found: Found
) -> tuple[Floats, Ints]:
    """Values, and the rows that hold words."""
    if _numeric(column):
        values, words = column.to_numpy(np.float64, na_value=np.nan), np.zeros(0, np.int64)
    else:
        cells = words_of(str(column.name), column, columns.point and column.name not in columns.doubtful)
        values, words = numbers_of(cells, _decimals([cells], columns.decimal, comma_is_usual, choices, found)[0])
    return np.where(np.abs(values) <= MAX_MAGNITUDE, values, np.nan), words


def file_name(machine: str) -> str:
    """A machine's name as part of a file name and of a topic, which a few characters would break.

    >>> file_name("line 1/press"), file_name("..")
    ('line 1%2Fpress', '%2E%2E')
    """
    name = escaped(machine).replace("\\", "%5C")
    return name if name.strip(".") else name.replace(".", "%2E")
