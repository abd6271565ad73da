"""SenML, the Sensor Measurement Lists of RFC 8428, as JSON or as CBOR: a payload says itself which of the two it is.

    [{"bn": "urn:dev:ow:10e2073a01:", "bt": 1717000000, "n": "temp", "v": 23.1}, {"n": "rpm", "v": 1480, "t": -1}]

Where the topic names the machine, sensors are called as their records (`n`); a pack with several base names has
sensors of several devices, so there the whole name counts. Where the topic names none, the base name is the machine;
without one, the whole name up to its last `:` or `/`. A topic that names the sensor has room for one name a pack.

Values are readings, booleans 0 and 1, and a sum (`s`) is a sensor of its own, `temp.sum`. Text and data are refused.
Times below 2**28 s count from the time of arrival (RFC 8428, 4.5.3). A pack with a label that must be understood and
is not (it ends in `_`), or of a later version, is refused whole (4.4).
"""

import math
from typing import Any, NamedTuple

from pipeline.config.settings import Source
from pipeline.payloads.cbor import cbor_tree
from pipeline.payloads.collection import Collection
from pipeline.payloads.decoded import Cause, Decoded, Route, Window
from pipeline.payloads.json_object import json_tree
from pipeline.records import Machine
from pipeline.topics import Captures, escaped

VERSION = 10  # of SenML; RFC 8428, 4.4
RELATIVE_BELOW_S = 2**28  # times that count from arrival; RFC 8428, 4.5.3
LABELS = {  # of CBOR; RFC 8428, table 4
    **{-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"},
    **{0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd"},
}  # fmt: skip
_OTHER_VALUES = {"vs": Cause.TEXT, "vd": Cause.BINARY}
_NUMBERS = ("bt", "bv", "bs", "v", "s", "t", "ut", "bver")
_TEXTS = ("bn", "bu", "n", "u")


class Named(NamedTuple):
    """A record with what it takes from those before it (RFC 8428, 4.1)."""

    base: str
    name: str
    time_s: float
    values: dict[str, float]  # what is added to the sensor's name -> value
    refused: Cause | None


class SenML:
    """The format `senml`, as one source sets it."""

    def __init__(self, source: Source, window: Window) -> None:
        self._window = window

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""

        def decode(payload: bytes, received_ns: int) -> Decoded:
            taken = Collection(self._window, received_ns)
            if payload.strip():
                pack = self._pack(payload, taken)
                several = len({record.base for record in pack}) > 1
                if captures.sensor is not None and len({record.base + record.name for record in pack}) > 1:
                    taken.refuse(Cause.SHAPE, "several names, and the topic names the sensor")
                    pack = []
                for record in pack:
                    self._record(record, several, captures, taken)
            return taken.decoded()

        return decode

    def _pack(self, payload: bytes, taken: Collection) -> list[Named]:
        """The records of a payload, resolved; none where it is no pack."""
        try:
            # JSON's `[` begins no array in CBOR, and nothing that begins one in CBOR begins JSON.
            if payload[0] in b"[ \t\r\n\xef":
                root = json_tree(payload, taken.refused)
            else:
                root = cbor_tree(payload, taken.refused, LABELS)
            return _resolved(root, taken)
        except RecursionError:
            taken.refuse(Cause.TOO_DEEP)
        except ValueError as error:
            taken.refuse(Cause.NOT_SENML, str(error))
        return []

    def _record(self, record: Named, several: bool, captures: Captures, taken: Collection) -> None:
        """Take the values of a record."""
        names = _names(record, several, captures)
        if names is None:
            taken.refuse(Cause.NO_MACHINE if captures.machine is None else Cause.NO_SENSOR, record.base + record.name)
            return
        machine, sensor = names
        if not taken.named(machine) or not taken.named(sensor):
            return
        if record.refused is not None:
            taken.refuse(record.refused, sensor)
        time_ns = round(max(min(record.time_s, 1e15), -1e15) * 1e6) * 1000  # of what is out of the calendar, anything
        if record.time_s < RELATIVE_BELOW_S:
            time_ns += taken.received_ns
        if record.values and taken.believes(time_ns, sensor):
            for suffix, value in record.values.items():
                taken.add(Machine(machine, captures.tags), sensor + suffix, time_ns, value)


def _names(record: Named, several: bool, captures: Captures) -> tuple[str, str] | None:
    """Machine and sensor of a record; None where one of them has no name."""
    whole = record.base + record.name
    if captures.machine is not None:
        sensor = whole if several else record.name or record.base
        if captures.sensor is not None:
            return captures.machine, captures.sensor
        return (captures.machine, escaped(sensor)) if sensor else None
    if record.base and record.name:
        machine, sensor = record.base.rstrip(":/"), record.name
    else:
        cut = max(whole.rfind(":"), whole.rfind("/"))
        machine, sensor = whole[: max(cut, 0)], whole[cut + 1 :]
    sensor = captures.sensor or escaped(sensor)
    return (escaped(machine), sensor) if machine and sensor else None


def _resolved(root: Any, taken: Collection) -> list[Named]:
    """The records of a decoded pack; ValueError where it is none."""
    if type(root) is not list:
        raise ValueError("a pack is an array of records")
    base: dict[str, Any] = {"bn": "", "bt": 0.0, "bv": 0.0, "bs": 0.0}
    found: list[Named] = []
    for record in root:
        if type(record) is not dict:
            raise ValueError("a record is an object")
        if unknown := [key for key in record if key.endswith("_")]:
            raise ValueError(f"{unknown[0][:40]} must be understood, and is not")
        wrong = [key for key in _NUMBERS if key in record and type(record[key]) not in (int, float)]
        wrong += [key for key in _TEXTS if key in record and type(record[key]) is not str]
        if wrong:
            taken.refuse(Cause.NOT_SENML, f"{wrong[0]} is of the wrong kind")
            continue
        if record.get("bver", VERSION) > VERSION:
            raise ValueError(f"version {record['bver']}, not {VERSION}")
        base |= {key: record[key] for key in base if key in record}
        kinds = [key for key in ("v", "vb", "vs", "vd") if key in record]
        name = record.get("n", "")
        if not kinds and "s" not in record:
            if name or not any(key in record for key in ("bver", "bn", "bt", "bu", "bv", "bs")):
                taken.refuse(Cause.NULL, base["bn"] + name)
            continue
        if len(kinds) > 1 or ("vb" in record and type(record["vb"]) is not bool):
            taken.refuse(Cause.NOT_SENML, f"{base['bn']}{name}: one value of its own kind")
            continue
        values: dict[str, float] = {}
        if "v" in record:
            values[""] = _sum(base["bv"], record["v"])
        elif "vb" in record:
            values[""] = float(record["vb"])
        if "s" in record:
            values[".sum"] = _sum(base["bs"], record["s"])
        refused = next((cause for key, cause in _OTHER_VALUES.items() if key in record), None)
        time_s = _sum(base["bt"], record.get("t", 0.0))
        found.append(Named(base["bn"], name, time_s if time_s == time_s else math.inf, values, refused))
    return found


def _sum(one: float, other: float) -> float:
    """Of two numbers, whatever their size."""
    try:
        return float(one) + float(other)
    except OverflowError:
        return math.inf
