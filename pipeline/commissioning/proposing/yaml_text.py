"""Proposals as a commented configuration. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pipeline.commissioning.proposing.proposals import Proposal, Proposed
from pipeline.commissioning.proposing.trial import in_words
from pipeline.config.settings import Secret, Source

KEYS = (
    "compression", "machine", "samples", "sensor", "value", "quality", "good", "row", "header", "columns",
    "separator", "decimal", "tags", "measurement", "time", "time_unit", "time_format", "time_zone", "time_missing",
    "number_text", "states",
)  # fmt: skip
CHOICES = ("compression", "time_unit", "time_missing")  # one of few words
COMMENTS: Mapping[str, str] = {"time_missing": "a sample without that field gets the time of its arrival"}
DEFAULTS = Source("")
SOURCES = (
    "  # {machine} and {sensor} name them, every other {capture} becomes a tag; the first match counts.",
    "  sources:",
)
NO_SOURCES = (
    "  # No sources: those by default, plant/{machine}/{sensor} (a number) and plant/{machine} (a JSON object).",
)
MACHINES = (
    "# What is known about machines beforehand; all of it optional.",
    "#machines:",
    "#  - match: press-*",
    "#    sensors: {cycle_counter: {ignore: true}}",
)
DATABASE = (
    "# Where the scores go. Without this they go to the embedded store in the data folder.",
    "#influxdb:",
    "#  url: http://localhost:8086",
    "#  bucket: machines              # InfluxDB 2, 3 and 1.8; for older ones: database: machines",
    "#  org: plant",
    "#  token: {env: INFLUX_TOKEN}",
)


def as_yaml(
    proposed: Proposed,
    url: str | None,
    username: str | None = None,
    password: Secret | None = None,
    insecure_password: bool = False,
    machines: Sequence[str] = MACHINES,
    database: Sequence[str] = DATABASE,
    writer: str = "`spikewatch init`",
) -> str:
    """A commented configuration with the proposed sources.

    `machines` and `database`: the lines of these parts, which are comments unless something is known of them.
    """
    lines = [
        f"# Written by {writer} from the traffic received. deploy/spikewatch.example.yaml has every setting.",
        "",
        "mqtt:",
        "  # no url: an embedded broker on loopback, for trying out" if url is None else f"  url: {scalar(url)}",
    ]
    if username is not None:
        lines.append(f"  username: {scalar(username)}")
    if password is not None:
        lines.append(f"  password: {secret(password)}  # never the password itself")
    if insecure_password:
        lines.append("  insecure_password: true  # the password is sent unencrypted; mqtts:// is better")
    lines += SOURCES if proposed.proposals else NO_SOURCES
    for one in proposed.proposals:
        lines += _source(one)
    lines += [
        "",
        *machines,
        "",
        *database,
        "",
    ]
    return "\n".join(lines)


def _source(one: Proposal) -> Iterator[str]:
    """A source with what it was proposed from, as an entry of the list."""
    yield f"    # {one.messages} messages of {one.machines} machines, {one.sensors} sensors; for example:"
    for topic in one.examples:
        yield f"    #   {_comment(topic)}"
    if one.ignored:
        yield f"    # no readings in them: {in_words(one.ignored)} (spikewatch tap shows each)"
    for note in one.notes:
        yield f"    # please check: {_comment(note)}"
    yield f"    - topic: {scalar(one.source.topic)}"
    yield f"      payload: {one.source.payload}"
    for key in KEYS:
        value = getattr(one.source, key)
        if value != getattr(DEFAULTS, key):
            comment = f"  # {COMMENTS[key]}" if key in COMMENTS else ""
            yield f"      {key}: {value if key in CHOICES else scalar(value)}{comment}"
    if one.source.ignore:
        yield "      ignore:"
        for pattern in one.source.ignore:
            yield f"        - {scalar(pattern)}  # {_comment(one.reasons[pattern])}"


def secret(one: Secret) -> str:
    """Where a secret is, as a YAML value."""
    return f"{{env: {scalar(one.env)}}}" if one.env is not None else f"{{file: {scalar(one.file)}}}"


def scalar(value: Any) -> str:
    """A YAML value; a JSON text is one."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(scalar, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{scalar(key)}: {scalar(one)}' for key, one in value.items())}}}"
    return msgspec.json.encode(value).decode()


def _comment(text: str) -> str:
    """Text that ends no line: what is not printable is escaped."""
    return text if text.isprintable() else repr(text)[1:-1]
