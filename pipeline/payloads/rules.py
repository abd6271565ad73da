"""What a source says of its sensors by their names: which are no measurements, which values are no readings, and what
words stand for.

`Rules.sift` judges the readings of any format; `Rules.number` gives the numbers of what is text, true or false, for
the formats that have such values.
"""

import math
import struct
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pipeline.config.settings import Source
from pipeline.payloads.decoded import MAX_NAMES, Cause, Decoded, Route, refuse
from pipeline.payloads.text_numbers import MAX_TEXT, number_of


class Rule(NamedTuple):
    """What holds for one sensor."""

    ignored: bool
    low: float
    high: float
    states: Mapping[str | bool, float] | None  # words in lower case, true and false -> value


class Rules:
    """The rules of one source."""

    def __init__(self, source: Source) -> None:
        self.ignore = source.ignore
        self.valid = source.valid
        self.states = {pattern: _values(words) for pattern, words in source.states.items()}
        self.number_text = source.number_text
        self.missing = frozenset([one for value in source.missing for one in (value, _as_float32(value))])
        self.sifts = bool(source.ignore or source.valid or source.missing)
        self.reads_words = bool(source.states or source.number_text)
        self._known: dict[str, Rule] = {}

    def of(self, sensor: str) -> Rule:
        """The rule of a sensor; of `valid` and `states` the first pattern counts that matches."""
        rule = self._known.get(sensor)
        if rule is None:
            ignored = any(fnmatchcase(sensor, pattern) for pattern in self.ignore)
            low, high = _first(self.valid, sensor) or (-math.inf, math.inf)
            rule = Rule(ignored, low, high, _first(self.states, sensor))
            if len(self._known) >= MAX_NAMES:
                self._known.clear()
            self._known[sensor] = rule
        return rule

    def number(self, sensor: str, value: str | bool) -> float | Cause:
        """The number that text, true or false stands for, possibly infinite; or why it stands for none."""
        states = self.of(sensor).states
        if isinstance(value, bool):
            return Cause.BOOLEAN if states is None else states.get(value, Cause.UNKNOWN_STATE)
        if states is not None:
            state = states.get(value.strip().casefold() if len(value) <= MAX_TEXT else value)
            if state is not None:
                return state
        number = number_of(value) if self.number_text else None
        if number is None:
            return Cause.TEXT if states is None else Cause.UNKNOWN_STATE
        return number

    def sifted(self, route: Route) -> Route:
        """A route without the readings of sensors that are ignored, and of values that are none."""
        return (lambda payload, received_ns: self.sift(route(payload, received_ns))) if self.sifts else route

    def sift(self, decoded: Decoded) -> Decoded:
        """The same without the readings of sensors that are ignored, and of values that are none."""
        if not self.sifts:
            return decoded
        refused = list(decoded.refused)
        kept = []
        for reading in decoded.readings:
            rule = self.of(reading.sensor)
            if rule.ignored:
                continue
            if reading.value in self.missing:
                refuse(refused, Cause.MISSING_VALUE, f"{reading.sensor}: {reading.value:g}")
            elif not rule.low <= reading.value <= rule.high:
                refuse(refused, Cause.OUT_OF_RANGE, f"{reading.sensor}: {reading.value:g}")
            else:
                kept.append(reading)
        if decoded.readings and not kept and not refused:
            refuse(refused, Cause.IGNORED)
        return Decoded(kept, refused, decoded.events)


def _first(patterns: Mapping[str, Any], sensor: str) -> Any:
    for pattern, found in patterns.items():
        if fnmatchcase(sensor, pattern):
            return found
    return None


def _values(words: tuple[bool | str, ...]) -> dict[str | bool, float]:
    """Words to their places; where there are two, and neither is true or false, these are the places 1 and 0."""
    values: dict[str | bool, float] = {}
    for place, word in enumerate(words):
        if isinstance(word, bool):
            values[word] = float(place)
        values[str(word).strip().casefold()] = float(place)  # in a payload of text `true` is a word
    if len(words) == 2 and not any(isinstance(word, bool) for word in words):
        for place, truth in enumerate((False, True)):
            values.setdefault(truth, float(place))
            values.setdefault(str(truth).casefold(), float(place))
    return values


def _as_float32(value: float) -> float:
    """What a device that calculates in single precision sends for `value`."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return value
