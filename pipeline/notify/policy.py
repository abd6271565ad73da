"""What a channel is told, and when. A state machine without clock, files or network: time is passed in.

`Policy.take` hears of everything. What happened is either kept back for good by a named rule (SUPPRESSED), or waits
as an `Item` of its matter; later happenings of the same incident join its item, so what waits does not grow with
time. `Policy.form` makes messages of what has waited long enough and is not held by quiet hours, the cooldown of its
machine, or a broker that is away. While messages cannot be sent no more are formed, so a channel that comes back
after an outage is told how things stand and not every step on the way.

Every happening is counted once as it comes, and once as it goes: told, digested, suppressed, given up or dropped.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from pipeline.notify.news import CRITICAL, Key, News, Tags
from pipeline.notify.quiet import Hours, quiet_until

MOST_ITEMS = 10  # incidents of one machine that wait; the oldest go first, and are counted
MOST_STANDING = 50_000  # matters that are known; the oldest go first, and what waits of them is counted
MOST_TOLD = 200  # matters that one message names; of the others it says how many
BROKER_GRACE_NS = 120_000_000_000  # after the broker is back, for machines to be heard again
GIVE_UP_NS = 86_400_000_000_000  # for which a message is tried
SUPPRESSED = (
    "machines",  # not of the channel's machines
    "captures",  # nor of its part of the plant
    "events",  # of a kind that the channel is not told of
    "severity",  # less severe than the channel is told of
    "acknowledged",  # somebody works on it, or has snoozed it
    "untold",  # the end of what was not told either
    "brief",  # trouble of the service that was over before it was worth telling
    "broker",  # a silence while the broker was away
)
BROKER = Key("service", "broker")


class Rules(NamedTuple):
    """What is configured of a channel."""

    name: str
    severity: int  # the least that is told
    events: frozenset[str]
    machines: str  # pattern
    captures: tuple[tuple[str, str], ...]  # and patterns
    cooldown_ns: int
    wait_ns: int  # for more to happen
    from_machines: int  # from which on they are told together
    reminder_ns: int  # 0: never
    service_after_ns: int
    quiet: Hours | None


class Item(msgspec.Struct, frozen=True, array_like=True):
    """What is to be told of a matter."""

    news: News  # how it stands
    first: str  # opening, rising, closing, reminder: the first that is to be told
    events: int  # happenings that it stands for
    since_ns: int  # since when it waits
    held: str = ""  # by what it was held, if it was


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a matter, and what was told of it."""

    news: News  # the newest
    told: int = 0  # severity at which its present instance was told; 0 where it was not
    last_told_ns: int = 0  # when anything was
    last_told: int = 0  # and how severe that was
    items: tuple[Item, ...] = ()  # what waits; one for each instance


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What is sent at once."""

    id: str  # the same whenever it is sent again
    kind: str  # single, digest, summary (of quiet hours)
    items: tuple[Item, ...]  # most severe first; at most MOST_TOLD
    matters: int  # that it tells of, those that it does not name included
    machines: int
    events: int
    formed_ns: int


class Policy:
    """One channel's."""

    def __init__(
        self, rules: Rules, standings: Mapping[Key, Standing] | None = None, unsent: Iterable[Message] = ()
    ) -> None:
        """Go on where an earlier life has stopped."""
        self.rules = rules
        self.standings: dict[Key, Standing] = dict(standings or {})
        self.unsent: list[Message] = list(unsent)
        self.kept = list(self.unsent)  # as is the next: what of it somebody has written down
        self.changed: set[Key] = set()  # of `standings`, what nobody has written down yet
        self.counts: Counter[str] = Counter()
        self._arrived = False  # whether one has, since those that are unsent were made
        self._waiting = {key: None for key, one in self.standings.items() if one.items}  # a set that keeps its order
        self._lasting = {key for key, one in self.standings.items() if one.told and not one.news.over}

    @property
    def waiting(self) -> int:
        """Happenings that wait, those of unsent messages included; for any thread."""
        waiting = [one for key in list(self._waiting) if (one := self.standings.get(key))]
        items = sum(item.events for one in waiting for item in one.items)
        return items + sum(message.events for message in list(self.unsent))

    def wake(self, now_ns: int) -> None:
        """The service was away itself: how long its own trouble lasts counts from now."""
        for key in [key for key in self._waiting if key.about == "service"]:
            items = tuple(msgspec.structs.replace(item, since_ns=now_ns) for item in self.standings[key].items)
            self._put(key, msgspec.structs.replace(self.standings[key], items=items))

    def take(self, news: News, now_ns: int) -> None:
        """Hear of a matter; what is known already changes nothing."""
        if elsewhere := self._elsewhere(news):
            self.counts["events"] += 1
            self.counts[f"suppressed_{elsewhere}"] += 1
            return
        before = self.standings.get(news.key)
        happening, standing = _happening(before, news)
        if standing is before:
            return
        if happening:
            self.counts["events"] += 1
            standing = self._heard(standing, happening, now_ns)
        elif news.acknowledged and standing.items and standing.items[-1].news.instance == news.instance:
            *others, mine = standing.items  # somebody works on it already
            self.counts["suppressed_acknowledged"] += mine.events
            standing = msgspec.structs.replace(standing, items=tuple(others))
        self._put(news.key, standing)

    def _heard(self, standing: Standing, happening: str, now_ns: int) -> Standing:
        """What is known after a happening, and what waits."""
        news, items = standing.news, standing.items
        mine = items[-1] if items and items[-1].news.instance == news.instance else None
        begun = mine is not None or standing.told > 0
        if happening == "rising" and not begun and "opening" in self.rules.events:
            happening = "opening"  # to this channel: what was before was not severe enough
        rule = self._against(news, happening, begun)
        if rule:
            self.counts[f"suppressed_{rule}"] += 1
            return standing
        if mine is None:
            items = (*items, Item(news, happening, 1, now_ns))
        elif news.over and (moot := self._moot(mine, now_ns)):
            self.counts[f"suppressed_{moot}"] += mine.events + 1
            items = items[:-1]
        else:
            items = (*items[:-1], msgspec.structs.replace(mine, news=news, events=mine.events + 1))
        for item in items[:-MOST_ITEMS]:
            self.counts["dropped"] += item.events
        return msgspec.structs.replace(standing, items=items[-MOST_ITEMS:])

    def _elsewhere(self, news: News) -> str:
        """The rule for which a machine is none of the channel's; empty where it is, and for the service."""
        if news.about == "service":
            return ""
        if not fnmatchcase(news.name, self.rules.machines):
            return "machines"
        tags = dict(news.tags)
        fits = all(fnmatchcase(tags.get(key, ""), pattern) for key, pattern in self.rules.captures)
        return "" if fits else "captures"

    def _against(self, news: News, happening: str, begun: bool) -> str:
        """The rule for which a happening is not told; empty where there is none."""
        rules = self.rules
        kind = "opening" if happening == "reminder" else happening
        if (kind if news.about == "incident" else news.about) not in rules.events:
            return "events"
        if news.severity < rules.severity:
            return "severity"
        if happening == "closing":
            unheard = not begun and ("opening" in rules.events or news.about != "incident")
            return "untold" if unheard else ""
        return "acknowledged" if news.acknowledged else ""

    def _moot(self, item: Item, now_ns: int) -> str:
        """Why nobody need be told of what is over again, if so."""
        if item.news.about == "service" and within(now_ns, item.since_ns, self.rules.service_after_ns):
            return "brief"
        silence = item.news.about == "silence"
        return "broker" if silence and (item.held == "broker" or self._broker_away(now_ns)) else ""

    def form(self, now_ns: int) -> None:
        """Make messages of what is ready, unless earlier ones are still to be sent."""
        if self.unsent:
            return
        self._remind(now_ns)
        quiet = self.rules.quiet is not None and quiet_until(self.rules.quiet, now_ns) > now_ns
        ready: list[Key] = []
        for key in list(self._waiting):
            standing = self.standings[key]
            held = [self._holder(standing, item, now_ns, quiet) for item in standing.items]
            if not all(held):
                ready.append(key)
            elif held[-1] != standing.items[-1].held != "quiet":
                items = (*standing.items[:-1], msgspec.structs.replace(standing.items[-1], held=held[-1]))
                self._put(key, msgspec.structs.replace(standing, items=items))
        first_ns = min((item.since_ns for key in ready for item in self.standings[key].items), default=now_ns)
        if not ready or within(now_ns, first_ns, self.rules.wait_ns):
            return
        self._arrived = False
        after_quiet = [key for key in ready if any(item.held == "quiet" for item in self.standings[key].items)]
        if after_quiet:
            self._message("summary", after_quiet, now_ns)
            ready = [key for key in ready if key not in set(after_quiet)]
        own = [key for key in ready if key.about == "service"]
        by_machine: dict[tuple[str, Tags], list[Key]] = {}
        for key in ready:
            if key.about != "service":
                by_machine.setdefault((key.name, key.tags), []).append(key)
        if len(by_machine) >= self.rules.from_machines:
            self._message("digest", [key for keys in by_machine.values() for key in keys], now_ns)
        else:
            for keys in by_machine.values():
                self._message("single", keys, now_ns)
        if own:
            self._message("single", own, now_ns)

    def _holder(self, standing: Standing, item: Item, now_ns: int, quiet: bool) -> str:
        """What holds an item now; empty where nothing does."""
        news, rules = item.news, self.rules
        if news.about == "service" and not news.over and within(now_ns, item.since_ns, rules.service_after_ns):
            return "brief"
        if news.about == "silence" and item.first == "opening" and self._broker_away(now_ns):
            return "broker"
        cools = within(now_ns, standing.last_told_ns, rules.cooldown_ns) and news.severity <= standing.last_told
        if item.first in ("opening", "reminder") and cools:
            return "cooldown"
        critical_now = news.severity >= CRITICAL and rules.quiet is not None and not rules.quiet.critical_too
        return "quiet" if quiet and not critical_now else ""

    def _broker_away(self, now_ns: int) -> bool:
        """Whether machines may be silent because the broker is, or was a moment ago."""
        broker = self.standings.get(BROKER)
        return broker is not None and (not broker.news.over or within(now_ns, broker.news.time_ns, BROKER_GRACE_NS))

    def _remind(self, now_ns: int) -> None:
        """Open incidents that nobody has acknowledged are told again."""
        if not self.rules.reminder_ns:
            return
        for key in sorted(self._lasting):
            standing = self.standings[key]
            due_ns = standing.last_told_ns + self.rules.reminder_ns
            if key.about == "incident" and not standing.items and not standing.news.acknowledged and now_ns >= due_ns:
                self.counts["events"] += 1
                self._put(key, msgspec.structs.replace(standing, items=(Item(standing.news, "reminder", 1, due_ns),)))

    def _message(self, kind: str, keys: list[Key], now_ns: int) -> None:
        """Tell all that waits of these matters in one message."""
        items = [item for key in keys for item in self.standings[key].items]
        items.sort(key=lambda item: (-item.news.severity, item.news.over, item.news.began_ns))
        machines = len({(key.name, key.tags) for key in keys if key.about != "service"})
        events, id_ = sum(item.events for item in items), identity(self.rules.name, items)
        self.unsent.append(Message(id_, kind, tuple(items[:MOST_TOLD]), len(items), machines, events, now_ns))
        for key in keys:
            standing = self.standings[key]
            newest, worst = standing.items[-1].news, max(item.news.severity for item in standing.items)
            told = newest.severity if newest.instance == standing.news.instance else 0
            self._put(key, Standing(standing.news, told, now_ns, worst))

    def sent(self, message: Message) -> None:
        """A message has arrived."""
        self.unsent.remove(message)
        self._arrived = True
        self.counts["messages"] += 1
        self.counts["told" if message.kind == "single" else "digested"] += message.events

    def give_up(self, now_ns: int) -> list[Message]:
        """The messages that have been tried for too long; they are tried no more.

        Where others have arrived meanwhile, it is the message that is not taken. Else nobody is reached, and what is
        still open waits once more, for whoever is reached in the end has to hear of it; what was tried first comes
        last, so that a message that is never taken holds up the others once.
        """
        old = [message for message in self.unsent if now_ns - message.formed_ns >= GIVE_UP_NS]
        for message in reversed(old):
            self.unsent.remove(message)
            again = 0 if self._arrived else sum(self._again(item, now_ns) for item in message.items)
            self.counts["given_up"] += message.events - again
        return old

    def _again(self, item: Item, now_ns: int) -> int:
        """Have what is told of a matter wait once more, if it is open; how many happenings that are."""
        known = self.standings.get(item.news.key)
        if known is None or known.items or not known.told or known.news.instance != item.news.instance:
            return 0  # what waits tells it
        if known.news.over or known.news.acknowledged:
            return 0
        item = msgspec.structs.replace(item, news=known.news, since_ns=now_ns, held="")
        self._put(known.news.key, Standing(known.news, items=(item,)))
        return item.events

    def _put(self, key: Key, standing: Standing) -> None:
        if key not in self.standings and len(self.standings) >= MOST_STANDING:
            self._forget(min(self.standings, key=lambda one: self.standings[one].news.time_ns))
        self.standings[key] = standing
        self.changed.add(key)
        if standing.items:
            self._waiting.setdefault(key)
        else:
            self._waiting.pop(key, None)
        if standing.told and not standing.news.over:
            self._lasting.add(key)
        else:
            self._lasting.discard(key)

    def _forget(self, key: Key) -> None:
        self.counts["dropped"] += sum(item.events for item in self.standings.pop(key).items)
        self._waiting.pop(key, None)
        self._lasting.discard(key)
        self.changed.add(key)


