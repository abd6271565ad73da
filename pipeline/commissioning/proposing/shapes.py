"""Where in objects and arrays the samples are, and what names them: every way that is worth trying. Pure.

Fields that are sensors, and samples that name them:

    {"temp": 1.5}  {"data": [{"temp": 1.5}]}     fields that are sensors, in samples or not
    [{"id": "temp", "v": 1.5, "q": true}]        samples that name their sensor themselves
    {"temp": {"value": 1.5}, "flow": {...}}      keys that name the sensor of the sample behind them
    [[1717000000, 41.2], ...]                    rows, with names of their items or without
    {"press-1": [{"values": {...}}]}             devices of a gateway
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from pipeline.commissioning.proposing.envelopes import in_envelope
from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.walk import as_path, is_key, met
from pipeline.commissioning.proposing.words import MACHINE_FIELDS, TIME_FIELDS, may_name_machines, tokens
from pipeline.config.settings import GOOD, Source
from pipeline.payloads.layout import quality_of

NAMES = (
    "id", "name", "n", "sensor", "metric", "tag", "path", "key", "dataPointId", "datapoint", "parameter", "entity_id",
    "tagName", "nodeId", "variable", "channel", "label",
)  # fmt: skip
VALUES = ("v", "val", "value", "Value", "data", "state", "reading")
QUALITIES = ("q", "quality", "Quality", "qc", "qualityCode", "StatusCode", "statusCode", "code")
USUAL = frozenset(quality_of(one) for one in GOOD)
BAD = frozenset(
    ("bad", "uncertain", "invalid", "error", "err", "fault", "faulty", "fail", "failed", "failure", "stale", "not",
     "no", "false", "questionable", "suspect", "doubtful", "unreliable", "unknown", "timeout", "offline")
)  # fmt: skip
UNCERTAIN = 0x4000_0000  # from here on a status code of OPC UA is uncertain or bad
BESIDE = frozenset(("value", "unit", "quality", *TIME_FIELDS))  # of a single value


class Shape(NamedTuple):
    """A way to read a source's messages."""

    source: Source
    notes: tuple[str, ...] = ()


def is_single(topic: Topic) -> bool:
    """Whether each payload is one value of the sensor that the topic names, alone or in rows with a time."""
    if len(topic.levels) < 2:
        return False
    if all(map(_is_series, topic.trees)):
        return True
    items = [one for tree in topic.trees for one in (tree if isinstance(tree, list) else [tree])]
    keys = {key for one in items if isinstance(one, dict) for key in one}
    return "value" in keys and not {key for key in keys if key.casefold() not in BESIDE}


def _is_series(tree: Any) -> bool:
    """Whether this is rows of a time and a value."""
    return (
        isinstance(tree, list)
        and bool(tree)
        and all(isinstance(row, list) and len(row) == 2 and isinstance(row[0], int | float) for row in tree)
        and all(abs(row[0]) >= 1e8 for row in tree)
    )


def shapes(source: Source, literal: str, members: Sequence[Topic], single: bool) -> list[Shape]:
    """Ways to read objects, the plainest first; `literal` is the topic without a level for the machine."""
    trees = [tree for one in members for tree in one.trees]
    if single:
        samples = [one.sample for tree in trees for one in met(tree, None)]
        objects = [one for one in samples if isinstance(one, dict)]
        return [*_rows(source, samples, trees), _with_quality(source, objects)]
    known = in_envelope(source, literal, trees)
    if known is not None:
        source = known
        if source.sensor is not None or source.value is not None:
            return [Shape(source)]
    else:
        source = replace(source, samples=_samples_field(trees))
    samples = [one.sample for tree in trees for one in met(tree, source.samples)]
    objects = [one for one in samples if isinstance(one, dict)]
    named = list(_named_in_samples(source, objects))
    found = named if any(_is_all(one, objects) for one in named) else [Shape(source), *named]
    found += _rows(source, samples, trees)
    if known is None:
        by_key = list(_named_by_key(source, trees))
        if any(one.source.quality for one in by_key):
            return by_key  # else qualities, which are numbers too, would be sensors
        found += by_key
    if "{machine}" in source.topic:
        sensors = {one.source.sensor for one in found}
        machines = [name for name in MACHINE_FIELDS if name not in sensors]
        found += [other for one in found for other in _machines_inside(one, literal, machines, members)]
        if trees and all(map(_is_gateway, trees)):
            found.append(Shape(replace(source, topic=literal, samples="{machine}.values")))
    return found


