"""Names of fields and levels by the words they are made of. Pure."""

import re
from collections.abc import Mapping

# Fields that may hold a time; where several do, the first of these.
TIME_FIELDS = (
    "ts", "time", "timestamp", "t", "datetime", "date_time", "at", "epoch", "stamp", "last_seen", "sourcetimestamp",
    "source_timestamp", "time_stamp", "received_at", "created_at", "measured_at", "recorded_at", "eventtime",
    "event_time", "datum", "date", "_time", "last_changed", "last_updated",
)  # fmt: skip
MACHINE_FIELDS = ("machine", "machine_id", "device", "device_id", "asset", "id", "name", "unit")
# Last levels, or fields, that say which kind of message it is.
KINDS_OF_MESSAGE = frozenset(
    ("telemetry", "data", "state", "status", "value", "values", "sensor", "sensors", "measurement", "measurements",
     "reading", "readings", "metrics", "event", "events", "info", "json", "update", "tele", "up", "senml", "csv",
     "cbor", "default", "nodered", "payload", "batch", "stream")
)  # fmt: skip
# Words of levels that are parts of machines, and of levels that hold machines.
PARTS = frozenset(
    ("motor", "motors", "hydraulic", "hydraulics", "gearbox", "gear", "spindle", "drive", "bearing", "axis",
     "cooling", "coolant", "lubrication", "electrical", "pneumatic", "pneumatics", "heating", "clutch", "brake",
     "energy")
)  # fmt: skip
AREAS = frozenset(
    ("line", "linie", "hall", "halle", "site", "area", "plant", "building", "cell", "zone", "shop", "floor",
     "factory", "werk", "group", "department", "enterprise")
)  # fmt: skip
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    >>> tokens("ENERGY.TotalStartTime"), tokens("wifi_rssi"), tokens("tF")
    (('energy', 'total', 'start', 'time'), ('wifi', 'rssi'), ('t', 'f'))
    """
    return tuple(found.casefold() for found in _TOKEN.findall(re.sub(r"%[0-9A-F]{2}", " ", name)))


def may_name_machines(field: str, texts: set[str]) -> bool:
    """Whether these texts of one of MACHINE_FIELDS may be machines; what looks like a unit of measurement is none.

    >>> may_name_machines("unit", {"bar", "m3/h"}), may_name_machines("unit", {"unit-1", "unit-2"})
    (False, True)
    """
    of_machines = field.casefold() != "unit" or all(
        len(one) > 3 and has_digit(one) and "/" not in one for one in texts
    )
    return len(texts) > 1 and of_machines


def has_digit(name: str) -> bool:
    """Whether a number is part of a name, as of one of several."""
    return any(sign.isdigit() for sign in name)


def is_component(name: str) -> bool:
    """Whether a level is one of several components of a device, as Shelly numbers them: `switch:0`."""
    return re.fullmatch(r"[a-z_]+:[0-9]+", name) is not None


def is_area(name: str) -> bool:
    """Whether a level is of those that hold machines: `line4`."""
    return bool(AREAS & {*tokens(name)})


def is_part(name: str) -> bool:
    """Whether a level is of a part that many machines have: `hydraulics`."""
    return bool(PARTS & {*tokens(name)})


def escaped_pattern(name: str) -> str:
    """A shell pattern that only this name matches."""
    return re.sub(r"([*?[])", r"[\1]", name)


def told(names: Mapping[str, object] | set[str] | frozenset[str], most: int = 4) -> str:
    """Some names, for a person."""
    known = sorted(names)
    return ", ".join(known[:most]) + (", ..." if len(known) > most else "")
