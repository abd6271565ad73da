"""What is read and is no measurement: identifiers, versions, clocks, signal strengths, values said twice. Pure.

Each becomes a pattern of `ignore`, with the reason beside it. A name alone is not enough where values could say
otherwise; where nothing says what a sensor is, it is a measurement.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from pipeline.commissioning.proposing.stamps import DAY_NS, YEAR_NS
from pipeline.commissioning.proposing.words import escaped_pattern, tokens
from pipeline.payloads.stamps import unix_time
from pipeline.records import Reading

T = TypeVar("T")
IDENTIFIER, VERSION, SIGNAL = "an identifier", "versions and updates of software", "radio signal strength"
UPTIME, NUMBERED, CLOCK = "how long the device has been on", "the number of a message", "a time, not a measurement"
UNIT, ARRAY, TEXT = "a unit", "an array whose values have no times", "text"
BATTERY = "the battery of the radio sensor"
TWICE = "the same as"
WHOLE = frozenset((VERSION, SIGNAL))  # what else comes below such a key is of the same kind
LAST: Mapping[str, str] = {  # last word of a name
    **dict.fromkeys(("id", "uid", "uuid", "guid", "serial", "serialnumber", "imei", "eui", "mac"), IDENTIFIER),
    **dict.fromkeys(("seq", "seqno", "fcnt", "msgid"), NUMBERED),
    **dict.fromkeys(("unit", "units", "uom"), UNIT),
    **dict.fromkeys(("fw", "firmware", "version"), VERSION),
}
ANYWHERE: Mapping[str, str] = {
    **dict.fromkeys(("rssi", "snr", "linkquality", "lqi", "rsrp", "rsrq", "sinr", "wifi", "wlan"), SIGNAL),
    **dict.fromkeys(("version", "firmware", "update"), VERSION),
    "uptime": UPTIME,
}
TOGETHER: Mapping[tuple[str, str], str] = {
    ("link", "quality"): SIGNAL,
    ("signal", "strength"): SIGNAL,
    ("serial", "number"): IDENTIFIER,
    ("up", "time"): UPTIME,
    ("f", "cnt"): NUMBERED,
    ("seq", "no"): NUMBERED,
    ("sequence", "number"): NUMBERED,
    ("temp", "unit"): UNIT,
}
NOT_OF_SOFTWARE = frozenset(("rate", "interval", "period", "time", "cycle"))  # beside `update`: it is measured
# Beside `wifi` and the like: measured, at the radio.
NOT_OF_RADIO = frozenset(
    ("temp", "temperature", "tempc", "tempf", "voltage", "volt", "volts", "current", "power", "humidity", "pressure")
)
CLOCKS = frozenset(("ts", "time", "timestamp", "stamp", "date", "epoch", "clock", "datetime"))
# Units by the last word of a name. Second unit: of what it is a multiple of the first, how many times, and shifted.
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("c", "celsius", "degc"), "C"),
    **dict.fromkeys(("f", "fahrenheit", "degf"), "F"),
    **dict.fromkeys(("k", "kelvin"), "K"),
    **{one: one for one in ("bar", "mbar", "psi", "kpa", "pa", "w", "kw", "wh", "kwh", "kmh", "mph", "mm", "inch")},
}
SECOND: Sequence[tuple[str, str, float, float]] = (
    ("C", "F", 1.8, 32.0), ("C", "K", 1.0, 273.15), ("bar", "psi", 14.503774, 0.0), ("bar", "kpa", 100.0, 0.0),
    ("bar", "mbar", 1000.0, 0.0), ("bar", "pa", 100_000.0, 0.0), ("kpa", "psi", 0.1450377, 0.0),
    ("kw", "w", 1000.0, 0.0), ("kwh", "wh", 1000.0, 0.0), ("kmh", "mph", 0.621371, 0.0),
    ("mm", "inch", 1 / 25.4, 0.0),
)  # fmt: skip
SECRETS = frozenset(("password", "passwd", "pass", "pwd", "token", "secret", "key", "pin", "auth"))
COARSE = 4.0  # from here on a step is so much larger that what it hides is worth more than the usual unit
EARLIER = frozenset(("raw", "pre", "prev", "previous"))  # what a value was made of, or was before


def by_name(sensor: str) -> str:
    """Why a sensor is no measurement, by its name; empty where it may be one."""
    words = tokens(sensor)
    last = tokens(sensor.rsplit(".", 1)[-1])
    if not last:
        return ""
    pairs = {*pairwise(words)}
    for pair, reason in TOGETHER.items():
        if pair in pairs:
            return reason
    for word in words:
        reason = ANYWHERE.get(word, "")
        measured = (word == "update" and NOT_OF_SOFTWARE & {*words}) or (reason == SIGNAL and NOT_OF_RADIO & {*words})
        if reason and not measured:
            return reason
    return LAST.get(last[-1], "")


def text_such_as(sensor: str, text: str) -> str:
    """The reason for text, with an example unless it may be a secret."""
    return TEXT if SECRETS & {*tokens(sensor)} else f"{TEXT}, such as {text[:40]}"


def of_readings(readings: Sequence[Reading], received_ns: int, radio: bool) -> dict[str, str]:
    """Sensors whose readings are no measurements, and why; `radio`: all of them are of a sensor with a radio."""
    values: dict[str, list[float]] = defaultdict(list)
    rows: dict[tuple[object, int], dict[str, float]] = defaultdict(dict)
    for reading in readings:
        values[reading.sensor].append(reading.value)
        rows[reading.machine, reading.time_ns][reading.sensor] = reading.value
    found = {}
    for sensor, known in sorted(values.items()):
        reason = by_name(sensor)
        whole = all(value == int(value) for value in known)
        if reason and (whole or reason in (SIGNAL, UPTIME, VERSION)):
            found[sensor] = reason
        elif all(_is_clock(value, sensor, received_ns) for value in known):
            found[sensor] = CLOCK
    if radio or {SIGNAL, VERSION} & {*found.values()}:
        found |= {sensor: BATTERY for sensor in sorted(values) if tokens(sensor)[:1] == ("battery",)}
    return found | _twice(values.keys() - found.keys(), list(rows.values()))


def _is_clock(value: float, sensor: str, received_ns: int) -> bool:
    """Whether a number is a time since 1970: about now, or called a time and of the last years."""
    if value < 1e9:
        return False
    behind_ns = received_ns - unix_time(int(value), "auto")
    called = bool(CLOCKS & {*tokens(sensor)})
    return -DAY_NS < behind_ns < (10 * YEAR_NS if called else DAY_NS)


def _twice(sensors: set[str], rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Sensors that say in another unit, or once more, what another sensor of the same machine says."""
    found = {}
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)  # all words but the last -> the last -> sensor
    for sensor in sorted(sensors):
        *stem, last = tokens(sensor) or ("",)
        if last in UNITS or last in EARLIER or last == "value":
            alike[tuple(stem)][last] = sensor
    for known in alike.values():
        for last, sensor in known.items():
            for other_last, other in known.items():
                both = [(row[other], row[sensor]) for row in rows if other in row and sensor in row]
                if not both or other == sensor:
                    continue
                if last in EARLIER:
                    if other_last == "value" and all(one == same for one, same in both):
                        found[sensor] = f"{TWICE} {_short(other)}"
                    continue
                coarser = _coarser(UNITS.get(other_last), UNITS.get(last), both)
                if coarser is not None:
                    said, same = (other, sensor) if coarser == 0 else (sensor, other)
                    found[said] = f"{TWICE} {_short(same)}, in another unit"
    return found


