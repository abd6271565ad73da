"""A group of topics to one source: each way to read its messages is tried, and what they lack is added. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.commissioning.proposing import formats, no_measurement
from pipeline.commissioning.proposing.clocks import Timed, timed
from pipeline.commissioning.proposing.groups import Group, varying
from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.kinds import TREES
from pipeline.commissioning.proposing.levels import ONE_MACHINE, literal, place
from pipeline.commissioning.proposing.shapes import machine_field, shapes
from pipeline.commissioning.proposing.stamps import formats_of
from pipeline.commissioning.proposing.states import Said, are_numbers, other_texts, said, states
from pipeline.commissioning.proposing.trial import Fit, Trial, shortened, some, tried
from pipeline.commissioning.proposing.walk import fields, met
from pipeline.commissioning.proposing.words import told
from pipeline.config.settings import Source
from pipeline.config.source_checks import check_source
from pipeline.payloads.text_numbers import number_of
from pipeline.records import Message

MOST_PATTERNS = 50  # of `ignore`; a list that nobody reads
MANY_STATES = 20  # sensors with the same words, from which on these are said for all
NO_READING = "no reading in it"
NO_LEVEL = "the topic has no level that could name the machine"
AS_TEXT = "its numbers are written as text"
NO_BIRTHS = (
    "no birth was heard, which names the metrics: `run` asks for it, so its user must be allowed to publish to"
    " spBv1.0/+/NCMD/+"
)


class Draft(NamedTuple):
    """A source for a group, or why there is none."""

    source: Source
    notes: tuple[str, ...]
    reasons: Mapping[str, str]  # pattern of `ignore` -> why
    why_not: str = ""


def draft(group: Group, host_zone: str | None) -> Draft:
    """The source of a group."""
    placed = place(group)
    members = shortened(group.members)
    group = group._replace(members=members)
    if placed is None:
        return Draft(Source(""), (), {}, NO_LEVEL)
    source = Source(placed.topic, payload=group.kind, compression=members[0].wrapping)  # type: ignore[arg-type]
    if group.kind == "sparkplug":
        births = any("BIRTH" in one.levels[2] for one in members if len(one.levels) > 2)
        return _completed(Timed(source, () if births else (NO_BIRTHS,)), (), members)
    one_machine = group.spread is None and not varying(members)
    best = _best(_ways(source, group, one_machine, host_zone), some(members))
    trial = tried(best.source, some(members))
    in_topic = "{machine}" in best.source.topic
    kept = tuple(note for note in placed.notes if in_topic or note != ONE_MACHINE)
    if trial.repeated:
        if not _is_coarse(best.source, members):
            what = f"{trial.repeated} has several values at one time in one message, and nothing tells them apart"
            return Draft(best.source, (), {}, what)
        kept += (f"{trial.repeated} has several values at one time in a message: all but one are counted as late",)
    return _completed(best, kept, members)


def _ways(source: Source, group: Group, one_machine: bool, host_zone: str | None) -> list[Timed]:
    """Every way to read a group's messages that is worth trying, the plainest first."""
    members, plain = group.members, literal(group.members) if group.spread is None else group.members[0].name
    if group.kind == "influx":
        return [formats.line_protocol(source, plain, members, one_machine)]
    if group.kind == "csv":
        return [formats.rows(source, plain, members, one_machine, host_zone)]
    if group.kind == "senml":
        return [formats.senml(source, plain, members, one_machine)]
    if group.kind not in TREES:
        return [Timed(source)]
    named = machine_field(members) if one_machine and not group.single else None
    if named is not None:
        source = replace(source, topic=plain, machine=named)
    found = []
    for shape in shapes(source, plain, members, group.single):
        if any(True for _ in check_source(shape.source, {})):
            continue
        one = timed(shape.source, members, host_zone)
        if one.source.row[:1] != ("time",) or one.source.time is not None:
            found.append(one._replace(notes=(*shape.notes, *one.notes)))
    return found or [Timed(source)]


def _best(ways: Sequence[Timed], messages: Sequence[Message]) -> Timed:
    """The way that reads these messages best; of equal ones the plainest."""
    fits: list[Fit] = [tried(one.source, messages).fit for one in ways]
    return ways[fits.index(max(fits))]


def _is_coarse(source: Source, members: Sequence[Topic]) -> bool:
    """Whether each sample has its own time, and nothing but that: its clock is too coarse, no name is missing."""
    if source.time is None:
        return False
    read = {source.time, source.sensor, source.value, source.quality, source.machine}
    for one in members:
        for tree in one.trees if source.payload in TREES else ():
            samples = met(tree, source.samples)
            inner = [fields(sample, source.row, source.header, samples[0].sample) for sample in samples]
            if not all(source.time in sample for sample in inner if sample):
                return False
            texts = {
                (key, value)
                for sample in inner
                for key, value in sample.items()
                if isinstance(value, str) and key not in read
            }
            if len(texts) > len({key for key, _ in texts}):
                return False
    return True


