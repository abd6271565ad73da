"""CBOR (RFC 8949): what JSON can say, in bytes. Decoded to the same tree as JSON.

A whole number as a key is its text, as small devices send to save room. Of tags only those are understood that change
nothing about a value (time as text or number, self-described CBOR) or make it a large integer; what has another is
no number and refused as such, so that a small message can never unfold into a large one. Keys that are neither text
nor small integers are refused with their message: a table of them can be built to take quadratic time.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.payloads.decoded import MAX_DEPTH, Cause, Refusal, refuse

MAX_NESTING = 4 * MAX_DEPTH  # arrays, maps and tags inside one another that are decoded at all
LONGEST_INTEGER = 16  # bytes; of longer ones only that they are beyond a double is kept
BEYOND = 1e200  # stands for a number that a double cannot hold
PLAIN = frozenset({0, 1, 55_799})  # date and time as text, as a number; self-described CBOR
NOTHING: Mapping[int, str] = {}
_INTEGER, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)  # major types; RFC 8949, 3.1
_OPEN = 31  # of an indefinite length, which a break ends


class _Tags(dict[int, Callable[[Any, bool], Any]]):
    """What becomes of a tagged value, for every tag there is."""

    def __missing__(self, tag: int) -> Callable[[Any, bool], Any]:
        if tag in PLAIN:
            return lambda value, immutable: value
        if tag in (2, 3):
            return lambda value, immutable: _large(value, negative=tag == 3)
        return lambda value, immutable: b""  # refused as what it is: no number


def _large(value: Any, negative: bool) -> Any:
    """A large integer of tag 2 or 3 (RFC 8949, 3.4.3). A double, which is what becomes of it anyway."""
    if type(value) is not bytes:
        return b""
    whole = float(int.from_bytes(value)) if len(value) <= LONGEST_INTEGER else BEYOND
    return -1.0 - whole if negative else whole


def cbor_tree(payload: bytes, refused: list[Refusal], labels: Mapping[int, str] = NOTHING) -> Any:
    """The tree of a payload: dict with text as keys, list, str, int, float, bool, None; other objects for the rest.

    `labels`: names of keys that are integers. Keys that come again are refused into `refused`, their last value
    counts. ValueError where it is not one CBOR value, and nothing else.
    """
    import cbor2  # here: most plants need none

    kept = 0  # entries of all maps

    def named(node: Mapping[Any, Any], immutable: bool) -> dict[str, Any]:
        nonlocal kept
        whole = {key if type(key) is str else labels.get(key, str(key)): value for key, value in node.items()}
        kept += len(whole)
        return whole

    options: dict[str, Any] = {"semantic_decoders": _TAGS, "max_depth": MAX_NESTING}
    file = io.BytesIO(payload)
    try:
        try:  # what most send
            strict = options | {"strict_hashable_types": True, "allow_duplicate_keys": False}
            root = cbor2.CBORDecoder(file, object_hook=_text_keys, **strict).decode()
        except cbor2.CBORDecodeError:
            keys, file = _keys(payload), io.BytesIO(payload)
            kept = 0
            root = cbor2.CBORDecoder(file, object_hook=named, **options).decode()
            for _ in range(keys - kept):
                refuse(refused, Cause.DUPLICATE_KEY, "a map has a key again")
    except cbor2.CBORError as error:
        raise ValueError(str(error)) from None
    if file.tell() != len(payload):
        raise ValueError(f"ends at byte {file.tell()} of {len(payload)}")
    return root


def _text_keys(node: Mapping[Any, Any], immutable: bool) -> Any:
    if all(type(key) is str for key in node):
        return node
    raise ValueError("a key is not text")


def _keys(payload: bytes) -> int:
    """How many keys all maps have; ValueError where one is neither text nor an integer, or it is not CBOR."""
    keys = at = 0
    open_ = [1]  # of each array, map and tag around: items to come; below zero where a break ends it
    maps = [False]
    while True:
        while open_[-1] == 0:
            open_.pop()
            maps.pop()
            if not open_:
                return keys
        if at >= len(payload):
            raise ValueError("ends too early")
        kind, small = payload[at] >> 5, payload[at] & 31
        at += 1
        if kind == _SIMPLE and small == _OPEN:
            if open_[-1] >= 0 or (maps[-1] and open_[-1] % 2 == 1):
                raise ValueError("a break where none belongs")
            open_[-1] = 0
            continue
        is_key = maps[-1] and open_[-1] % 2 == 0
        open_[-1] -= 1
        if is_key:
            keys += 1
            if kind not in (_INTEGER, _NEGATIVE, _TEXT) or (small == _OPEN and kind != _TEXT):
                raise ValueError("a key is neither text nor an integer")
        size = small
        if 24 <= small < 28:
            width = 1 << (small - 24)
            size = int.from_bytes(payload[at : at + width])
            at += width
        elif 28 <= small < _OPEN or (small == _OPEN and kind in (_INTEGER, _NEGATIVE, _TAG)):
            raise ValueError("a length that CBOR does not have")
        if kind in (_BYTES, _TEXT) and small != _OPEN:
            at += size
        elif kind in (_BYTES, _TEXT, _ARRAY, _MAP, _TAG):
            if len(open_) > MAX_NESTING:
                raise ValueError("too many arrays and maps inside one another")
            each = 2 if kind == _MAP else 1
            # Even while a key is next: an open end counts down from there.
            open_.append(-2 if small == _OPEN else 1 if kind == _TAG else each * size)
            maps.append(kind == _MAP)


_TAGS = _Tags()
