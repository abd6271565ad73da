"""What can be wrong with the channels of notifications on paper. No problem shows a secret, nor a URL."""

import re
from collections.abc import Iterator, Mapping

from pipeline.config.addresses import address, is_loopback
from pipeline.config.settings import Channel, Config, Digest, Quiet, duration_ns, no_token
from pipeline.topics import parse

Problems = Iterator[tuple[str, str]]
MOST_CHANNELS = 32
MOST_FROM = 1_000  # machines with a message each
SHORTEST_REMINDER_NS = 60_000_000_000
_NAME = re.compile(r"[\w.-]{1,40}")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def quiet_problems(quiet: Quiet) -> Problems:
    """Of quiet hours."""
    for key, text in (("from", quiet.from_), ("to", quiet.to)):
        if not _CLOCK.fullmatch(text):
            yield key, "is not a time of day (such as 22:00; in quotes)"
            return
    if quiet.from_ == quiet.to:
        yield "to", "is the same as from: the channel would be quiet for ever"
    if not quiet.days:
        yield "days", "is empty (mon, tue, wed, thu, fri, sat, sun; default: all)"
    if quiet.time_zone is not None:
        from pipeline.config.calendars import problems  # here, as few name one, and it loads the network

        yield from problems(quiet.time_zone, None)


def digest_problems(digest: Digest) -> Problems:
    """Of what is told together."""
    yield from _duration("wait", digest.wait)
    if not 1 <= digest.from_ <= MOST_FROM:
        yield "from", f"{digest.from_} is not within 1 and {MOST_FROM}"


def channel_problems(channel: Channel, environ: Mapping[str, str]) -> Problems:
    """Of one channel."""
    if not _NAME.fullmatch(channel.name):
        yield "name", "must be 1 to 40 letters, digits and . _ -"
    if (channel.url is None) == (channel.webhook is None):
        yield "", "needs either url (of Apprise) or webhook"
    yield from _webhook(channel, environ)
    if not channel.events:
        yield "events", "is empty: the channel would be told of nothing"
    if not channel.machines:
        yield "machines", "is empty (a machine's name, or a pattern such as press-*)"
    for key in ("cooldown", "service_after"):
        yield from _duration(key, getattr(channel, key))
    if channel.reminder is not None:
        problems = list(_duration("reminder", channel.reminder))
        yield from problems
        if not problems and duration_ns(channel.reminder) < SHORTEST_REMINDER_NS:
            yield "reminder", "is shorter than a minute"


def _webhook(channel: Channel, environ: Mapping[str, str]) -> Problems:
    if channel.webhook is None:
        if channel.token is not None:
            yield "token", "goes with webhook; a url of Apprise holds its own"
        return
    try:
        url = address(channel.webhook, ("https", "http"), "token: {env: NAME} or {file: PATH}", path=True)
    except ValueError as error:
        yield "webhook", str(error)
        return
    if channel.token is not None and url.scheme == "http" and not channel.insecure_token and not is_loopback(url):
        yield "token", "would be sent unencrypted (use https://, or say insecure_token: true)"
    if wrong := no_token(channel.token, environ):
        yield "token", wrong


def channels_problems(config: Config) -> Problems:
    """Of all channels together, and beside the rest of the configuration."""
    if len(config.notify) > MOST_CHANNELS:
        yield "notify", f"has more than {MOST_CHANNELS} channels"
    captures = set()
    for source in config.mqtt.sources:
        try:
            captures |= {name for name, _ in parse(source.topic).names} - {"machine", "sensor"}
        except ValueError:
            return  # already told
        if source.payload == "sparkplug":
            captures |= {"group", "node"}
    names: dict[str, int] = {}
    for number, channel in enumerate(config.notify):
        if channel.name in names:
            yield f"notify[{number}].name", f"is the name of notify[{names[channel.name]}] too"
        names.setdefault(channel.name, number)
        for key in channel.captures:
            if key not in captures:
                known = f"captured are {', '.join(sorted(captures))}" if captures else "no topic captures anything"
                yield f"notify[{number}].captures", f"no topic of mqtt.sources captures {{{key}}} ({known})"


def _duration(key: str, text: str) -> Problems:
    try:
        duration_ns(text)
    except ValueError as error:
        yield key, str(error)