def _samples_field(trees: Sequence[Any]) -> str | None:
    """The key below which there is always an array of objects."""
    items = [one for tree in trees for one in (tree if isinstance(tree, list) else [tree]) if isinstance(one, dict)]
    count = Counter(key for one in items for key, value in one.items() if _is_array_of_objects(value) and is_key(key))
    key = max(sorted(count), key=lambda one: count[one], default=None)
    return as_path(key) if key is not None and count[key] == len(items) else None


def _is_array_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _named_in_samples(source: Source, objects: Sequence[dict[str, Any]]) -> Iterator[Shape]:
    for name in NAMES:
        for value in VALUES:
            if name == value or not objects or not all(isinstance(one.get(name), str | int) for one in objects):
                continue
            having = [one for one in objects if value in one]
            numbered = all(isinstance(one[name], int) for one in objects)  # `{"id": 7, "value": 1}` may be one sample
            if 2 * len(having) <= len(objects) or (numbered and len({one[name] for one in objects}) < 2):
                continue
            yield _with_quality(replace(source, sensor=name, value=value), objects)


def _is_all(shape: Shape, objects: Sequence[dict[str, Any]]) -> bool:
    """Whether samples hold no number but a value, its quality and its time; else the quality would be a sensor."""
    read = {shape.source.value, shape.source.quality}
    return shape.source.quality is not None and all(
        key in read or key.casefold() in TIME_FIELDS or not isinstance(value, int | float)
        for one in objects
        for key, value in one.items()
    )


def _with_quality(source: Source, objects: Sequence[dict[str, Any]]) -> Shape:
    """The shape with the quality of its samples, where they have one."""
    for key in QUALITIES:
        found = [one[key] for one in objects if isinstance(one.get(key), bool | int | str)]
        if 2 * len(found) <= len(objects) or key in (source.sensor, source.value):
            continue
        if any(quality_of(one) in USUAL for one in found):
            return Shape(replace(source, quality=key))
        count = Counter((type(one).__name__, one) for one in found)
        ranked = sorted(sorted(count, key=repr), key=lambda one: -count[one])
        good = next((one for _, one in ranked if not _says_bad(one)), None)
        if good is None:
            note = f"no sample had a good quality: {key} was {ranked[0][1]!r} (good lists the good ones)"
            return Shape(replace(source, quality=key), (note,))
        note = f"the quality {key} is {good!r} most often, and that is taken as the good one"
        return Shape(replace(source, quality=key, good=(good,)), (note,))
    return Shape(source)


def _says_bad(quality: bool | int | str) -> bool:
    """Whether this cannot be a good quality, whatever system it is of; the two highest bits are OPC UA's severity."""
    if isinstance(quality, str):
        return bool(BAD & {*tokens(quality)})
    return quality is False or not 0 <= quality < UNCERTAIN


def _named_by_key(source: Source, trees: Sequence[Any]) -> Iterator[Shape]:
    """Objects of name -> sample, at the top or up to two keys below it."""
    for path in _paths_of_objects(trees):
        samples = [one.sample for tree in trees for one in met(tree, as_path(*path) if path else None)]
        parts = [part for one in samples if isinstance(one, dict) for part in one.values() if isinstance(part, dict)]
        for value in VALUES:
            having = [part for part in parts if value in part and not isinstance(part[value], dict | list)]
            if len(having) >= 2 * len(samples) and 2 * len(having) > len(parts):
                inner = ".".join((*map(as_path, path), "{sensor}"))
                yield _with_quality(replace(source, samples=inner, value=value), parts)


