"""Paths: where in an object, or an object within it, a value is; `header.stamp` is `stamp` in the object `header`.

A dot that belongs to a key has a backslash before it: `values.Line1\\.Temp`. Pure: text in, tuples out.
"""

import re

NAMES = ("{machine}", "{sensor}")  # parts of `samples` that stand for every key, and name by it
EVERY = "*"  # a part of `samples` that stands for every key

_PART = re.compile(r"(?:\\\.|[^.])+")


def parse_path(text: str) -> tuple[str, ...]:
    """The keys on the way; ValueError where one is empty.

    >>> parse_path(r"header.stamp"), parse_path(r"Line1\\.Temp")
    (('header', 'stamp'), ('Line1.Temp',))
    """
    parts = _PART.findall(text)
    if not parts or ".".join(parts) != text:
        raise ValueError(f"{text[:80]!r} is not a path (such as ts or header.stamp)")
    return tuple([part.replace(r"\.", ".") for part in parts])