def _short(sensor: str) -> str:
    return sensor.rsplit(".", 1)[-1]


def _coarser(first: str | None, second: str | None, both: Sequence[tuple[float, float]]) -> int | None:
    """Which of two sensors can be left out, 0 or 1, as they say the same in these units; None: neither.

    `both`: their values in the same rows. Zero alone is no evidence.
    """
    if not any(one and other for one, other in both):
        return None
    for one, other, factor, shift in SECOND:
        if (one, other) != (first, second):
            continue
        digits = max(_decimals(value) for _, value in both)
        if all(round(value * factor + shift, digits) == said for value, said in both):
            return 1  # nothing in it that the first does not say
        steps = factor * 10.0 ** -max(_decimals(value) for value, _ in both), 10.0**-digits
        if all(abs(value * factor + shift - said) <= 0.55 * sum(steps) + 0.002 * abs(said) for value, said in both):
            return 0 if steps[0] > COARSE * steps[1] else 1
    return None


def _decimals(value: float) -> int:
    """How many decimals a value was sent with.

    >>> _decimals(21.25), _decimals(3.0), _decimals(1e-7)
    (2, 0, 7)
    """
    return max(0, -int(Decimal(repr(value)).normalize().as_tuple().exponent))


def patterns(known: Mapping[str, T], sensors: set[str], in_topic: bool) -> dict[str, T]:
    """Patterns for sensors, with what is known of each.

    One pattern for all that are called the same behind the name that is `in_topic`, and for all that a device says of
    its radio or software below one key.
    """
    by_first: dict[str, set[str]] = defaultdict(set)
    by_rest: dict[str, set[str]] = defaultdict(set)
    for sensor in sensors | known.keys():
        first, _, rest = sensor.partition(".")
        by_first[first].add(sensor)
        by_rest[rest].add(sensor)
    found: dict[str, T] = {}
    for sensor, what in sorted(known.items()):
        first, dot, rest = sensor.partition(".")
        if dot and in_topic and _all_the_same(by_rest[rest], known):
            found[f"*.{escaped_pattern(rest)}"] = what
        elif dot and what in WHOLE and len(by_first[first]) > 1 and _all_the_same(by_first[first], known):
            found[f"{escaped_pattern(first)}.*"] = what
        else:
            found[sensor if sensor.startswith("*.") else escaped_pattern(sensor)] = what
    return dict(sorted(found.items()))


def _all_the_same(sensors: set[str], known: Mapping[str, object]) -> bool:
    """Whether the same is known of all these sensors; reasons may have different examples."""
    kinds = {what.partition(",")[0] if isinstance(what, str) else what for what in map(known.get, sensors)}
    return sensors <= known.keys() and len(kinds) == 1