def _paths_of_objects(trees: Sequence[Any]) -> list[tuple[str, ...]]:
    """Paths at which every message has an object, the shortest first."""
    if not trees or not all(isinstance(tree, dict) for tree in trees):
        return []
    found: list[tuple[str, ...]] = [()]
    for path in found:
        if len(path) < 2:
            nodes = [one.sample for tree in trees for one in met(tree, as_path(*path) if path else None)]
            keys = sorted(key for key in nodes[0] if all(isinstance(one.get(key), dict) for one in nodes))
            found += [(*path, key) for key in keys if is_key(key)]
    return found[:20]


def _rows(source: Source, samples: Sequence[Any], trees: Sequence[Any]) -> Iterator[Shape]:
    """Arrays of values, whose items are named by the first row, beside the rows, or not at all."""
    rows = [one for one in samples if isinstance(one, list)]
    if rows and all(isinstance(cell, str) for cell in rows[0]) and len({len(one) for one in rows}) == 1:
        yield Shape(replace(source, header="first_row"))
    elif rows and len({len(one) for one in rows}) == 1 and len(rows[0]) > 1 and len(rows) == len(samples):
        names = ("value",) if len(rows[0]) == 2 else tuple(f"value{number}" for number in range(1, len(rows[0])))
        note = "its rows do not say what their values are: give them their names" if len(names) > 1 else ""
        yield Shape(replace(source, row=("time", *names)), (note,) if note else ())
    if not trees or not all(isinstance(tree, dict) for tree in trees):
        return
    known = sorted(filter(is_key, trees[0]))
    tables = [key for key in known if all(_are_rows(tree.get(key)) for tree in trees)]
    headers = [key for key in known if all(_are_texts(tree.get(key)) for tree in trees)]
    if tables and headers:
        yield Shape(replace(source, samples=as_path(tables[0]), header=as_path(headers[0])))


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(cell, str) for cell in value)


def _machines_inside(shape: Shape, literal: str, fields: Sequence[str], members: Sequence[Topic]) -> Iterator[Shape]:
    """Machines that one of these fields of the samples names, where a topic holds several of them."""
    for name in fields:
        by_topic = []
        for topic in members:
            samples = [one.sample for tree in topic.trees for one in met(tree, shape.source.samples)]
            by_topic.append([one.get(name) for one in samples if isinstance(one, dict)])
        pairs = list(zip(by_topic, members, strict=True))
        every = [one for texts in by_topic for one in texts]
        names = {one for one in every if isinstance(one, str)}
        if not all(isinstance(one, str) for one in every) or not may_name_machines(name, names):
            continue
        if all(len({*texts}) < 2 for texts in by_topic):
            continue  # the topic says the same
        in_each = any(1 < len(texts) == len({*texts}) == len(topic.trees) for texts, topic in pairs)
        if in_each and name in ("id", "name"):
            continue  # another one in every message: it names messages
        again = sum(len({*texts}) for texts in by_topic) > len(names)  # the same name on several topics
        place = shape.source.topic.replace("{machine}", "{gateway}") if again else literal
        yield shape._replace(source=replace(shape.source, topic=place, machine=name))


def _is_gateway(tree: Any) -> bool:
    """Whether each value is a list of samples with values: what gateways of ThingsBoard send, a key a device."""
    return (
        isinstance(tree, dict)
        and bool(tree)
        and all(
            isinstance(value, list)
            and bool(value)
            and all(isinstance(one, dict) and isinstance(one.get("values"), dict) for one in value)
            for value in tree.values()
        )
    )


def machine_field(members: Sequence[Topic]) -> str | None:
    """The key whose text differs from message to message and names the machine."""
    items = [
        one
        for topic in members
        for tree in topic.trees
        for one in (tree if isinstance(tree, list) else [tree])
        if isinstance(one, dict)
    ]
    for name in MACHINE_FIELDS:
        if may_name_machines(name, {one[name] for one in items if isinstance(one.get(name), str)}):
            return name
    return None
