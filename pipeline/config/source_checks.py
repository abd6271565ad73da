"""What can be wrong with a source on paper: paths, contradictions, settings that say nothing without another."""

import math
import re
from collections.abc import Iterator, Mapping

from pipeline.config.format_checks import format_problems
from pipeline.config.paths import EVERY, NAMES, parse_path
from pipeline.config.settings import GOOD, Source
from pipeline.config.waveforms import source_problems
from pipeline.topics import Template, parse

Problems = Iterator[tuple[str, str]]

# Settings of payloads that have fields.
_FIELDS = ("time", "machine", "samples", "sensor", "value", "quality", "header", "row")
_PATHS = ("time", "machine", "sensor", "value", "quality", "header")
_MOST_FORMAT = 64  # characters
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = "aAbBdmyYHIMSfpjz%"  # of `strptime`; those that are left out say no moment, or depend on this computer
_DATES = ({"d", "m"}, {"d", "b"}, {"d", "B"}, {"j"})  # beside the year


def check_source(source: Source, environ: Mapping[str, str]) -> Problems:
    """What is wrong, with the key that says it."""
    try:
        template = parse(source.topic)
    except ValueError as error:
        yield "topic", str(error)
        return
    for key in _PATHS:
        yield from _check_path(key, getattr(source, key))
    yield from _check_samples(source, template)
    if source.good != GOOD and source.quality is None:
        yield "good", "needs quality, the path of the field that is compared"
    if not source.good:
        yield "good", "is empty: no quality would be good"
    if source.payload == "number":
        for name in ("machine", "sensor"):
            if not template.captures(name):
                yield "topic", f"payload number needs a level {{{name}}} in the topic"
        for key in _FIELDS:
            if getattr(source, key):
                yield key, "a payload number has no fields (payload: json)"
    else:
        yield from _check_fields(source, template)
    yield from source_problems(source, template)
    yield from format_problems(source, template)
    yield from _check_time(source)
    yield from _check_sensors(source)


def _check_path(key: str, path: str | None) -> Problems:
    if path is None:
        return
    try:
        keys = parse_path(path)
    except ValueError as error:
        yield key, str(error)
        return
    if any(part in NAMES or part == EVERY for part in keys):
        yield key, "{machine}, {sensor} and * are for samples"


def _check_samples(source: Source, template: Template) -> Problems:
    if source.samples is None:
        return
    try:
        keys = parse_path(source.samples)
    except ValueError as error:
        yield "samples", str(error)
        return
    for name in NAMES:
        if keys.count(name) > 1:
            yield "samples", f"{name} is there twice"
    if any(("{" in key or "}" in key) and key not in NAMES for key in keys):
        yield "samples", f"only {' and '.join(NAMES)} can be captured, each as a whole part"
    if "{machine}" in keys and (source.machine is not None or template.captures("machine")):
        other = "machine" if source.machine is not None else "the topic"
        yield "samples", f"{other} names the machine already"
    if "{sensor}" in keys and source.sensor is not None:
        yield "samples", "sensor names the sensor already"


def _check_fields(source: Source, template: Template) -> Problems:
    if source.machine is not None and template.captures("machine"):
        yield "machine", "the topic captures {machine} already"
    names_sensor = source.sensor is not None or template.captures("sensor") or "{sensor}" in (source.samples or "")
    if source.value is not None and not names_sensor:
        yield "value", "needs sensor, the path of the name that goes with it, or {sensor} in topic or samples"
    if source.row and source.header is not None:
        yield "row", "header says already where the names of the items are"
    if len(set(source.row)) != len(source.row) or not all(source.row):
        yield "row", "needs a different name for each item of the arrays"


def _check_time(source: Source) -> Problems:
    if source.time is None:
        alone = {"time_unit": "auto", "time_missing": "refuse", "time_zone": None, "time_format": None}
        for key, default in alone.items():
            if getattr(source, key) != default and source.payload != "influx":  # where it is the precision
                yield key, "needs time, the path of the time field"
    if source.time_zone is not None:
        from pipeline.config.calendars import problems  # here, as few name one, and it loads the network

        yield from problems(source.time_zone, None)
    if source.time_format is not None:
        if source.time_unit != "auto":
            yield "time_unit", "time_format says already what a time looks like"
        wrong = _format_problem(source.time_format)
        if wrong:
            yield "time_format", wrong
    elif source.time_zone is not None and source.time_unit not in ("auto", "iso"):
        yield "time_zone", f"a time in {source.time_unit} since 1970 has no zone"


def _format_problem(text: str) -> str:
    """What is wrong with a format of times; empty where nothing is."""
    right = "(such as %d.%m.%Y %H:%M:%S)"
    if len(text) > _MOST_FORMAT:
        return f"has more than {_MOST_FORMAT} characters {right}"
    directives = [one for one in _DIRECTIVE.findall(text) if one != "%"]
    for one in directives:
        if not one or one not in _DIRECTIVES:
            return f"%{one} is none of {', '.join('%' + known for known in _DIRECTIVES)} {right}"
        if directives.count(one) > 1:
            return f"%{one} is there twice {right}"
    found = set(directives)
    if len(found & {"Y", "y"}) != 1 or not any(date <= found for date in _DATES):
        return f"says no whole date: year, month and day {right}"
    if ("I" in found) != ("p" in found) or {"H", "I"} <= found:
        return "needs either %H, or %I with %p, for the hour"
    if ("f" in found and "S" not in found) or ("S" in found and "M" not in found):
        return f"has a part of a second or minute without the whole {right}"
    return ""


def _check_sensors(source: Source) -> Problems:
    if not all(source.ignore):
        yield "ignore", "has an empty pattern"
    if not all(math.isfinite(value) for value in source.missing):
        yield "missing", "only finite numbers: NaN and Infinity are never readings"
    for pattern, ends in source.valid.items():
        if len(ends) != 2 or not -1e100 <= ends[0] < ends[1] <= 1e100:
            yield f"valid.{pattern}", "is not a range (the lower end first, both finite)"
    for pattern, words in source.states.items():
        spelled = [str(word).strip().casefold() for word in words]
        if len(words) < 2 or not all(spelled):
            yield f"states.{pattern}", "needs two words or more, in the order of their values 0, 1, 2, ..."
        elif len(set(spelled)) != len(spelled):
            yield f"states.{pattern}", "has a word twice (capital letters make no difference)"
    for key, patterns in (("valid", list(source.valid)), ("states", list(source.states))):
        if "*" in patterns[:-1]:
            yield key, "what follows * is never reached: the first pattern that matches counts"
