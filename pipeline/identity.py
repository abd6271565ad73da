"""The identity of a machine as it stands in an address: in the API, on the page, in `spikewatch tell`.

Name and captures, percent-encoded once: `press-1;site=a`. An address means one machine, and every machine has one,
whatever its name and captures hold. Whoever reads it takes the path as it was sent (raw) and decodes each part once.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from pipeline.records import Machine

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def identity(machine: Machine) -> str:
    """A machine in an address: its name, and its captures where there are any.

    >>> identity(Machine("press 1", (("site", "a"),)))
    'press%201;site=a'
    """
    text = ";".join([_encoded(machine.name), *(f"{_encoded(key)}={_encoded(value)}" for key, value in machine.tags)])
    # A path has no empty part, and these two mean other folders, encoded too.
    return f"{text};" if text in ("", ".", "..") else text


def machine_of(text: str) -> Machine:
    """The machine that `identity` wrote so; ValueError where it writes no machine so."""
    name, *tags = text.split(";")
    if tags == [""]:
        tags = []
    if not text or any("=" not in tag for tag in tags):
        raise ValueError("this is no machine's id; it has the form press-1;site=a")
    pairs = [tag.partition("=") for tag in tags]
    return Machine(_decoded(name), tuple(sorted((_decoded(key), _decoded(value)) for key, _, value in pairs)))


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _decoded(text: str) -> str:
    if _BROKEN.search(text):
        raise ValueError("a % in a machine's id is followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("a machine's id is percent-encoded UTF-8") from None
