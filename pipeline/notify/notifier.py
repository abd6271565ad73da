"""The notifier: from the outbox `notices` to the channels, in a thread of its own.

It is the sink of that outbox: what is delivered to it is in the inbox of its memory. From there on every step is a
transaction: notices are taken out together with what the policies made of them, and messages are written down before
they are sent, and struck out when they have arrived. After a kill between sending and striking out, a message is sent
once more, with the id that it had.

The service's own trouble is no event that has to be kept: it lasts, so it is looked at now and then.
"""

import logging
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.notify import text
from pipeline.notify.channels import NotSent, Opened
from pipeline.notify.memory import Memory, Notice
from pipeline.notify.news import News, Trouble, changes, notices, read
from pipeline.notify.policy import Message, Policy, Rules
from pipeline.records import Machine, Point
from pipeline.sinks import Unreachable

log = logging.getLogger("spikewatch.notify")

AT_ONCE = 2_000  # notices
LOOK_S, INBOX_S = 1.0, 0.2  # between looks at the service and at what is due, and at the inbox
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 600.0
NUMBER = "notice"  # field of a point in the outbox: its number, and the life that gave it
LIFE = "life"


class Line:
    """How a channel is reached now."""

    def __init__(self, opened: Opened) -> None:
        self.sender = opened.sender
        self.trouble = ""  # why nothing arrives; empty where all does, as far as is known
        self.since_ns = 0  # of that, Unix time
        self.sent_ns = 0  # when the last message arrived
        self.due_s = 0.0  # when it is tried again, by the monotonic clock
        self.wait_s = 0.0


def _none(news: News) -> None:
    """No picture."""


class Clock(NamedTuple):
    """What time it is, for people and for waiting."""

    wall_ns: Callable[[], int] = time.time_ns
    steady_s: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


