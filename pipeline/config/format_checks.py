"""Which settings of a source go with which payload format, and what else a format needs of its source."""

from collections.abc import Iterator, Mapping

from pipeline.config.settings import Source
from pipeline.topics import Template

# Setting -> formats that heed it; elsewhere it would be a wish that nobody fulfils.
_TREES = ("json", "cbor", "msgpack", "waveform")
HEEDED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("time", "time_missing", "time_zone", "time_format"), (*_TREES, "csv")),
    "time_unit": (*_TREES, "csv", "influx"),
    "machine": (*_TREES, "csv", "influx"),
    **dict.fromkeys(("samples", "sensor", "value", "quality", "good", "row", "header"), _TREES),
    **dict.fromkeys(("states", "number_text"), (*_TREES, "number")),
    "columns": ("csv",),
    "separator": ("csv",),
    "decimal": ("csv",),
    "tags": ("influx",),
    "measurement": ("influx",),
}
_DEFAULTS = Source(topic="")


def format_problems(source: Source, template: Template) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings of a format: (key, what would be right)."""
    for key, formats in HEEDED.items():
        if source.payload == "number" and "json" in formats:  # told by `source_checks`, in words of its own
            continue
        if getattr(source, key) != getattr(_DEFAULTS, key) and source.payload not in formats:
            yield key, f"has no meaning for payload {source.payload} (for {', '.join(formats)})"
    if source.payload == "influx":
        if source.machine is None and not template.captures("machine"):
            yield "machine", "payload influx needs the tag that names the machine, or a level {machine} in the topic"
        if source.time_unit == "iso":
            yield "time_unit", "line protocol has no such times (ns, us, ms, s, or auto, which is ns)"
    elif source.payload == "csv":
        yield from _csv_problems(source, template)
    elif source.payload == "sparkplug":
        if template.names:
            yield "topic", "sparkplug topics say themselves what is the machine (spBv1.0/#, spBv1.0/plant/#)"
        elif not f"{template.filter}/".startswith("spBv1.0/") or not template.open_end:
            yield "topic", "payload sparkplug needs topics of Sparkplug B (spBv1.0/#, spBv1.0/plant/#)"


def _csv_problems(source: Source, template: Template) -> Iterator[tuple[str, str]]:
    if source.separator != "tab" and (len(source.separator) != 1 or source.separator == '"'):
        yield "separator", 'is not one character (";", ",") or tab'
    elif source.separator == source.decimal:
        yield "separator", f"is the decimal sign too (separator: ';' goes with decimal: '{source.decimal}')"
    if source.machine is None and not template.captures("machine"):
        yield "machine", "payload csv needs the column that names the machine, or a level {machine} in the topic"
    named = [name for name in source.columns if name]
    if len(named) != len(set(named)):
        yield "columns", "names a column twice"
    for key, name in (("time", source.time), ("machine", source.machine)):
        if name is not None and source.columns and name not in source.columns:
            yield key, f"{name!r} is none of the columns"
