"""What a message says, in words for people and as JSON for programs. Pure, but for the rules of time zones."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pipeline.engine.explanation import span
from pipeline.identity import identity
from pipeline.notify.news import CRITICAL, News
from pipeline.notify.policy import Item, Message

NAMED = 5  # matters in a text; of the others it says how many
SAME = 0.6  # share of the incidents from which a common sensor is worth a word
SERVICE = {
    "broker": "Spikewatch is not connected to the MQTT broker: no machine is watched",
    "database": "Spikewatch cannot reach its database: scores are kept until it is back",
    "disk": "Spikewatch cannot write to its disk: no reading is acknowledged until it can",
    "data": "Spikewatch has found damaged data and set a file aside",
}
SERVICE_OVER = {
    "broker": "Spikewatch is connected to the MQTT broker again",
    "database": "Spikewatch reaches its database again",
    "disk": "Spikewatch can write to its disk again",
    "data": "The damaged files that Spikewatch had set aside are gone",
}
ENDED = {
    "": "",
    "calm": "it is calm again",
    "unconfirmed": "it was taken for a lasting change, and nobody has confirmed it yet",
    "normal": "somebody has said that this is normal",
    "repaired": "somebody has said that it is repaired",
    "rollback": "somebody has returned it to an earlier baseline",
    "import": "somebody has imported what a microcontroller has learned of it",
}


class Style(NamedTuple):
    """What texts need to know of the plant."""

    zone: ZoneInfo
    page: str = ""  # address of the console; empty where nobody has configured it

    def moment(self, time_ns: int) -> str:
        """A time as people of the plant read it."""
        try:
            return datetime.fromtimestamp(time_ns // 1_000_000_000, self.zone).strftime("%Y-%m-%d %H:%M %Z")
        except (ValueError, OverflowError, OSError):  # of data with impossible years
            return "an unknown time"

    def link(self, news: News | None = None) -> str:
        """The page of a machine, or of all; empty where there is none."""
        if not self.page:
            return ""
        base = self.page.rstrip("/")
        return (
            f"{base}/" if news is None or news.about == "service" else f"{base}/#/machines/{identity(news.machine)}"
        )


class Text(NamedTuple):
    """What is sent."""

    title: str
    body: str


def test(style: Style, now_ns: int) -> Text:
    """A message that says only that messages arrive."""
    body = f"This is a test of Spikewatch, sent {style.moment(now_ns)}. Nothing has happened to any machine."
    return Text("Spikewatch: test message", "\n".join(filter(None, [body, style.link()])))


def text(message: Message, style: Style) -> Text:
    """The words of a message."""
    if message.kind == "single" and message.matters == 1:
        return _single(message.items[0], style)
    return _several(message, style)


def _single(item: Item, style: Style) -> Text:
    news = item.news
    title = f"{_status(item)}: {called(news)}" if news.about != "service" else f"Spikewatch: {_status(item)}"
    lines = [*_told(item, style), style.link(news)]
    return Text(title, "\n".join(filter(None, lines)))


def _several(message: Message, style: Style) -> Text:
    counted = _counted(message.items)
    what = ", ".join(f"{count} {word}" for word, count in counted.items())
    more = message.matters - len(message.items)
    if more:
        what += f", and {more} more"
    if message.machines == 1:
        subject = called(next(item.news for item in message.items if item.news.about != "service"))
    else:
        subject = f"{message.machines} machines" if message.machines else "Spikewatch"
    quiet = "Held during quiet hours. " if message.kind == "summary" else ""
    lines = [f"{quiet}{subject}: {what}.{_common(message.items)}"]
    for item in message.items[:NAMED]:
        lines.append("- " + " ".join(_told(item, style)))
    rest = message.matters - min(len(message.items), NAMED)
    if rest:
        lines.append(f"and {rest} more.")
    only = message.items[0].news if message.machines == 1 else None
    return Text(f"{subject}: {what}", "\n".join(filter(None, [*lines, style.link(only)])))


def called(news: News) -> str:
    """A machine with its captures, as people read it.

    >>> called(News("silence", "press-1", (("site", "north"),), 0, 0, 0, 1))
    'press-1 (site north)'
    """
    captures = ", ".join(f"{key} {value}" for key, value in news.tags)
    return f"{news.name} ({captures})" if captures else news.name


def _severity(news: News) -> str:
    return "critical" if news.severity >= CRITICAL else "warning"


def _status(item: Item) -> str:
    """In a word or two, how it stands."""
    news = item.news
    if news.about == "service":
        return f"{news.name} trouble over" if news.over else f"{news.name} trouble"
    if news.about == "silence":
        return "Heard again" if news.over else "Silent"
    if news.over:
        return "Over"
    return f"Still {_severity(news)}" if item.first == "reminder" else _severity(news).capitalize()


def _told(item: Item, style: Style) -> list[str]:
    """All that is known of a matter, in sentences."""
    news = item.news
    since, until = style.moment(news.began_ns), style.moment(news.time_ns)
    lasted = span(news.time_ns - news.began_ns)
    for_ = f" ({lasted})" if lasted else ""
    if news.about == "service":
        if news.over:
            return [f"{SERVICE_OVER[news.name]}. It lasted from {since} to {until}{for_}."]
        return [f"{SERVICE[news.name]}, since {since}.", f"{news.why}." if news.why else ""]
    if news.about == "silence":
        if news.over:
            return [f"{called(news)} is sending again. It was silent from {since} to {until}{for_}."]
        return [f"{called(news)} has stopped sending. Nothing was received from it since {since}."]
    label = f" Looks like: {news.label}." if news.label else ""
    if not news.over:
        still = "is still" if item.first == "reminder" else "is now" if item.first == "rising" else "is"
        severity = f"{called(news)} {still} in alarm: {_severity(news)}."
        return [severity, f"{news.why}." if news.why else "", f"Since {since}. Incident {news.number}.{label}"]
    meanwhile = "has begun and is over again" if item.first == "opening" else "is over"
    ended = ENDED.get(news.reason, news.reason)
    return [
        f"{called(news)}: incident {news.number} {meanwhile}{': ' if ended else ''}{ended}.",
        f"It lasted from {since} to {until}{for_} and was {_severity(news)}.",
        f"{news.why}.{label}" if news.why else label.strip(),
    ]


def _counted(items: Sequence[Item]) -> dict[str, int]:
    """How many are how."""
    words: dict[str, Callable[[News], bool]] = {
        "critical": lambda one: one.about == "incident" and not one.over and one.severity >= CRITICAL,
        "in warning": lambda one: one.about == "incident" and not one.over and one.severity < CRITICAL,
        "silent": lambda one: one.about == "silence" and not one.over,
        "in trouble": lambda one: one.about == "service" and not one.over,
        "over": lambda one: one.over,
    }
    counted = {word: sum(holds(item.news) for item in items) for word, holds in words.items()}
    return {word: count for word, count in counted.items() if count}


def _common(items: Sequence[Item]) -> str:
    """What most of them have in common, as sentences; empty where it is nothing."""
    news = [item.news for item in items if item.news.about != "service"]
    if len(news) < 2:
        return ""
    shared = set(news[0].tags).intersection(*(one.tags for one in news))
    said = f" All of {', '.join(f'{key} {value}' for key, value in sorted(shared))}." if shared else ""
    sensors = Counter(one.cause for one in news if one.cause)
    if sensors:
        sensor, count = sensors.most_common(1)[0]
        if count > 1 and count >= SAME * len(news):
            said += f" In {count} of them the first sensor to blame is {sensor}."
    return said


def content(message: Message, style: Style) -> dict[str, Any]:
    """The same as JSON."""
    said = text(message, style)
    return {
        "id": message.id,
        "kind": message.kind,
        "title": said.title,
        "text": said.body,
        "severity": _severity(message.items[0].news),
        "machines": message.machines,
        "matters": message.matters,
        "link": style.link(),
        "news": [_news(item, style) for item in message.items],
    }


def _news(item: Item, style: Style) -> dict[str, Any]:
    news = item.news
    return {
        "about": news.about,
        "event": item.first,
        "name": news.name,
        "captures": dict(news.tags),
        "incident": news.number or None,
        "severity": _severity(news),
        "over": news.over,
        "acknowledged": news.acknowledged,
        "since": iso(news.began_ns),
        "time": iso(news.time_ns),
        "why": news.why,
        "reason": news.reason,
        "class": news.label,
        "link": style.link(news),
    }


def iso(time_ns: int) -> str | None:
    """A time for programs, in UTC; none of impossible years."""
    try:
        return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
