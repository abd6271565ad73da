"""Topic templates: one line that is both the subscription and the rule for reading names out of a topic.

`plant/{site}/{machine}/{sensor}` subscribes to `plant/+/+/+` and reads three names out of each topic that
arrives. `{machine}` and `{sensor}` have their meaning, every other capture becomes a tag of the machine. `+`
matches a level without naming it, a trailing `#` matches the rest, and a trailing `{sensor+}` makes the rest, of one
level or more, the sensor's name: of `acme/{machine}/{sensor+}`, `acme/press-1/hydraulic/temp` is `hydraulic.temp`.
Pure: text in, text out.
"""

import re
from typing import NamedTuple

MAX_TOPIC_BYTES = 65_535  # MQTT's own bound

_REST = "{sensor+}"
_CAPTURE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
# `id` names an incident and `time` is InfluxDB's own column: as tags they would be overwritten or refused.
_RESERVED = frozenset({"id", "time"})


class Captures(NamedTuple):
    """What one topic says about its readings."""

    machine: str | None = None
    sensor: str | None = None
    tags: tuple[tuple[str, str], ...] = ()  # (capture, level), sorted by capture


class Template(NamedTuple):
    """A parsed template; make one with `parse`.

    >>> parse("plant/{site}/{machine}/{sensor}").match("plant/north/press-1/temp")
    Captures(machine='press-1', sensor='temp', tags=(('site', 'north'),))
    """

    text: str
    filter: str  # what to subscribe to
    levels: tuple[str, ...]  # of the filter, without a trailing `#`
    names: tuple[tuple[str, int], ...]  # (capture, number of its level), sorted by capture
    open_end: bool  # True where the template ends in `#` or `{sensor+}`
    rest: bool = False  # True where it ends in `{sensor+}`

    def match(self, topic: str) -> Captures | None:
        """The captures of `topic`, or None where it does not match."""
        levels = topic.split("/")
        count = len(self.levels)
        least = count + 1 if self.rest else count  # of MQTT, `a/#` matches `a` too, which names no sensor
        if len(levels) < least or (len(levels) > count and not self.open_end):
            return None
        # A leading wildcard never matches the broker's own topics such as `$SYS`: MQTT 5, 4.7.2.
        if topic.startswith("$") and (count == 0 or self.levels[0] == "+"):
            return None
        for wanted, level in zip(self.levels, levels, strict=False):
            if wanted not in ("+", level):
                return None
        found = {name: levels[number] for name, number in self.names}
        machine, sensor = found.pop("machine", None), found.pop("sensor", None)
        if self.rest:  # a dot within a level must not look like the next level
            sensor = ".".join([escaped(level).replace(".", "%2E") for level in levels[count:]])
        return Captures(machine, sensor, tuple(found.items()))

    def captures(self, name: str) -> bool:
        """Whether the template has a level `{name}`, or names the sensor by its rest."""
        return (self.rest and name == "sensor") or any(name == capture for capture, _ in self.names)


def parse(text: str) -> Template:
    """Read a template; ValueError says what is wrong and what would be right."""
    if not text:
        raise ValueError("a topic must not be empty (for example plant/{machine}/{sensor})")
    if any(not character.isprintable() for character in text):
        raise ValueError("a topic must not hold control characters")
    if text.startswith("$share/"):
        raise ValueError("a shared subscription would split one machine's readings between several gateways")
    levels: list[str] = []
    names: dict[str, int] = {}
    parts = text.split("/")
    rest = parts[-1] == _REST
    open_end = rest or parts[-1] == "#"
    if open_end:
        parts.pop()
    for number, part in enumerate(parts):
        capture = _CAPTURE.fullmatch(part)
        if capture is not None:
            name = capture[1]
            if name in names or (rest and name == "sensor"):
                raise ValueError(f"{{{name}}} is captured twice")
            if name in _RESERVED:
                raise ValueError(f"{{{name}}} is a reserved name (try {{{name}_}} or +)")
            names[name] = number
            levels.append("+")
        elif part == _REST:
            raise ValueError(f"{_REST} is the rest of a topic, so it must be the last level")
        elif "{" in part or "}" in part:
            raise ValueError(f"{part!r} is not a capture: it must be a whole topic level and a word, like {{site}}")
        elif part != "+" and ("+" in part or "#" in part):
            raise ValueError(f"{part!r}: + must be a whole topic level, and # the last one")
        else:
            levels.append(part)
    filter_ = "/".join([*levels, "#"] if open_end else levels)
    if len(filter_.encode()) > MAX_TOPIC_BYTES:
        raise ValueError(f"longer than the {MAX_TOPIC_BYTES} bytes MQTT allows")
    return Template(text, filter_, tuple(levels), tuple(sorted(names.items())), open_end, rest)


_CODE = re.compile(r"[0-9A-Fa-f]{2}")


def escaped(text: str) -> str:
    """`text` without what a topic's level cannot hold or nobody can see; no two texts become the same.

    `/`, `+`, `#`, blanks at both ends and what is not printable become percent codes of their UTF-8 (as in a URL),
    and so does a `%` that two hexadecimal digits follow, so that it is not taken for a code.

    >>> escaped("/press 1/temp")
    '%2Fpress 1%2Ftemp'
    >>> escaped("50%"), escaped("a%2Fb")
    ('50%', 'a%252Fb')
    """
    begin, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    signs = []
    for place, sign in enumerate(text):
        plain = sign not in "/+#%" and sign.isprintable() and begin <= place < end
        if plain or (sign == "%" and _CODE.match(text, place + 1) is None):
            signs.append(sign)
        else:
            signs.extend([f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass")])
    return "".join(signs)