def _completed(found: Timed, before: tuple[str, ...], members: Sequence[Topic]) -> Draft:
    """The source with numbers as text, states and what is ignored; `before`: what there is to ask already."""
    messages = some(members)
    source, notes = found.source, (*before, *found.notes)
    trial, other = tried(source, messages), said(source, messages)
    if _text_is_number(source, trial, other, messages):
        source, notes = replace(source, number_text=True), (*notes, AS_TEXT)
        trial, other = tried(source, messages), said(source, messages)
    received_ns = max((message.received_ns for message in messages), default=0)
    radio = (source.samples or "").split(".")[0] in ("uplink_message", "object")
    ignored = no_measurement.of_readings(trial.readings, received_ns, radio)
    words = {sensor: one for sensor, one in states(other).items() if not no_measurement.by_name(sensor)}
    if source.payload in TREES:
        ignored |= _texts(other, words, received_ns)
    sensors = {reading.sensor for reading in trial.readings} | other.texts.keys() | other.truths
    in_topic = "{sensor" in source.topic
    patterns = no_measurement.patterns(ignored, sensors, in_topic)
    if len(patterns) > MOST_PATTERNS:  # what is text gives no readings anyway
        kept = [one for one in patterns if not patterns[one].startswith(no_measurement.TEXT)]
        patterns = {one: patterns[one] for one in kept[:MOST_PATTERNS]}
    complete = replace(source, states=no_measurement.patterns(words, sensors, in_topic))
    if len(complete.states) > MANY_STATES and len({*words.values()}) == 1:
        complete = replace(complete, states={"*": next(iter(words.values()))})
    sifted = replace(complete, ignore=tuple(patterns))
    known = tried(sifted, messages)
    if not known.readings and not known.bad and source.payload != "sparkplug":
        if trial.readings or words:
            return Draft(source, (), {}, f"nothing in it is a measurement: {told(ignored)}")
        return Draft(source, found.notes, {}, NO_READING)
    return Draft(sifted, (*notes, *_who(sifted, known), *_questions(words)), patterns)


def _who(source: Source, trial: Trial) -> list[str]:
    """The question whether machines are what the messages say, where the topic does not name them."""
    if "{machine}" in source.topic or source.payload == "sparkplug":
        return []
    by = "by a key of" if source.machine is None else f"by {source.machine} in"
    names = {reading.machine.name for reading in trial.readings}
    return [f"machines are named {by} the messages ({told(names)}), not by the topic: is that right?"]


def _text_is_number(source: Source, trial: Trial, other: Said, messages: Sequence[Message]) -> bool:
    """Whether numbers are written as text; where there are others, only of texts that cannot be identifiers."""
    if source.payload == "number":
        texts = [message.payload.decode("utf-8", "replace") for message in messages if len(message.payload) < 64]
        return any(number_of(text) is not None and not _is_plain(text) for text in texts)
    if source.payload not in TREES:
        return False
    if not trial.readings and not states(other):
        return bool(tried(replace(source, number_text=True), messages).readings)
    if source.value is not None and not trial.readings:  # then texts are values beside words of states
        return any(number_of(text) is not None for texts in other.texts.values() for text in texts)
    return any(are_numbers(texts) and not no_measurement.by_name(sensor) for sensor, texts in other.texts.items())


def _is_plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts(other: Said, words: Mapping[str, object], received_ns: int) -> dict[str, str]:
    """What is text or an array and no state, and why it is no measurement."""
    found = dict.fromkeys(other.arrays, no_measurement.ARRAY)
    for sensor in sorted((other.texts.keys() | other.truths) - words.keys()):
        if no_measurement.by_name(sensor):
            found[sensor] = no_measurement.by_name(sensor)
    for sensor in other_texts(other, words):
        texts = sorted(other.texts[sensor])
        is_time = bool(formats_of(texts, [received_ns] * len(texts)))
        plain = no_measurement.CLOCK if is_time else no_measurement.text_such_as(sensor, texts[-1])
        found.setdefault(sensor, plain)
    return found


def _questions(words: Mapping[str, tuple[bool | str, ...]]) -> list[str]:
    """What to ask about states: one question for all sensors with the same words."""
    by_words: dict[tuple[bool | str, ...], set[str]] = {}
    for sensor, one in words.items():
        by_words.setdefault(one, set()).add(sensor)
    return [
        f"{told(sensors)}: {_word(low)} is read as 0 and {_word(high)} as 1 (states)"
        for (low, high), sensors in sorted(by_words.items(), key=lambda one: sorted(one[1]))
    ]


def _word(state: bool | str) -> str:
    """A state as it is written in JSON."""
    return str(state).casefold() if isinstance(state, bool) else state
