"""From the topics that were heard to the sources of a first configuration. Pure: messages in, proposals out.

Topics are put together that have as many levels, the same kind of payload and the same first level. Within such a
group the levels that vary are what names things. Of numbers the last level is the sensor and the one before it that
varies, or else the one before it, the machine. Of JSON the sensors are in the payload and the machine is the last
level that varies; where the last level says which kind of message it is (`telemetry`, `state`), each kind is a source
of its own. Other levels that vary become captures. A proposal is for a person to read: what is a guess says so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline.commissioning.variants import best
from pipeline.config.settings import Source, Times, unix_ns
from pipeline.payloads import Decoder
from pipeline.payloads.text_numbers import number_of
from pipeline.records import Message
from pipeline.topics import parse

MESSAGE_BYTES = 1_048_576
ENOUGH = 10_000  # messages looked at of one group
TIME_FIELDS = ("ts", "time", "timestamp", "t", "datetime", "date_time", "at", "epoch", "stamp", "last_seen")
MACHINE_FIELDS = ("machine", "machine_id", "device", "device_id", "asset", "id", "name", "unit")
KINDS_OF_MESSAGE = frozenset(
    ("telemetry", "data", "state", "status", "value", "values", "sensor", "sensors", "measurement", "measurements",
     "reading", "readings", "metrics", "event", "events", "info", "json", "update", "tele")
)  # fmt: skip
CAPTURES = ("site", "area", "line", "cell")
NOT_OURS = frozenset(("$SYS", "homeassistant"))  # first levels that hold no readings
NO_MACHINE = frozenset(("bridge", "availability"))  # second or later ones
TO_MACHINES = frozenset(
    ("set", "get", "cmd", "cmnd", "command", "config")
)  # last ones: said to machines, not by them
# What any Spikewatch says (`pipeline.mqtt.announcements`, `pipeline.service.connections`): never to be read back.
STATUS, STATUS_KEYS = "/status", {"state", "version", "since"}
SAID: Mapping[str, set[str]] = {
    "state": {"state", "incident", "time_ns"},
    "incident": {"phase", "id", "time_ns"},
    "ageing": {"time_ns"},  # of every sensor
    "answer": {"command", "ok", "reason"},
}
AGEING = {
    *("shift", "moved", "per_day", "per_day_unit", "offset", "gain", "time_ns"),
    *("days_to_limit", "days_earliest", "days_latest"),
}
DAY_NS = 86_400 * 10**9
YEAR_NS = 365 * DAY_NS


class Proposal(NamedTuple):
    """A source, and what it was proposed from."""

    source: Source
    examples: tuple[str, ...]  # topics
    notes: tuple[str, ...]  # what a person should look at
    messages: int
    machines: int
    sensors: int
    ignored: Mapping[str, int]  # parts of messages, by cause


class Proposed(NamedTuple):
    """All that was made of the traffic."""

    proposals: tuple[Proposal, ...]
    left_out: Mapping[str, str]  # topic, why; of those that no proposal hears


class Topic(NamedTuple):
    """One topic that was heard."""

    levels: tuple[str, ...]
    payloads: list[Any]  # decoded, newest last
    messages: list[Message]


def propose(messages: Iterable[Message], client_id: str = "spikewatch") -> Proposed:
    """Sources for this traffic; `client_id` is the name below which the service itself publishes."""
    topics, left_out = _heard(messages, client_id)
    proposals = []
    for group in _groups(topics):
        for source, notes, members in _sources(group):
            proposals.append((source, notes, members))
    # The first source that matches counts: what is said in more words goes first.
    proposals.sort(key=lambda one: (parse(one[0].topic).levels.count("+"), one[0].topic))
    kept: list[tuple[Source, list[str], list[Topic]]] = []
    filters: dict[str, str] = {}
    for source, notes, members in proposals:
        filter_ = parse(source.topic).filter
        if filter_ in filters:
            left_out |= {"/".join(one.levels): f"{filters[filter_]} covers the same topics" for one in members}
            continue
        filters[filter_] = source.topic
        payloads = [payload for one in members for payload in one.payloads]
        better = best(source, payloads, [message for one in members for message in one.messages])
        if better.number_text:
            notes = [*notes, "its numbers are written as text"]
        kept.append((better, notes, members))
    tried = _tried([source for source, _, _ in kept], [members for _, _, members in kept])
    return Proposed(
        tuple(
            Proposal(source, tuple("/".join(one.levels) for one in members[:3]), tuple(notes), *figures)
            for (source, notes, members), figures in zip(kept, tried, strict=True)
            if figures[2]
        ),
        left_out
        | {
            "/".join(one.levels): _why_nothing(figures[3])
            for (_, _, members), figures in zip(kept, tried, strict=True)
            if not figures[2]
            for one in members
        },
    )


def _why_nothing(refused: Mapping[str, int]) -> str:
    """Why messages gave no reading: causes and how often."""
    told = ", ".join(f"{count} x {cause}" for cause, count in sorted(refused.items()))
    return f"no reading in it: {told}" if told else "no number in it"


def _heard(messages: Iterable[Message], client_id: str) -> tuple[list[Topic], dict[str, str]]:
    """The topics that may hold readings, and why the others do not."""
    topics: dict[str, Topic] = {}
    left_out: dict[str, str] = {}
    kept = list(messages)
    said = tuple({f"{client_id}/"} | {f"{one.topic[: -len(STATUS)]}/" for one in kept if _is_status(one)})
    for message in kept:
        name = message.topic
        levels = tuple(name.split("/"))
        if name.startswith(said) or _is_said(message):
            left_out[name] = "what a Spikewatch says itself"
            continue
        if levels[0] in NOT_OURS or NO_MACHINE & {*levels[1:]} or levels[-1] in TO_MACHINES:
            left_out[name] = "not of a machine"
            continue
        payload = _payload(message.payload)
        if payload is None:
            left_out[name] = "neither a number nor JSON"
            continue
        named = levels[1:] if len(levels) > 1 else levels  # the first is empty where a topic begins with a slash
        if any(not level for level in named) or any(
            any(sign in level for sign in "{}+#") or not level.isprintable() for level in levels
        ):
            left_out[name] = "a topic level that is empty or has a character reserved for templates"
            continue
        one = topics.setdefault(name, Topic(levels, [], []))
        if len(one.messages) < ENOUGH:
            one.payloads.append(payload)
            one.messages.append(message)
    for name in topics:
        left_out.pop(name, None)  # it once said something else
    return sorted(topics.values(), key=lambda one: one.levels), left_out


def _is_status(message: Message) -> bool:
    """Whether a Spikewatch says here that it is there; all that it says is below the same levels."""
    if not message.topic.endswith(STATUS):
        return False
    found = _payload(message.payload)
    return isinstance(found, dict) and found.get("state") == "online" and found.keys() == STATUS_KEYS


def _is_said(message: Message) -> bool:
    """Whether this is what a Spikewatch says of a machine, also one that is away and has left it with the broker."""
    keys = SAID.get(message.topic.rpartition("/")[2])
    if keys is None:
        return False
    found = _payload(message.payload)
    if not isinstance(found, dict) or not found:
        return False
    if message.topic.endswith("/ageing"):  # by sensor
        return all(isinstance(part, dict) and keys <= part.keys() <= AGEING for part in found.values())
    return keys <= found.keys()


def _payload(payload: bytes) -> Any:
    """A number, an object or an array; None for everything else."""
    try:
        found = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        text = payload[:64].decode("utf-8", "replace")
        return number_of(text) if len(payload) < 64 else None
    if isinstance(found, bool) or not isinstance(found, int | float | dict | list):
        return None
    return found


def _is_number(topic: Topic) -> bool:
    return isinstance(topic.payloads[-1], int | float)


def _groups(topics: Sequence[Topic]) -> list[list[Topic]]:
    """Topics of one depth, one kind of payload and one root, or of several roots that look the same below it."""
    by_root: dict[tuple[int, bool], dict[str, list[Topic]]] = defaultdict(lambda: defaultdict(list))
    for one in topics:
        by_root[len(one.levels), _is_number(one)][one.levels[0]].append(one)
    groups = []
    for (depth, _), roots in sorted(by_root.items()):
        if depth == 1:
            groups.append([one for members in roots.values() for one in members])
            continue
        merged: list[tuple[set[tuple[str, ...]], list[Topic]]] = []
        for members in roots.values():
            below = {one.levels[1:] for one in members}
            for known, group in merged:
                if 2 * len(known & below) >= len(known | below):
                    group += members
                    known |= below
                    break
            else:
                merged.append((below, list(members)))
        groups += [group for _, group in merged]
    return groups


def _varying(group: Sequence[Topic]) -> list[int]:
    """Numbers of the levels that are not the same everywhere."""
    return [
        number for number, level in enumerate(zip(*(one.levels for one in group), strict=True)) if len(set(level)) > 1
    ]


def _sources(group: list[Topic]) -> list[tuple[Source, list[str], list[Topic]]]:
    """The source, or sources, of a group, with notes and the topics each is for."""
    depth, varying = len(group[0].levels), _varying(group)
    if _is_number(group[0]):
        if depth < 2:
            return []
        before = [number for number in varying if number < depth - 1]
        machine = before[-1] if before else depth - 2
        template = _template(group, machine, depth - 1)
        notes = [] if before else ["messages of only one machine were received: is its topic level the right one?"]
        return [(Source(topic=template, payload="number"), notes, group)]
    if _sensor_in_topic(group):
        before = [number for number in varying if number < depth - 1]
        machine = before[-1] if before else max(depth - 2, 0)
        notes = [] if before else ["messages of only one machine were received: is its topic level the right one?"]
        return [(_json(_template(group, machine, depth - 1), group, None), notes, group)]
    kinds = _kinds(group)
    if len(kinds) > 1:
        return [found for members in kinds for found in _sources(members)]
    if varying:
        return [(_json(_template(group, varying[-1], None), group, None), [], group)]
    if (field := _machine_field(group)) is not None:
        return [(_json("/".join(group[0].levels), group, field), [], group)]
    machine = depth - 1
    if depth > 1 and group[0].levels[-1].lower() in KINDS_OF_MESSAGE:
        machine = depth - 2
    return [
        (
            _json(_template(group, machine, None), group, None),
            ["messages of only one machine were received: is its topic level the right one?"],
            group,
        )
    ]


def _kinds(group: list[Topic]) -> list[list[Topic]]:
    """The group by its last level, where that says which kind of message it is; else as it is."""
    varying = _varying(group)
    depth = len(group[0].levels)
    if len(varying) < 2 and not (len(varying) == 1 and depth > 1 and _all_kinds(group)):
        return [group]
    if varying[-1] != depth - 1:
        return [group]
    by_last: dict[str, list[Topic]] = defaultdict(list)
    for one in group:
        by_last[one.levels[-1]].append(one)
    shapes = {last: frozenset().union(*(_keys(one) for one in members)) for last, members in by_last.items()}
    shared = len(group) > len(by_last)  # the same last level comes below several others
    if _all_kinds(group) or (shared and len(set(shapes.values())) == len(shapes)):
        return list(by_last.values())
    return [group]


def _all_kinds(group: Sequence[Topic]) -> bool:
    return all(one.levels[-1].lower() in KINDS_OF_MESSAGE for one in group)


def _objects(topic: Topic) -> list[dict[str, Any]]:
    """The objects a topic's payloads are, or are arrays of."""
    return [
        item
        for payload in topic.payloads
        for item in (payload if isinstance(payload, list) else [payload])
        if isinstance(item, dict)
    ]


