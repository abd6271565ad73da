"""Which column is the time, which says the machine, which names the sensor and which only counts rows.

Names decide where they are usual ones, in several languages; what the cells hold decides where they are not, and is
told as a guess.
"""

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.recordings.reading import dates
from pipeline.recordings.reading.choices import Choices, Found, TableError, shown

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = ("time", "timestamp", "datetime", "date", "ts", "t")
MORE_TIME_NAMES = (
    "_time", "zeitstempel", "zeitpunkt", "datum/zeit", "datum/uhrzeit", "datum", "zeit", "uhrzeit", "date/time",
    "date time", "date & time", "date_time", "time stamp", "time_stamp", "timestamp utc", "timestamp_utc", "utc",
    "local time", "localtime", "recorded_at", "created_at", "measured_at", "source timestamp", "sourcetimestamp",
    "horodatage", "heure", "fecha", "fecha/hora", "fecha y hora", "hora", "data/ora", "data e ora", "ora", "tijd",
    "datum tijd", "datum_tijd", "tidpunkt", "tid", "czas", "elapsed", "elapsed time", "seconds", "epoch", "unixtime",
    "timestring", "timems",
)  # fmt: skip
DATE_NAMES = ("date", "datum", "day", "fecha", "data", "yyyymmdd")  # where they hold numbers such as 20250301
MACHINE_NAMES = (
    "machine", "machine_id", "machineid", "machine_name", "machine name", "machine id", "device", "device_id",
    "deviceid", "device_name", "asset", "asset_id", "assetid", "equipment", "equipment_id", "unit_id", "unitid",
    "maschine", "anlage", "gerät", "turbine", "turbine_id", "engine_id", "pump_id", "motor_id", "robot_id",
)  # fmt: skip
SENSOR_NAMES = (
    "sensor", "sensor_id", "sensorid", "sensor_name", "sensor name", "sensor_type", "tag", "tagname", "tag_name",
    "tag name", "varname", "point", "point_name", "signal", "signal_name", "signalname", "variable", "variable_name",
    "parameter", "metric", "metric_name", "channel", "messstelle", "_field", "field", "entity_id", "item",
    "attribute", "name", "measure", "key", "nodeid", "node_id",
)  # fmt: skip
NUMBERED = ("sensor", "sensor_id", "sensorid", "tag", "channel", "point", "signal")  # of sensors, also by number
VALUE_NAMES = (
    "value", "_value", "val", "sensor_value", "reading", "measured_value", "measurement_value", "varvalue", "state",
    "wert", "messwert", "valeur", "valor", "valore", "waarde", "v", "vvalue", "value_num", "numeric_value",
)  # fmt: skip
INDEX_NAMES = (
    "index", "row", "row_id", "rowid", "row number", "#", "no", "no.", "nr", "nr.", "id", "record", "line",
)  # fmt: skip
SAMPLE = 50  # cells of a column that say what it holds
_BRACKETS = re.compile(r"\s*[\[(].*?[\])]\s*$")
_UNIT_BEHIND = re.compile(r"[_ ](s|sec|ms|us|ns|min|h|utc)$")


class TimeColumns(NamedTuple):
    """Where the times are."""

    date: str  # or the whole time
    clock: str | None = None  # the time of day where it has a column of its own

    def __contains__(self, name: object) -> bool:
        return name in (self.date, self.clock)


class LongColumns(NamedTuple):
    """The columns of a file with one value per row."""

    sensor: str
    value: str


def plain(name: str) -> str:
    """A column's name without case, unit and blanks at its ends.

    >>> plain("Time [s]"), plain("time_ms"), plain(" Datum/Zeit ")
    ('time', 'time', 'datum/zeit')
    """
    name = name.strip().lower()
    return _UNIT_BEHIND.sub("", _BRACKETS.sub("", name)) or name


def named_column(name: str, option: str, columns: list[str]) -> str:
    """A column by the name that an option gives; raises TableError that lists what there is."""
    if name not in columns:
        raise TableError(f"no {option} column {name!r}; there are {', '.join(columns)}")
    return name


def time_columns(frame: "pd.DataFrame", choices: Choices, found: Found) -> TimeColumns:
    """The column or two columns of the time; raises TableError where there is none, or several are as likely."""
    columns = list(frame.columns)
    if choices.time is not None:
        if choices.time in columns:
            return TimeColumns(choices.time)
        parts = [part.strip() for part in choices.time.split(",")]
        if len(parts) == 2 and all(part in columns for part in parts):
            return TimeColumns(parts[0], parts[1])
        named_column(choices.time, "time", columns)
    kinds = {name: holds(frame[name]) for name in columns if name not in choices.exclude}
    first = _by_name(columns)
    if first is None:
        first = _by_content(kinds, found)
    elif first.lower() not in TIME_NAMES:
        found.fact(f"time of {first}")
    if first is None:
        raise TableError(
            f"no time column ({', '.join(TIME_NAMES)}); there are {', '.join(columns)}: give --time with its name"
        )
    kind = kinds.get(first)
    if kind in ("date", "clock"):
        others = [name for name, other in kinds.items() if {kind, other} == {"date", "clock"}]
        if len(others) == 1:
            date, clock = (first, others[0]) if kind == "date" else (others[0], first)
            found.fact(f"time of {date} and {clock}")
            return TimeColumns(date, clock)
        if len(others) > 1 and kind == "clock":
            raise TableError(f"{first} has no date and {' and '.join(others)} have: give --time DATE,{first}")
    return TimeColumns(first)