def _happening(before: Standing | None, news: News) -> tuple[str, Standing]:
    """What has happened, empty where it is nothing to tell; and what is known after it, `before` where it was."""
    if before is None or news.instance > before.news.instance:
        last = (0, 0, ()) if before is None else (before.last_told_ns, before.last_told, before.items)
        return "closing" if news.over else "opening", Standing(news, 0, *last)
    known = before.news
    if news.instance < known.instance or known.over:
        return "", before
    after = msgspec.structs.replace(before, news=news)
    if news.over:
        return "closing", after
    if news.severity > known.severity:
        return "rising", after
    if known.acknowledged and not news.acknowledged:
        return "reminder", after  # a snooze is over
    return "", after


def within(now_ns: int, since_ns: int, length_ns: int) -> bool:
    """Whether a time has not passed yet; it has where the clock was set back meanwhile."""
    return 0 <= now_ns - since_ns < length_ns


def identity(channel: str, items: Iterable[Item]) -> str:
    """An id of what is told, the same whenever the same is."""

    def parts() -> Iterator[str]:
        yield channel
        for item in items:
            when = item.since_ns if item.first == "reminder" else 0
            yield repr((item.news.key, item.news.instance, item.news.time_ns, item.first, item.events, when))

    return hashlib.sha256("\n".join(parts()).encode()).hexdigest()[:32]
