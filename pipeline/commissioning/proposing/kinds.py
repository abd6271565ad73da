"""What kind of payload a message has, by its bytes: number, tree of objects, lines, rows, word of a state. Pure."""

import csv
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.config.settings import Source, Times
from pipeline.payloads import Cause, Decoder
from pipeline.payloads.cbor import cbor_tree
from pipeline.payloads.compression import unwrapped
from pipeline.payloads.json_object import json_tree
from pipeline.payloads.msgpack import msgpack_tree
from pipeline.payloads.senml import LABELS
from pipeline.payloads.text_numbers import MAX_TEXT, number_of
from pipeline.records import Message

MESSAGE_BYTES = 1_048_576
TREES = ("json", "cbor", "msgpack")
MOST_COLUMNS = 1_000
SEPARATORS = (";", "\t", ",", "|")
WRAPPINGS = {b"\x1f\x8b": "gzip", b"\x78\x01": "zlib", b"\x78\x5e": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib"}
# Words for two states, the lower first, of which one says what the other is; and those that must both be heard.
STATES = (
    ("off", "on"), ("closed", "open"), ("false", "true"), ("no", "yes"), ("stopped", "running"), ("stop", "run"),
    ("inactive", "active"), ("disabled", "enabled"), ("aus", "ein"), ("unlocked", "locked"),
)  # fmt: skip
BOTH = (("idle", "running"), ("ok", "alarm"), ("ok", "fault"), ("ok", "error"), ("normal", "alarm"), ("low", "high"))
_TIME = re.compile(r"[0-9][0-9.:/T -]{6,40}[0-9](?:[.,][0-9]{1,9})?Z?(?: ?[AP]M)?(?: ?[+-][0-9:]{4,6})?")
WORDS = frozenset(word for pair in (*STATES, *BOTH) for word in pair)


class Kind(NamedTuple):
    """What a payload is."""

    payload: str  # as `Source.payload`; `word` is a state's word, which `number` reads if it is told to
    tree: Any = None  # number, object or array; the rows of CSV; the word
    wrapping: str = "none"  # as `Source.compression`


def kind_of(message: Message) -> Kind | None:
    """What a message's payload is; None where it is nothing that a source could describe."""
    payload = message.payload
    if message.topic.startswith("spBv1.0/"):
        return Kind("sparkplug")
    wrapping = WRAPPINGS.get(payload[:2], "none")
    if wrapping != "none":
        try:
            payload = unwrapped(payload, wrapping, MESSAGE_BYTES)
        except ValueError:
            wrapping = "none"
    found = _plain(payload)
    return None if found is None else found._replace(wrapping=wrapping)


def _plain(payload: bytes) -> Kind | None:
    if not payload.strip() or len(payload) > MESSAGE_BYTES:
        return None
    try:
        return _of_json(json_tree(payload, []))
    except (ValueError, RecursionError):
        pass
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        # A degree sign in Latin-1 makes no binary format of a number.
        number = number_of(payload.decode("latin-1")) if len(payload) <= MAX_TEXT else None
        return Kind("number", number) if number is not None else _binary(payload)
    return _text(text) or _binary(payload)


def _of_json(tree: Any) -> Kind | None:
    if isinstance(tree, bool):
        return Kind("word", str(tree).casefold())
    if isinstance(tree, int | float):
        return Kind("number", tree)
    if _is_senml(tree):
        return Kind("senml", tree)
    return Kind("json", tree) if isinstance(tree, dict | list) else None


def _text(text: str) -> Kind | None:
    if len(text) < MAX_TEXT:
        number = number_of(text)
        if number is not None:
            return Kind("number", number)
        if text.strip().casefold() in WORDS:
            return Kind("word", text.strip())
    if _is_line_protocol(text):
        return Kind("influx", text)
    rows = rows_of(text)
    return None if rows is None else Kind("csv", rows)


def _binary(payload: bytes) -> Kind | None:
    """CBOR or MessagePack, where it is objects with names; other bytes would be any number."""
    try:
        tree = cbor_tree(payload, [], LABELS)
        if _is_senml(tree):
            return Kind("senml", tree)
    except (ValueError, RecursionError):
        pass
    for name, parse in (("cbor", cbor_tree), ("msgpack", msgpack_tree)):
        try:
            tree = parse(payload, [])
        except (ValueError, RecursionError):
            continue
        objects = tree if isinstance(tree, list) else [tree]
        if objects and all(isinstance(one, dict) and one for one in objects):
            return Kind(name, tree)
    return None


def _is_senml(tree: Any) -> bool:
    """Whether this is a pack of records of RFC 8428, whose times are in seconds."""
    if not isinstance(tree, list) or not tree or not all(isinstance(one, dict) for one in tree):
        return False
    keys = {key for one in tree for key in one}
    times = [one[key] for one in tree for key in ("t", "bt") if key in one]
    seconds = all(isinstance(time, int | float) and abs(time) < 1e11 for time in times)
    return seconds and bool(keys & {"v", "vs", "vb", "vd", "s"}) and "n" in keys and keys <= {*LABELS.values()}


def _is_line_protocol(text: str) -> bool:
    """Whether most lines are line protocol."""
    decoder = Decoder((Source("{machine}", payload="influx"),), Times(oldest="1970-01-01"), MESSAGE_BYTES)
    decoded = decoder.decode(Message("m", text.encode(), 2**62))
    bad = sum(refusal.cause == Cause.NOT_LINE for refusal in decoded.refused)
    return len(decoded.readings) > bad


def rows_of(text: str) -> tuple[str, Sequence[Sequence[str]]] | None:
    """The separator and the rows of CSV, with a header or without; None where it is something else."""
    for separator in SEPARATORS:
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=separator)]
        except csv.Error:
            continue
        rows = [row for row in rows if any(row)]
        if not rows or not 1 < len(rows[0]) <= MOST_COLUMNS or len({len(row) for row in rows}) != 1:
            continue
        header = len(rows) > 1 and len({*rows[0]}) == len(rows[0]) and not any(map(is_cell, rows[0]))
        columns = list(zip(*rows[header:], strict=True))
        numbers = sum(all(is_cell(cell) or not cell for cell in column) for column in columns)
        times = sum(all(map(_TIME.fullmatch, column)) for column in columns)
        if numbers and (header or 2 * (numbers + times) > len(columns)):
            return separator, rows
    return None


def is_cell(text: str) -> bool:
    """Whether a cell of CSV is a number, with a point or a comma."""
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return "_" not in text and text.lower().lstrip("+-") not in ("nan", "inf", "infinity")