def _by_name(columns: list[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(columns)}
    plainly = {plain(name): name for name in reversed(columns)}
    for known, names in ((lower, TIME_NAMES), (plainly, TIME_NAMES), (plainly, MORE_TIME_NAMES)):
        for name in names:
            if name in known:
                return known[name]
    return None


def _by_content(kinds: dict[str, str], found: Found) -> str | None:
    """The only column that holds dates."""
    fitting = [name for name, kind in kinds.items() if kind in ("date", "moment")]
    if not fitting:
        fitting = [name for name, kind in kinds.items() if kind == "clock"]
    if len(fitting) > 1:
        raise TableError(f"{' and '.join(fitting)} all hold times: give --time with the name of one")
    if fitting:
        found.guess(f"time of {fitting[0]}, as only it holds times", f"--time {fitting[0]!r}")
    return fitting[0] if fitting else None


def holds(column: "pd.Series") -> str:
    """What the first cells of a column are: `moment`, `date`, `clock`, `number` or `text`."""
    if column.dtype.kind == "M":
        return "moment"
    if column.dtype.kind in "iu" and plain(str(column.name)) in DATE_NAMES:
        digits = column.head(SAMPLE)
        return "date" if ((digits > 19_000_000) & (digits < 21_000_000)).all() else "number"
    if column.dtype.kind in "iufbm":
        return "number"
    cells = [str(cell).strip() for cell in column.head(SAMPLE * 4).dropna().head(SAMPLE).tolist()]
    parts = [dates.parts_of(cell) for cell in cells]
    if not parts or any(part[0] == dates.NO_MOMENT for part in parts):
        return "text"
    if all(part[0] == dates.CLOCK_ONLY for part in parts):
        return "clock"
    midnight = all(part[4] == 0 and part[5] == dates.NO_ZONE for part in parts)
    return "date" if midnight and not any(part[0] == dates.CLOCK_ONLY for part in parts) else "moment"


def index_columns(frame: "pd.DataFrame", names: list[str]) -> list[str]:
    """Columns that only count the rows, one by one, under a name that such columns have."""
    counting = []
    for name in names:
        known = plain(name) in INDEX_NAMES or name == "Unnamed: 0"
        if known and frame[name].dtype.kind in "iu" and len(frame) > 1:
            steps = np.diff(frame[name].to_numpy())
            if (steps == 1).all() or (steps == -1).all():
                counting.append(name)
    return counting


def machine_column(frame: "pd.DataFrame", names: list[str], choices: Choices, found: Found) -> str | None:
    """The column that says of which machine a row is, where the rows are of several."""
    if choices.machine_column is not None:
        return named_column(choices.machine_column, "machine", list(frame.columns))
    for name in names:
        if plain(name) in MACHINE_NAMES and frame[name].dtype.kind != "f":
            different = frame[name].nunique()
            if different > 1 and 2 * different <= len(frame):
                found.guess(f"machines of {name}", f"--machine-column {name!r}, or --exclude it")
                return name
    return None


def long_columns(frame: "pd.DataFrame", names: list[str], choices: Choices, found: Found) -> LongColumns | None:
    """The columns of sensor and value, where each row has one value of one sensor."""
    columns = list(frame.columns)
    if choices.sensor_column is not None or choices.value_column is not None:
        if choices.sensor_column is None or choices.value_column is None:
            raise TableError("--sensor-column and --value-column go together")
        return LongColumns(
            named_column(choices.sensor_column, "sensor", columns),
            named_column(choices.value_column, "value", columns),
        )
    values = [name for known in VALUE_NAMES for name in names if plain(name) == known]
    sensors = [
        name for known in SENSOR_NAMES for name in names
        if plain(name) == known and (holds(frame[name]) == "text" or (known in NUMBERED and _counts(frame[name])))
    ]  # fmt: skip
    sensors = [name for name in sensors if name not in values]
    several = [name for name in sensors if frame[name].nunique() > 1]
    if not values or not sensors:
        return None
    if len(values) > 1:
        raise TableError(
            f"{' and '.join(map(shown, values))} may be the values: give --sensor-column and --value-column"
        )
    if len(several) > 1:
        raise TableError(
            f"{' and '.join(map(shown, several))} may name the sensors: give --sensor-column and --value-column"
        )
    return LongColumns((several or sensors)[0], values[0])


def _counts(column: "pd.Series") -> bool:
    return column.dtype.kind in "iu"