def _keys(topic: Topic) -> frozenset[str]:
    return frozenset(key for item in _objects(topic) for key in item)


def _sensor_in_topic(group: Sequence[Topic]) -> bool:
    """Whether each payload is one value, as {"value": 1.5, "time": ...}, of the sensor that the topic names."""
    keys = {key for one in group for key in _keys(one)}
    return "value" in keys and len(group[0].levels) > 1 and not keys - {"value", "unit", "quality", *TIME_FIELDS}


def _template(group: Sequence[Topic], machine: int, sensor: int | None) -> str:
    names = {machine: "{machine}"}
    if sensor is not None:
        names[sensor] = "{sensor}"
    others = [number for number in _varying(group) if number not in names]
    for place, number in enumerate(others):
        names[number] = f"{{{CAPTURES[place]}}}" if place < len(CAPTURES) else f"{{level{number}}}"
    return "/".join(names.get(number, level) for number, level in enumerate(group[0].levels))


def _json(topic: str, group: Sequence[Topic], machine: str | None) -> Source:
    samples = _samples_field(group)
    time = _time_field(group, samples)
    source = Source(topic=topic, payload="json", machine=machine, samples=samples)
    return source if time is None else msgspec.structs.replace(source, time=time, time_missing="arrival")


def _samples_field(group: Sequence[Topic]) -> str | None:
    """The key below which there is always an array of objects."""
    found: Counter[str] = Counter()
    count = 0
    for one in group:
        for item in _objects(one):
            count += 1
            found.update(key for key, value in item.items() if _is_array_of_objects(value))
    for key, times in found.most_common(1):
        if times == count:
            return key
    return None


