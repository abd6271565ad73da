"""JSON text to a decoded tree, which `pipeline.payloads.tree` reads.

Promises: any bytes end in readings and refusals, never in an exception, in time and memory in proportion to them.

msgspec decodes; what it will not take (NaN, Infinity, numbers beyond a double) and what it would not tell
(duplicate keys) goes through the standard library's slower decoder.
"""

import json
import math
from typing import Any

import msgspec

from pipeline.config.settings import Source
from pipeline.payloads.decoded import Cause, Decoded, Refusal, Route, Window, refusal, refuse
from pipeline.payloads.tree import Tree, TreeRoute
from pipeline.topics import Captures

_BEYOND = 10**200  # stands for a number that a double cannot hold


class JsonObject:
    """The format `json`, as one source sets it."""

    def __init__(self, source: Source, window: Window) -> None:
        self.tree = Tree(source, window)

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        return json_route(self.tree.route(captures))


def json_route(read: TreeRoute) -> Route:
    """Decodes JSON text for whoever reads its tree."""

    def decode(payload: bytes, received_ns: int) -> Decoded:
        refused: list[Refusal] = []
        try:
            root = json_tree(payload, refused)
        except RecursionError:
            return refusal(Cause.TOO_DEEP)
        except ValueError as error:
            return refusal(Cause.NOT_JSON, str(error)) if payload.strip() else refusal(Cause.EMPTY)
        return read(root, received_ns, refused)

    return decode


def json_tree(payload: bytes, refused: list[Refusal]) -> Any:
    """The tree of a payload; duplicate keys are refused into `refused`. ValueError, RecursionError."""
    root: Any = None
    try:
        root = msgspec.json.decode(payload)
        again = _may_repeat_keys(root, payload)
    except ValueError:  # msgspec.DecodeError and UnicodeDecodeError are ones
        again = True
    return _decode_slowly(payload, refused) if again else root


def _may_repeat_keys(root: Any, payload: bytes) -> bool:
    """Whether an object may have had a key twice. False is certain, True is to be confirmed.

    Every key is followed by a colon. So where the payload has no more colons than we see keys, no key was lost
    to a later one. Colons within text (ISO 8601) spoil that count, so then those after a quote are counted,
    which finds every key only if no white space stands between.
    """
    colons = payload.count(b":")
    if colons == 0:
        return False
    keys = 0
    pending = [root]
    while pending:
        node = pending.pop()
        if type(node) is dict:
            keys += len(node)
            if keys == colons:  # what is left, such as thousands of numbers, holds no more
                return False
            pending.extend([value for value in node.values() if type(value) is dict or type(value) is list])
        elif type(node) is list:
            pending.extend([value for value in node if type(value) is dict or type(value) is list])
    spaced = b" :" in payload or b"\n:" in payload or b"\t:" in payload or b"\r:" in payload
    return spaced or payload.count(b'":') != keys


def _decode_slowly(payload: bytes, refused: list[Refusal]) -> Any:
    """Decode what msgspec will not; duplicate keys are refused into `refused`. ValueError, RecursionError."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        node = dict(items)
        if len(node) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    refuse(refused, Cause.DUPLICATE_KEY, key)
                seen.add(key)
        return node

    text = payload.decode("utf-8-sig")  # Windows publishers send the mark
    return json.loads(text, object_pairs_hook=pairs, parse_float=_float, parse_int=_int)


def _float(text: str) -> float | int:
    value = float(text)
    return value if math.isfinite(value) else (-_BEYOND if text.startswith("-") else _BEYOND)


def _int(text: str) -> float | int:
    # Longer integers take `int` quadratic time, or make it raise.
    return int(text) if len(text) <= 40 else _float(text)
