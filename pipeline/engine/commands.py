"""What a person may say to a machine, whichever way it comes: MQTT, the console, the command line. Pure.

A command is a record of its own: it is applied between two rows, kept in the journal like a batch of readings, and
written to the database as the audit of who said what and when.
"""

import base64
import zlib
from typing import NamedTuple

import msgspec

from pipeline.config.settings import duration_ns
from pipeline.engine.verbs import ARGUMENTS, VERBS
from pipeline.records import Machine, Point

CLASS_LENGTH = 32
BY_LENGTH = 64


class Command(NamedTuple):
    """Something said to a machine."""

    verb: str  # one of VERBS
    machine: Machine
    argument: str = ""  # of those in ARGUMENTS
    by: str = ""  # who says it
    via: str = ""  # mqtt, http or cli
    time_ns: int = 0  # Unix time when it was accepted

    @property
    def told(self) -> str:
        """The argument as people read it: of a block, its size and check sum."""
        if self.verb != "import":
            return self.argument
        block = block_of(self)
        return f"{len(block)} bytes, CRC-32 {zlib.crc32(block):08x}"


class CommandError(Exception):
    """The command cannot be done, and changed nothing; the message says why."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A command as JSON."""

    command: str
    argument: str = ""
    by: str = ""


def read(payload: bytes, machine: Machine, via: str, time_ns: int) -> Command:
    """A command as it is written on MQTT: `label bearing`, or JSON with `command`, `argument` and `by`.

    >>> read(b"snooze 2h", Machine("press-1"), "mqtt", 0).argument
    '2h'
    """
    try:
        text = payload.decode().strip()
        if text.startswith("{"):
            written = msgspec.json.decode(text, type=_Written)
        else:
            verb, _, argument = text.partition(" ")
            written = _Written(verb, argument)
    except (UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise CommandError(f"not a command: {error}") from None
    return checked(Command(written.command, machine, written.argument.strip(), written.by.strip(), via, time_ns))


def checked(command: Command) -> Command:
    """The command, if it is one; CommandError says what would be right."""
    verb, argument = command.verb, command.argument
    if verb not in VERBS:
        raise CommandError(f"there is no command {verb[:40]!r}; there are {', '.join(VERBS)}")
    if verb in ARGUMENTS and not argument:
        raise CommandError(f"{verb} needs {ARGUMENTS[verb]}")
    if verb not in ARGUMENTS and argument:
        raise CommandError(f"{verb} takes no argument, and got {argument[:40]!r}")
    if len(command.by) > BY_LENGTH or not command.by.isprintable():
        raise CommandError(f"by must be a name of at most {BY_LENGTH} printable characters")
    if verb == "label" and (len(argument) > CLASS_LENGTH or not argument.isprintable()):
        raise CommandError(f"a class must be a name of at most {CLASS_LENGTH} printable characters")
    if verb == "snooze":
        snooze_ns(command)
    if verb == "import":
        block_of(command)
    return command


def snooze_ns(command: Command) -> int:
    """How long a snooze lasts."""
    try:
        return duration_ns(command.argument)
    except ValueError as error:
        raise CommandError(f"snooze: {error}") from None


def block_of(command: Command) -> bytes:
    """The block of a device that is to be imported."""
    try:
        return base64.b64decode(command.argument, validate=True)
    except ValueError:
        raise CommandError("import: this is not a block in base64") from None


def audit(command: Command, tags: tuple[tuple[str, str], ...]) -> Point:
    """The point that says who said what; `tags` are those of the machine."""
    fields: dict[str, float | int | str | bool] = {
        "verb": command.verb,
        "argument": command.told,
        "by": command.by,
        "via": command.via,
    }
    return Point("command", tags, fields, command.time_ns)
