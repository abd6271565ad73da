"""Other ways to read the JSON that was heard: each is tried on it, and the one that explains most is proposed. Pure.

A way to read messages is wrong where one message gives two readings of a sensor at one time: then what looks like
sensors are the fields of samples that name their sensor themselves.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline.config.settings import GOOD, Source, Times
from pipeline.payloads import Decoder
from pipeline.records import Message

MESSAGE_BYTES = 1_048_576
ENOUGH = 200  # messages that a way is tried on
NAMES = ("id", "name", "n", "sensor", "metric", "tag", "path", "key", "dataPointId", "datapoint", "parameter")
VALUES = ("v", "val", "value", "Value")
QUALITIES = ("q", "quality", "Quality")


class Fit(NamedTuple):
    """How well a source reads messages; the larger, the better."""

    unique: bool  # there are readings, and no sensor has two of one time in one message
    readings: int
    understood: int  # parts that were not refused, as a negative number of those that were


def fit(source: Source, messages: Sequence[Message]) -> Fit:
    """What a source makes of messages."""
    decoder = Decoder((source,), Times(), MESSAGE_BYTES)
    unique, readings, refused = True, 0, 0
    for message in messages[-ENOUGH:]:
        decoded = decoder.decode(message._replace(retained=False))
        places = {reading[:3] for reading in decoded.readings}
        unique = unique and len(places) == len(decoded.readings)
        readings += len(decoded.readings)
        refused += len(decoded.refused)
    return Fit(unique and readings > 0, readings, -refused)


def best(source: Source, payloads: Sequence[Any], messages: Sequence[Message]) -> Source:
    """The source, or a variant of it that reads these messages better; `payloads` are what they decode to."""
    found, known = source, fit(source, messages)
    for variant in variants(source, payloads, {message.topic for message in messages}):
        other = fit(variant, messages)
        if other > known:
            found, known = variant, other
    if known.readings:
        return found
    # Only where there is nothing else: versions and identifiers are numbers as text, too.
    texts = msgspec.structs.replace(found, number_text=True)
    return texts if fit(texts, messages).readings else found


def variants(source: Source, payloads: Sequence[Any], topics: Collection[str]) -> Iterator[Source]:
    """Ways to read JSON that the plain source does not have."""
    if source.payload != "json":
        return
    samples = [sample for payload in payloads for sample in _samples(source, payload)]
    objects = [sample for sample in samples if isinstance(sample, dict)]
    for name in NAMES:
        for value in VALUES:
            if name != value and objects and all(isinstance(one.get(name), str) and value in one for one in objects):
                quality = next((key for key in QUALITIES if any(_is_good(one.get(key)) for one in objects)), None)
                yield msgspec.structs.replace(source, sensor=name, value=value, quality=quality)
    arrays = [sample for sample in samples if isinstance(sample, list)]
    if arrays and all(len(one) == 2 for one in arrays):
        topic = source.topic if "{sensor}" in source.topic else source.topic.rpartition("/")[0] + "/{sensor}"
        yield Source(topic, payload="json", row=("time", "value"), time="time")
    gateway = [payload for payload in payloads if isinstance(payload, dict)]
    if gateway and len(topics) == 1 and all(map(_is_gateway, gateway)):
        (topic,) = topics
        yield Source(topic, payload="json", samples="{machine}.values", time="ts", time_missing="arrival")


def _samples(source: Source, payload: Any) -> list[Any]:
    """What a payload has where the source looks for samples."""
    inner = payload.get(source.samples) if source.samples is not None and isinstance(payload, dict) else payload
    return inner if isinstance(inner, list) else [inner]


def _is_good(quality: Any) -> bool:
    """Whether this is a quality of readings, as sources take it; 1 is not true."""
    return any(type(quality) is type(one) and quality == one for one in GOOD)


def _is_gateway(payload: dict[str, Any]) -> bool:
    """Whether each value is a list of samples with values: what gateways of ThingsBoard send, a key a device."""
    return bool(payload) and all(
        isinstance(value, list)
        and all(isinstance(one, dict) and isinstance(one.get("values"), dict) for one in value)
        for value in payload.values()
    )
