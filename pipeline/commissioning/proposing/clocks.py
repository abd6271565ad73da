"""Where the time of samples is, and whether its clock is right: zone, format, and clocks that are hours off. Pure.

Messages arrive within a minute or two of their stamps. A text without a zone that is a number of quarter hours off
is the time of another zone; any other constant difference is a clock that is wrong, or data that had to wait.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from msgspec.structs import replace

from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.stamps import ISO, formats_of, read, says_zone
from pipeline.commissioning.proposing.walk import as_path, fields, met
from pipeline.commissioning.proposing.words import TIME_FIELDS, told
from pipeline.config.paths import EVERY, NAMES, parse_path
from pipeline.config.settings import Source
from pipeline.records import Message

MINUTE_NS = 60 * 10**9
QUARTER_NS = 15 * MINUTE_NS
NEAR_NS = 2 * MINUTE_NS  # a message arrives so soon after its stamp, and clocks are no better
OFF_NS = 10 * MINUTE_NS  # from which on a clock is worth a word; as `times.future`
FARTHEST_NS = 56 * QUARTER_NS  # of all zones, 14 h
MOST_STAMPS = 500  # of one field that are read
# One zone for each offset and rule in use, the most populous first.
ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "Europe/Istanbul", "Europe/Moscow", "America/New_York",
    "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage",
    "America/Halifax", "America/St_Johns", "America/Sao_Paulo", "America/Bogota", "America/Mexico_City",
    "America/Caracas", "Pacific/Honolulu", "Atlantic/Azores", "Atlantic/South_Georgia", "Africa/Lagos",
    "Africa/Johannesburg", "Africa/Nairobi", "Asia/Tehran", "Asia/Dubai", "Asia/Kabul", "Asia/Karachi",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Yangon", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo",
    "Australia/Darwin", "Australia/Adelaide", "Australia/Brisbane", "Australia/Sydney", "Australia/Eucla",
    "Pacific/Guadalcanal", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Tongatapu", "Pacific/Kiritimati",
    "Pacific/Pago_Pago", "Pacific/Marquesas",
)  # fmt: skip


class Timed(NamedTuple):
    """A source that says where its time is, with what to ask about it."""

    source: Source
    notes: tuple[str, ...] = ()


class Stamp(NamedTuple):
    """A time in a message."""

    value: Any
    number: int  # of the message
    message: Message


def timed(source: Source, members: Sequence[Topic], host_zone: str | None) -> Timed:
    """The source with its time, where its samples have one."""
    found: dict[str, list[Stamp]] = defaultdict(list)
    depths: dict[str, int] = {}
    for path, depth, stamp in _candidates(source, members):
        if len(found[path]) < MOST_STAMPS:
            found[path].append(stamp)
        depths[path] = max(depth, depths.get(path, 0))
    fits = {path: _formats(stamps) for path, stamps in found.items()}
    good = [path for path in sorted(found) if fits[path]]
    if not good:
        return Timed(source)
    most = max(len(found[one]) for one in good)
    path = min(good, key=lambda one: (len(found[one]) < most, -depths[one], one.count("."), _rank(one), one))
    return with_clock(replace(source, time=path, time_missing="arrival"), found[path], fits[path], host_zone)


def _rank(path: str) -> int:
    return TIME_FIELDS.index(parse_path(path)[-1].casefold())


def _formats(stamps: Sequence[Stamp]) -> list[str]:
    return formats_of([one.value for one in stamps], [one.message.received_ns for one in stamps])


def _candidates(source: Source, members: Sequence[Topic]) -> Iterator[tuple[str, int, Stamp]]:
    """Fields that may be a time by their name, in samples and around them: path, how far in, and what is there."""
    on_the_way = () if source.samples is None else parse_path(source.samples)
    count = 0
    for one in members:
        for tree, message in zip(one.trees, one.messages, strict=True):
            count += 1
            samples = met(tree, source.samples)
            first = samples[0].sample if samples else None
            for sample in samples:
                inner = fields(sample, source.row, source.header, first)
                for depth, node in enumerate((*sample.around, inner)):
                    passed = on_the_way[depth] if depth < len(sample.around) and depth < len(on_the_way) else None
                    if passed in NAMES or passed == EVERY:
                        continue
                    for path, value in _named(node, passed):
                        yield path, depth, Stamp(value, count, message)


def _named(node: dict[str, Any], passed: str | None) -> Iterator[tuple[str, Any]]:
    """Times by their name, at the top and one level below; not below the key that leads to the samples."""
    for key, value in node.items():
        if key.casefold() in TIME_FIELDS and not isinstance(value, dict | list):
            yield as_path(key), value
        elif isinstance(value, dict) and key != passed:
            for inner, deep in value.items():
                if inner.casefold() in TIME_FIELDS and not isinstance(deep, dict | list):
                    yield as_path(key, inner), deep


def with_clock(source: Source, stamps: Sequence[Stamp], written: Sequence[str], host_zone: str | None) -> Timed:
    """The source with format and zone of its stamps; `written`: formats that they may be in, the likeliest first."""
    form, notes = _order(stamps, written)
    source = source if form == ISO else replace(source, time_format=form)
    newest = _newest(stamps, form)
    if not newest:
        return Timed(source, notes)
    middle = round(median(newest))
    constant = max(newest) - min(newest) <= NEAR_NS
    quarter = round(middle / QUARTER_NS) * QUARTER_NS
    on_a_quarter = max(abs(one - quarter) for one in newest) <= NEAR_NS
    if not constant:
        return Timed(source, (*notes, *_some_are_off(source, stamps, form)))
    if abs(middle) <= OFF_NS:
        return Timed(source, notes)
    arrived = stamps[0].message.received_ns
    off = f"{length(abs(quarter if on_a_quarter else middle))} {'ahead of' if middle > 0 else 'behind'}"
    name = source.time or "time"
    local = not any(says_zone(one.value, form) for one in stamps)
    sure = middle > 0 or len(newest) > 1  # a single message from before may just have waited
    if local and on_a_quarter and sure and abs(quarter) <= FARTHEST_NS:
        zones = zones_at(quarter, arrived, host_zone)
        if zones:
            others = f" (the same time now: {told({*zones[1:]})})" if len(zones) > 1 else ""
            question = f"{name} says no zone and is {off} UTC: its clock is taken to be that of {zones[0]}{others}"
            return Timed(replace(source, time_zone=zones[0]), (*notes, question))
    why = f"the clock of {name} is {off} the time of arrival"
    if middle > OFF_NS and source.payload == "influx":  # whose stamps cannot be passed over
        return Timed(source, (f"{why}, so its readings are refused: set that clock",))
    if middle > OFF_NS:
        plain = replace(source, time=None, time_missing="refuse", time_format=None)
        return Timed(plain, (f"{why}, so the time of arrival is taken: set that clock",))
    return Timed(source, (*notes, f"{why}: is it wrong, or did these messages have to wait?"))


def _some_are_off(source: Source, stamps: Sequence[Stamp], form: str) -> list[str]:
    """What there is to say where clocks differ from topic to topic, each by a constant."""
    by_topic: dict[str, list[Stamp]] = defaultdict(list)
    for one in stamps:
        by_topic[one.message.topic].append(one)
    off = {}
    for topic, own in by_topic.items():
        newest = _newest(own, form)
        if newest and max(newest) - min(newest) <= NEAR_NS:
            off[topic] = round(median(newest))
    wrong = {topic: by for topic, by in off.items() if abs(by) > OFF_NS}
    if len(by_topic) < 2 or len(off) < len(by_topic) or not wrong:
        return []
    topic, by = min(wrong.items())
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    way = "ahead of" if by > 0 else "behind"
    return [f"clocks differ: {source.time} on {topic}{more} is {length(abs(by))} {way} the time of arrival"]


def _newest(stamps: Sequence[Stamp], form: str) -> list[int]:
    """Of each live message, how far its newest stamp is ahead of its arrival."""
    by_message: dict[int, int] = {}
    for one in stamps:
        time_ns = read(one.value, form)
        if not one.message.retained and time_ns is not None:  # what the broker had stored may be of any age
            ahead_ns = time_ns - one.message.received_ns
            by_message[one.number] = max(ahead_ns, by_message.get(one.number, ahead_ns))
    return list(by_message.values())


def _order(stamps: Sequence[Stamp], written: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The format that is nearest to the times of arrival, and a question where two are as near."""
    if len(written) == 1:
        return written[0], ()
    away = {}
    for form in written:
        newest = _newest(stamps, form)
        distance = abs(round(median(newest))) if newest else 0
        away[form] = 0 if distance <= FARTHEST_NS + QUARTER_NS else distance
    nearest = min(away.values())
    likely = [form for form in written if away[form] == nearest]
    same = [form for form in likely if _swapped(form) in likely]
    if not same:
        return likely[0], ()
    what = "day" if likely[0].find("%d") < likely[0].find("%m") else "month"
    return likely[0], (
        f"{str(stamps[-1].value)[:40]} may have the day or the month first: the {what} is taken"
        f" (time_format {likely[0]} or {_swapped(likely[0])})",
    )


def _swapped(form: str) -> str:
    """The format with day and month in each other's place."""
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def zones_at(offset_ns: int, now_ns: int, host_zone: str | None) -> list[str]:
    """Zones whose clocks are so far ahead of UTC at a time, that of the host first."""
    from pipeline.config.calendars import CalendarError, offset_at  # here, as it loads the network

    found = []
    for zone in dict.fromkeys((host_zone or ZONES[0], *ZONES)):
        try:
            if offset_at(zone, now_ns) == offset_ns:
                found.append(zone)
        except CalendarError:
            continue  # this computer does not know it
    return found


def length(size_ns: int) -> str:
    """A length of time for a person.

    >>> length(7_200_000_000_000), length(4_020_000_000_000), length(3 * 86_400_000_000_000)
    ('2 h', '1 h 7 min', '3 d')
    """
    minutes = round(size_ns / MINUTE_NS)
    if minutes >= 2 * 24 * 60:
        return f"{round(minutes / 1440)} d"
    hours, rest = divmod(minutes, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))
