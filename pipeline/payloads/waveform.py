"""Blocks of samples: each becomes the features of `pipeline.waveforms`, as sensors `<sensor>.<feature>`.

    bytes                                      `encoding: raw`: the payload is one block, the topic names the sensor
    {"ts": 1, "data": [1, 2, ...]}             `encoding: array`, `samples: data`: the topic names it, or else `data`
    {"ts": 1, "axes": {"x": "AAEC...", ...}}   `encoding: base64`, `samples: axes`: a sensor for each
    [1, 2, ...]                                where the topic names the sensor

In a tree of JSON each block is replaced by an object of its features, and `pipeline.payloads.tree` reads the rest: so
time, machine, arrays of samples and numbers beside the blocks mean what they mean in the format `json`.

Promises: a block gives its features, and a refusal for each that could not be measured, or one refusal; a bad block
disturbs nothing else of its message. A message costs no more than MOST_BLOCKS blocks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.config.paths import EVERY, NAMES, parse_path
from pipeline.config.settings import Source, Waveform
from pipeline.payloads.decoded import MAX_DEPTH, Cause, Decoded, Refusal, Route, Window, refusal, refuse
from pipeline.payloads.json_object import json_route
from pipeline.payloads.tree import Tree
from pipeline.records import Floats
from pipeline.topics import Captures
from pipeline.waveforms.refusals import BlockError
from pipeline.waveforms.samples import from_base64, from_bytes, from_numbers

MOST_BLOCKS = 64  # of a message, each channel counted; a block takes up to a millisecond, however short it is


class Given(NamedTuple):
    """What a message says about the blocks within; NaN where it says it wrongly, None where it does not."""

    rate_hz: float | None
    speed: float | None  # of the shaft, 1/min


class WaveformBlocks:
    """The format `waveform`, as one source sets it. It needs scipy, the extra `waveform`."""

    def __init__(self, source: Source, window: Window) -> None:
        from pipeline.waveforms.analysis import Analysis  # here, as most plants send none, and it loads scipy

        self.settings = source.waveform or Waveform()
        self.analysis = Analysis(self.settings)
        self.tree = Tree(source, window)
        self.rate = parse_path(self.settings.rate_path) if self.settings.rate_path else ()
        self.speed = parse_path(self.settings.speed_path) if self.settings.speed_path else ()

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        read = self.tree.route(captures)

        def replaced(root: Any, received_ns: int, refused: list[Refusal]) -> Decoded:
            given = Given(self.settings.rate, self.settings.speed)
            return read(_Pass(self, captures.sensor, refused).descend(root, 0, "", given, 1), received_ns, refused)

        def decode(payload: bytes, received_ns: int) -> Decoded:
            if not payload:
                return refusal(Cause.EMPTY)
            refused: list[Refusal] = []
            given = Given(self.settings.rate, self.settings.speed)
            block = _Pass(self, captures.sensor, refused).measured(
                lambda: from_bytes(payload, self.settings), given, ""
            )
            return read(block, received_ns, refused)

        return decode if self.settings.encoding == "raw" else json_route(replaced)


class _Pass:
    """One pass over one message, which replaces its blocks."""

    def __init__(self, form: WaveformBlocks, sensor: str | None, refused: list[Refusal]) -> None:
        self.form = form
        self.layout = form.tree.layout
        # Whether the tree names a block that stands at the end of `samples`, so that its key need not.
        self.named = sensor is not None or bool(self.layout.sensor) or "{sensor}" in self.layout.samples
        self.refused = refused
        self.left = MOST_BLOCKS

    def descend(self, node: Any, step: int, name: str, given: Given, depth: int) -> Any:
        """The node with the blocks of its samples replaced; `step` parts of `Source.samples` lead to it.

        `name` is that of a block which the tree does not name.
        """
        form, samples = self.form, self.layout.samples
        if type(node) is dict:
            if depth > MAX_DEPTH:  # the tree refuses it
                return node
            given = Given(_found(node, form.rate, given.rate_hz), _found(node, form.speed, given.speed))
            if step == len(samples):
                return self._sample(node, "", given, depth)
            part = samples[step]
            if part == EVERY or part in NAMES:
                return {
                    key: inner
                    if key in self.layout.beside
                    else self.descend(inner, step + 1, key if part == EVERY else name, given, depth + 1)
                    for key, inner in node.items()
                }
            if part not in node:
                return node
            return {**node, part: self.descend(node[part], step + 1, "" if self.named else part, given, depth + 1)}
        if type(node) is list and node and type(node[0]) is dict:
            return node if depth > MAX_DEPTH else [self.descend(one, step, name, given, depth + 1) for one in node]
        if step < len(samples) or not self._is_block(node):
            return node
        if not name and not self.named and not form.settings.channels:
            refuse(self.refused, Cause.NO_SENSOR)
            return {}
        features = self._features(node, given, name or ".".join(samples))
        return {name: features} if name else features

    def _sample(self, node: dict[str, Any], prefix: str, given: Given, depth: int) -> dict[str, Any]:
        replaced: dict[str, Any] = {}
        value = ".".join(self.layout.value)
        for key, inner in node.items():
            path = prefix + key
            if path == ".".join(self.form.rate):
                continue
            if type(inner) is dict and depth < MAX_DEPTH:
                replaced[key] = self._sample(inner, path + ".", given, depth + 1)
            elif self._is_block(inner) and path not in self.layout.skip and path == (value or path):
                replaced[key] = self._features(inner, given, path)
            else:
                replaced[key] = inner
        return replaced

    def _is_block(self, node: Any) -> bool:
        return type(node) is list if self.form.settings.encoding == "array" else type(node) is str

    def _features(self, node: Any, given: Given, name: str) -> dict[str, Any]:
        settings = self.form.settings
        if settings.encoding == "array":
            return self.measured(lambda: from_numbers(node, settings), given, name)
        return self.measured(lambda: from_base64(node, settings), given, name)

    def measured(self, block: Callable[[], Floats], given: Given, name: str) -> dict[str, Any]:
        """The features of a block, of each channel where there are channels; what is missing is refused."""
        settings = self.form.settings
        channels = settings.channels or ("",)
        self.left -= len(channels)
        if self.left < 0:
            refuse(self.refused, Cause.TOO_LARGE, f"{name}: more than {MOST_BLOCKS} blocks")
            return {}
        try:
            columns = block().T
        except BlockError as error:
            refuse(self.refused, Cause(error.why.value), _where(name, error.detail))
            return {}
        found: dict[str, Any] = {}
        for channel, samples in zip(channels, columns, strict=True):
            where = ".".join(part for part in (name, channel) if part)
            try:
                rate = float("nan") if given.rate_hz is None else given.rate_hz
                features, missing = self.form.analysis.measure(samples, rate, given.speed)
            except BlockError as error:
                refuse(self.refused, Cause(error.why.value), _where(where, error.detail))
                continue
            for feature, why in missing:
                refuse(self.refused, Cause(why.value), f"{where}.{feature}" if where else feature)
            found[channel] = features
        return found if settings.channels else found.get("", {})


def _where(name: str, detail: str) -> str:
    return f"{name}: {detail}" if name else detail


def _found(node: dict[str, Any], path: tuple[str, ...], known: float | None) -> float | None:
    """The number at a path of an object; `known` where there is nothing, NaN where it is no number."""
    if not path:
        return known
    value: Any = node
    for part in path:
        if type(value) is not dict or part not in value:
            return known
        value = value[part]
    if type(value) is float or (type(value) is int and abs(value) < 10**15):
        return float(value)
    return float("nan")
