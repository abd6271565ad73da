"""What is text, true or false: words of states, which become values, and the rest, which is no measurement. Pure."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.commissioning.proposing.kinds import BOTH, STATES, TREES
from pipeline.commissioning.proposing.trial import tried
from pipeline.config.settings import Source
from pipeline.payloads import Cause
from pipeline.payloads.text_numbers import number_of
from pipeline.records import Message

# What stands for no reading: a sensor that says so now may give numbers another time.
NOTHING = frozenset(("", "unknown", "unavailable", "none", "null", "n/a", "na", "nan", "-", "--", "---", "?", "???"))
PROBE = "\ufffd"  # a word that nobody sends, so that every other one is told with its sensor
_PLACES = ("a bare value in an array", "no ", "beyond the first ")  # of refused arrays: not names of sensors


class Said(NamedTuple):
    """What a source's sensors say that is no number."""

    truths: frozenset[str]  # sensors that are true or false
    texts: Mapping[str, frozenset[str]]  # sensor -> what it said
    arrays: frozenset[str]  # sensors, or patterns of them


def said(source: Source, messages: Sequence[Message]) -> Said:
    """What of these messages is text, true or false, or an array."""
    plain = tried(source, messages)
    if source.payload not in (*TREES, "number"):
        return Said(frozenset(), {}, frozenset())
    known = {reading.sensor for reading in plain.readings}
    probe = tried(replace(source, states={"*": (False, True, PROBE)}), messages)
    truths = {reading.sensor for reading in probe.readings} - known
    texts: dict[str, set[str]] = defaultdict(set)
    arrays = set()
    for cause, where in probe.refused:
        sensor, colon, text = where.partition(": ")
        if cause == Cause.UNKNOWN_STATE and (colon or where.endswith(":")) and sensor not in known:
            texts[sensor.removesuffix(":")].add(text)
        elif cause == Cause.SHAPE and not where.startswith(_PLACES):
            arrays.add(f"*.{where}" if "{sensor" in f"{source.topic}{source.samples}" else where)
    return Said(
        frozenset(truths - texts.keys()),
        {sensor: frozenset(words) for sensor, words in sorted(texts.items()) if sensor not in truths},
        frozenset(arrays),
    )


def states(found: Said) -> dict[str, tuple[bool | str, ...]]:
    """The states of each sensor that says nothing else, the lower first."""
    words: dict[str, tuple[bool | str, ...]] = dict.fromkeys(sorted(found.truths), (False, True))
    for sensor, texts in found.texts.items():
        heard = {text.strip().casefold() for text in texts} - NOTHING
        pair = next((one for one in STATES if heard and heard <= {*one}), None)
        pair = pair or next((one for one in BOTH if heard == {*one}), None)
        if pair is not None:
            upper = all(text.isupper() for text in texts if text.strip().casefold() in pair)
            title = all(text.istitle() for text in texts if text.strip().casefold() in pair)
            words[sensor] = tuple(one.upper() if upper else one.title() if title else one for one in pair)
    return dict(sorted(words.items()))


def other_texts(found: Said, known: Mapping[str, object]) -> list[str]:
    """Sensors that say something that is neither a state nor a number that is missing now."""
    return [
        sensor
        for sensor, texts in found.texts.items()
        if sensor not in known and not {text.strip().casefold() for text in texts} <= NOTHING
    ]


def are_numbers(texts: frozenset[str]) -> bool:
    """Whether texts are numbers and no identifiers: they have a unit, or a fraction and change."""
    numbers = [text for text in texts if text.strip().casefold() not in NOTHING]
    if not numbers or any(number_of(text) is None for text in numbers):
        return False
    united = all(re.search(r"[^0-9.,+\-eE\s]", text) for text in numbers)
    return united or (len({*numbers}) > 1 and all("." in text or "," in text for text in numbers))
