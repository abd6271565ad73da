"""From the topics that were heard to the sources of a first configuration. Pure: messages in, proposals out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeline.commissioning.proposing.draft import NO_READING, Draft, draft
from pipeline.commissioning.proposing.groups import groups
from pipeline.commissioning.proposing.heard import UNREADABLE, hear
from pipeline.commissioning.proposing.kinds import MESSAGE_BYTES
from pipeline.commissioning.proposing.trial import decoded, in_words, tried
from pipeline.config.settings import Source, Times
from pipeline.payloads import Cause, Decoder
from pipeline.records import Message
from pipeline.topics import parse

EXAMPLES = 3
# Causes of messages that no decoder was given.
UNKNOWN, NOT_OF_MACHINE, NOT_PROPOSED = "unreadable", "not_of_a_machine", "not_proposed"


class Proposal(NamedTuple):
    """A source, and what it was proposed from."""

    source: Source
    examples: tuple[str, ...]  # topics
    notes: tuple[str, ...]  # what a person should look at
    reasons: Mapping[str, str]  # pattern of `Source.ignore` -> why that is no measurement
    messages: int
    machines: int
    sensors: int
    ignored: Mapping[str, int]  # parts of messages, by cause


class Proposed(NamedTuple):
    """All that was made of the traffic."""

    proposals: tuple[Proposal, ...]
    left_out: Mapping[str, str]  # topic, why; of those that gave no reading
    causes: Mapping[str, Mapping[str, int]] = {}  # of the same topics: how many messages, or parts of them, by cause


class _Drafted(NamedTuple):
    draft: Draft
    topics: tuple[str, ...]


class _Use(NamedTuple):
    """What the whole configuration makes of the messages."""

    topics: Mapping[str, tuple[str, Mapping[str, int], int]]  # topic -> template, causes, readings
    sources: Mapping[str, tuple[int, set[tuple[object, str]], Counter[str], int]]  # template -> what it gave


def propose(messages: Iterable[Message], client_id: str = "spikewatch", host_zone: str | None = None) -> Proposed:
    """Sources for this traffic.

    `client_id` is the name below which the service itself publishes, `host_zone` the IANA zone of this computer,
    which is tried first for clocks that say none.
    """
    heard = hear(messages, client_id)
    found, alone = groups(heard.topics)
    left_out = {name: one.why for name, one in heard.left_out.items()} | {one.name: UNREADABLE for one in alone}
    causes: dict[str, Mapping[str, int]] = {one.name: {UNKNOWN: len(one.messages)} for one in alone}
    for name, left in heard.left_out.items():
        causes[name] = {UNKNOWN if name in heard.messages else NOT_OF_MACHINE: left.messages}
    drafts = [_Drafted(draft(group, host_zone), tuple(one.name for one in group.members)) for group in found]
    # The first source that matches counts: what is said in more words goes first.
    drafts.sort(key=lambda one: _generality(one.draft.source.topic))
    kept: list[_Drafted] = []
    filters: dict[str, str] = {}
    for one in drafts:
        why_not = one.draft.why_not
        filter_ = "" if why_not else parse(one.draft.source.topic).filter
        if not why_not and filter_ in filters:
            why_not = f"{filters[filter_]} covers the same topics"
        if why_not:
            for name in one.topics:
                said = heard.messages[name]
                refused = tried(one.draft.source, said).causes if why_not == NO_READING else {}
                causes[name] = refused or {NOT_PROPOSED: len(said)}
                left_out[name] = "; ".join([_why_nothing(refused), *one.draft.notes]) if refused else why_not
        else:
            filters[filter_] = one.draft.source.topic
            kept.append(one)
    use = _use(kept, heard.messages)
    while any(not _gives(one, use) for one in kept):
        kept = [one for one in kept if _gives(one, use)]
        use = _use(kept, heard.messages)
    for name, (template, refused, readings) in use.topics.items():
        if readings:
            left_out.pop(name, None)
            causes.pop(name, None)
        elif template or name not in left_out:
            left_out[name] = _why_nothing(refused)
            causes[name] = refused
    return Proposed(tuple(_proposal(one, use) for one in kept), left_out, causes)


def _generality(topic: str) -> tuple[bool, int, str]:
    if not topic:
        return False, 0, ""
    template = parse(topic)
    return template.open_end, template.levels.count("+"), topic


def _use(kept: Sequence[_Drafted], messages: Mapping[str, Sequence[Message]]) -> _Use:
    """What the service would make of all messages with these sources."""
    decoder = Decoder([one.draft.source for one in kept], Times(), MESSAGE_BYTES)
    topics: dict[str, tuple[str, Mapping[str, int], int]] = {}
    sources: dict[str, tuple[int, set[tuple[object, str]], Counter[str], int]] = {}
    for name, said in messages.items():
        source = decoder.source_of(name)
        template = "" if source is None else source.topic
        refused, readings, noted = Counter[str](), 0, 0
        sensors: set[tuple[object, str]] = set()
        for message in said:
            one = decoded(decoder, message)
            readings += len(one.readings)
            sensors |= {(reading.machine, reading.sensor) for reading in one.readings}
            refused.update(str(cause) for cause, _ in one.refused)
            noted += not (one.readings or one.refused)
        topics[name] = template, dict(sorted((refused + Counter(noted=noted)).items())), readings
        count, known, ignored, before = sources.get(template, (0, set(), Counter(), 0))
        sources[template] = count + len(said), known | sensors, ignored + refused, before + noted
    return _Use(topics, sources)


def _gives(one: _Drafted, use: _Use) -> bool:
    """Whether a source gives readings, or will when their quality is good or its conversation has begun."""
    source = one.draft.source
    _, sensors, refused, noted = use.sources.get(source.topic, (0, set(), Counter(), 0))
    begins = source.payload == "sparkplug" and bool(noted or refused[Cause.NO_BIRTH])
    return bool(sensors or refused[Cause.BAD_QUALITY]) or begins


def _proposal(one: _Drafted, use: _Use) -> Proposal:
    messages, sensors, refused, _ = use.sources[one.draft.source.topic]
    return Proposal(
        one.draft.source,
        one.topics[:EXAMPLES],
        one.draft.notes,
        one.draft.reasons,
        messages,
        len({machine for machine, _ in sensors}),
        len(sensors),
        dict(sorted(refused.items())),
    )


def _why_nothing(refused: Mapping[str, int]) -> str:
    """Why messages gave no reading: causes and how often."""
    told = in_words(refused)
    return f"no reading in it: {told}" if told else "no number in it"