def _is_array_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _time_field(group: Sequence[Topic], samples: str | None) -> str | None:
    """The path of a field that always holds a time near that of its arrival, or at least one of this century."""
    fits: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for one in group:
        for payload, message in zip(one.payloads, one.messages, strict=True):
            for item in payload if isinstance(payload, list) else [payload]:
                inner = item.get(samples) if samples is not None and isinstance(item, dict) else [item]
                for sample in inner if isinstance(inner, list) else []:
                    for path, value in _candidates(sample):
                        seen[path] += 1
                        fits[path] += _is_time(value, message.received_ns)
    good = [path for path in seen if fits[path] == seen[path]]
    ranks = {name: number for number, name in enumerate(TIME_FIELDS)}
    return min(good, key=lambda path: (path.count("."), ranks[path.rsplit(".", 1)[-1].lower()]), default=None)


def _candidates(sample: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Fields that may be a time by their name, at the top and one level below."""
    if not isinstance(sample, dict):
        return []
    found = [(prefix + key, value) for key, value in sample.items() if key.lower() in TIME_FIELDS and "." not in key]
    if not prefix:
        for key, value in sample.items():
            if "." not in key:
                found += _candidates(value, f"{key}.")
    return found


def _is_time(value: Any, received_ns: int) -> bool:
    if isinstance(value, str):
        try:
            found = unix_ns(value)
        except ValueError:
            return False
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e19:
        size = abs(value)
        unit = 10**9 if size < 1e11 else 10**6 if size < 1e14 else 10**3 if size < 1e17 else 1
        found = int(value * unit)
    else:
        return False
    return received_ns - 10 * YEAR_NS < found < received_ns + DAY_NS


def _machine_field(group: Sequence[Topic]) -> str | None:
    """The key whose text differs from message to message and names the machine."""
    for name in MACHINE_FIELDS:
        values = {item.get(name) for one in group for item in _objects(one) if isinstance(item.get(name), str)}
        if len(values) > 1:
            return name
    return None


def _tried(
    sources: Sequence[Source], members: Sequence[Sequence[Topic]]
) -> list[tuple[int, int, int, dict[str, int]]]:
    """What the service would make of each source's messages: messages, machines, sensors, ignored parts by cause."""
    if not sources:
        return []
    decoder = Decoder(sources, Times(), MESSAGE_BYTES)
    found = []
    for group in members:
        messages, sensors, ignored = 0, set(), Counter[str]()
        for one in group:
            for message in one.messages:
                # What is stored gives the service no reading, but shows as well as any other what there is.
                decoded = decoder.decode(message._replace(retained=False))
                messages += 1
                sensors |= {(reading.machine, reading.sensor) for reading in decoded.readings}
                ignored.update(str(cause) for cause, _ in decoded.refused)
        found.append((messages, len({machine for machine, _ in sensors}), len(sensors), dict(ignored)))
    return found


def as_yaml(
    proposed: Proposed,
    url: str,
    username: str | None = None,
    password_env: str | None = None,
    insecure_password: bool = False,
) -> str:
    """A commented configuration with the proposed sources."""
    lines = [
        "# Written by `spikewatch init` from the traffic received. deploy/spikewatch.example.yaml has every setting.",
        "",
        "mqtt:",
        f"  url: {_quoted(url)}",
    ]
    if username is not None:
        lines.append(f"  username: {_quoted(username)}")
    if password_env is not None:
        lines.append(f"  password: {{env: {_quoted(password_env)}}}  # or {{file: PATH}}; never the password itself")
    if insecure_password:
        lines.append("  insecure_password: true  # the password is sent unencrypted; mqtts:// is better")
    lines += [
        "  # {machine} and {sensor} name them, every other {capture} becomes a tag; the first match counts.",
        "  sources:",
    ]
    for one in proposed.proposals:
        lines.append(f"    # {one.messages} messages of {one.machines} machines, {one.sensors} sensors; for example:")
        lines += [f"    #   {topic}" for topic in one.examples]
        if one.ignored:
            parts = ", ".join(f"{count} x {cause}" for cause, count in sorted(one.ignored.items()))
            lines.append(f"    # ignored in them: {parts} (spikewatch tap shows each)")
        lines += [f"    # please check: {note}" for note in one.notes]
        source = one.source
        lines.append(f"    - topic: {_quoted(source.topic)}")
        lines.append(f"      payload: {source.payload}")
        for key in ("machine", "samples", "sensor", "value", "quality", "time"):
            if getattr(source, key) is not None:
                lines.append(f"      {key}: {_quoted(getattr(source, key))}")
        if source.row:
            lines.append(f"      row: [{', '.join(source.row)}]")
        if source.number_text:
            lines.append("      number_text: true")
        if source.time is not None and source.time_missing == "arrival":
            lines.append("      time_missing: arrival  # a sample without that field gets the time of its arrival")
    lines += [
        "",
        "# What is known about machines beforehand; all of it optional.",
        "#machines:",
        "#  - match: press-*",
        "#    sensors: {cycle_counter: {ignore: true}}",
        "",
        "# Where the scores go. Without this they go to the embedded store in the data folder.",
        "#influxdb:",
        "#  url: http://localhost:8086",
        "#  bucket: machines              # InfluxDB 2, 3 and 1.8; for older ones: database: machines",
        "#  org: plant",
        "#  token: {env: INFLUX_TOKEN}",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A YAML scalar; a JSON text is one."""
    return msgspec.json.encode(text).decode()