class Notifier:
    """All channels. `write` is for the thread of the outbox, `choose` for the main thread, `step` for its own."""

    def __init__(
        self,
        path: Path,
        channels: Sequence[tuple[Opened, Rules]],
        style: text.Style,
        clock: Clock = Clock(),  # noqa: B008  # it is a tuple of functions
    ) -> None:
        """`path` of the memory is not touched before `open`."""
        self._memory, self._style, self._clock = Memory(path), style, clock
        self._lines = {rules.name: Line(opened) for opened, rules in channels}
        self.policies = {rules.name: Policy(rules) for _, rules in channels}
        self.troubles: Callable[[], Iterable[Trouble]] = tuple  # of the service now
        self.picture: Callable[[News], bytes | None] = _none  # draws one, if it can
        self._pictureless = False  # that there is none has been said
        self._service: dict[str, News] = {}
        self._silent: dict[Machine, int] = {}
        self._life, self._number = os.urandom(8).hex(), 0
        self._taken: dict[Notice, None] = {}  # from the inbox, and still to be struck out there
        self._trouble = ""  # with our memory
        self._look_s = -LOOK_S  # when the service was looked at, by the steady clock
        self._counts: Counter[str] = Counter()

    def open(self, pending: Iterable[Point] = ()) -> None:
        """Go on as the memory says, before anything else is called. `pending`: what is still in the outbox.

        Raises sqlite3.Error or OSError where the memory cannot be used.
        """
        known = self._memory.load()
        gone = (known.standings.keys() | known.unsent.keys()) - self.policies.keys()
        if gone:
            self._memory.forget(gone)
            log.warning('notify.forgotten channels=%s note="they are no longer configured"', ",".join(sorted(gone)))
        for name, policy in self.policies.items():
            self.policies[name] = Policy(policy.rules, known.standings.get(name), known.unsent.get(name, ()))
            self.policies[name].wake(self._clock.wall_ns())
        self._service = known.service
        self._silent = self._silent_of(known.waiting)
        self._number = self._memory.newest()
        for point in pending:
            self._number = max(self._number, int(point.fields[NUMBER]))
            notices([point], self._silent)

    def _silent_of(self, waiting: Iterable[News]) -> dict[Machine, int]:
        """Machines that are silent, as far as was told or is about to be."""
        silent: dict[Machine, int] = {}
        standing = (one.news for policy in self.policies.values() for one in policy.standings.values())
        for news in (*standing, *waiting):
            if news.about == "silence":
                silent.pop(news.machine, None) if news.over else silent.setdefault(news.machine, news.began_ns)
        return silent

    # What the main thread commits, in the same transaction as readings.

    def choose(self, points: Iterable[Point]) -> list[Point]:
        """Of points that are about to be committed, the notices, each with its number."""
        found = []
        for point in notices(points, self._silent):
            self._number = max(self._number + 1, self._clock.wall_ns())
            found.append(point._replace(fields={**point.fields, NUMBER: self._number, LIFE: self._life}))
        return found

    # A sink, for the thread that empties the outbox.

    def write(self, points: Sequence[Point]) -> None:
        """Keep notices, all or none. Raises Unreachable, where the outbox has to keep them."""
        found = [Notice(int(one.fields[NUMBER]), str(one.fields[LIFE]), read(one)) for one in points]
        try:
            self._memory.put(found)
        except (sqlite3.Error, OSError) as error:
            raise Unreachable(f"notify.sqlite: {error}") from None

    def close(self) -> None:
        """The outbox is no longer emptied; the memory is open until `run` ends."""

    # The notifier's own thread.

    def run(self, stop: threading.Event) -> None:
        """Tell until `stop` is set, and then what is ready, once."""
        while not stop.wait(INBOX_S):
            self.step()
        self._look_s = -LOOK_S
        self.step()
        for line in self._lines.values():
            line.sender.close()
        self._memory.close()

    def step(self) -> None:
        """Take what has come, decide, write down, and send what is due."""
        now_ns, now_s = self._clock.wall_ns(), self._clock.steady_s()
        news = self._taken_news()
        if now_s - self._look_s >= LOOK_S:
            self._look_s = now_s
            with suppress(OSError):  # no file can be opened now: the next look tells how things stand
                news += changes(self._service, tuple(self.troubles()), now_ns)
        elif not news:
            return
        for policy in self.policies.values():
            for one in news:
                policy.take(one, now_ns)
            for message in policy.give_up(now_ns):
                log.error("notify.given_up channel=%s message=%s", policy.rules.name, message.id)
            policy.form(now_ns)
        self._keep()
        for name, policy in self.policies.items():
            self._send(policy, self._lines[name])

    def _taken_news(self) -> list[News]:
        """What has come into the inbox."""
        found: list[Notice] = []
        with self._keeping():
            found = [notice for notice in self._memory.inbox(AT_ONCE) if notice not in self._taken]
        self._taken |= dict.fromkeys(found)
        return [notice.news for notice in found]

    def _keep(self) -> None:
        """Write down what has changed."""
        changed = [policy for policy in self.policies.values() if policy.changed or policy.unsent != policy.kept]
        if self._taken or changed:
            with self._keeping():
                self._memory.save(changed, self._service, self._taken)
                self._taken.clear()

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Around every use of the memory. Where it cannot be used, messages are sent all the same, and kept later."""
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, OSError) as error:
            if self._memory.set_aside(error):
                for policy in self.policies.values():
                    policy.changed |= policy.standings.keys()
            elif not self._trouble:
                log.error('notify.memory reason="%s" note="trying again; what is sent may be sent again"', error)
                self._trouble = str(error)
        else:
            if self._trouble:
                log.warning("notify.memory_back")
            self._trouble = ""

    def _send(self, policy: Policy, line: Line) -> None:
        """Send what is due of a channel, in order, until one does not arrive."""
        while policy.unsent and self._clock.steady_s() >= line.due_s:
            message = policy.unsent[0]
            try:
                self._sent(line, message)
            except NotSent as error:
                self._counts["retries"] += 1
                if not line.trouble:
                    line.since_ns = self._clock.wall_ns()
                    log.warning('notify.away channel=%s reason="%s"', policy.rules.name, error)
                line.trouble = str(error)
                line.wait_s = min(max(2.0 * line.wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
                line.due_s = self._clock.steady_s() + line.wait_s * (0.5 + 0.5 * self._clock.jitter())
                return
            policy.sent(message)
            self._keep()  # at once: until then a kill would have it sent again
            if line.trouble:
                log.warning("notify.back channel=%s", policy.rules.name)
            line.trouble, line.wait_s, line.due_s = "", 0.0, 0.0
            line.sent_ns = self._clock.wall_ns()
            log.info("notify.sent channel=%s message=%s events=%d", policy.rules.name, message.id, message.events)

    def _sent(self, line: Line, message: Message) -> None:
        said, content = text.text(message, self._style), text.content(message, self._style)
        # After a failure it goes without: a picture that a service refuses must not hold up the message.
        picture = self._picture_of(message) if line.sender.pictures and not line.trouble else None
        line.sender.send(message.id, said.title, said.body, str(content["severity"]), content, picture)

    def _picture_of(self, message: Message) -> bytes | None:
        """Of a message about one matter; None where there is none, for whatever reason."""
        if message.matters != 1:
            return None
        try:
            return self.picture(message.items[0].news)
        except Exception as error:  # of the database, of what is in it, of what draws: the message goes anyway
            if not self._pictureless:
                self._pictureless = True
                log.warning('notify.no_picture reason="%s" note="messages go without one; told once"', error)
            return None

    # For any thread.

    def figures(self) -> dict[str, float | int | str | bool]:
        """Counters since the start, of all channels together."""
        total: Counter[str] = Counter(self._counts)
        waiting = unsent = away = 0
        for name, policy in list(self.policies.items()):
            total += Counter(policy.counts)
            waiting += policy.waiting
            unsent += len(policy.unsent)
            away += bool(self._lines[name].trouble)
        found: dict[str, float | int | str | bool] = {"notify_waiting": waiting}
        found |= {"notify_unsent": unsent, "notify_away": away}
        return found | {f"notify_{name}": count for name, count in sorted(total.items())}

    def health(self) -> list[dict[str, Any]]:
        """How every channel does."""
        return [
            {
                "name": name,
                "unsent": len(policy.unsent),
                "trouble": line.trouble or None,
                "since_s": line.since_ns / 1e9 if line.trouble else None,
                "sent_s": line.sent_ns / 1e9 if line.sent_ns else None,
            }
            for (name, policy), line in zip(self.policies.items(), self._lines.values(), strict=True)
        ]
