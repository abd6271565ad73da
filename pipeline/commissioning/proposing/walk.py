"""Decoded trees, walked as the service does on the way to samples. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.config.paths import EVERY, NAMES, parse_path

MOST_SAMPLES = 2_000  # looked at of one message


class Met(NamedTuple):
    """A sample, and the objects on the way to it, the outermost first."""

    sample: Any
    around: tuple[dict[str, Any], ...]


def met(tree: Any, samples: str | None) -> list[Met]:
    """The samples that are at a path, a bounded number of them."""
    found = []
    for one in _met(tree, () if samples is None else parse_path(samples), ()):
        found.append(one)
        if len(found) >= MOST_SAMPLES:
            break
    return found


def fields(one: Met, row: Sequence[str], header: str | None, first: Any) -> dict[str, Any]:
    """A sample as an object: rows by the names that the source, the object around them or the `first` row has."""
    if isinstance(one.sample, dict):
        return one.sample
    names: Any = row
    if header == "first_row":
        names = first
    elif header is not None:
        names = at(one.around[-1], header) if one.around else None
    if not isinstance(names, list | tuple) or not isinstance(one.sample, list) or one.sample == names:
        return {}
    return {name: value for name, value in zip(names, one.sample, strict=False) if isinstance(name, str)}


def _met(node: Any, keys: Sequence[str], around: tuple[dict[str, Any], ...]) -> Iterator[Met]:
    if isinstance(node, list) and (keys or not _is_row(node)):
        for item in node:
            yield from _met(item, keys, around)
    elif not keys:
        yield Met(node, around)
    elif isinstance(node, dict):
        if keys[0] in NAMES or keys[0] == EVERY:
            for item in node.values():
                yield from _met(item, keys[1:], (*around, node))
        elif keys[0] in node:
            yield from _met(node[keys[0]], keys[1:], (*around, node))


def _is_row(node: list[Any]) -> bool:
    """Whether an array is a row of values rather than samples."""
    return bool(node) and not any(isinstance(item, dict | list) for item in node)


def at(node: Any, path: str) -> Any:
    """What is at a path of an object; None where nothing is."""
    for key in parse_path(path):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def is_key(key: str) -> bool:
    """Whether a path can lead through a key."""
    try:
        return parse_path(as_path(key)) == (key,) and key not in NAMES and key != EVERY
    except ValueError:
        return False


def as_path(*keys: str) -> str:
    """The path of keys, whose dots get a backslash."""
    return ".".join(key.replace(".", r"\.") for key in keys)
