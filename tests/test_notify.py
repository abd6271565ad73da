"""Notifications as they arrive: a real receiver of webhooks, a real mail server, the real service, and kills."""

import logging
import resource
import sqlite3
from collections.abc import Iterator
from email import message_from_bytes
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from receivers import Receiver
from test_notify_policy import BERLIN, HOUR, MINUTE, NIGHT, NOON, RULES, at, incident

from pipeline.config.settings import Channel, ConfigError, Secret
from pipeline.notify.channels import Apprise, NotSent, Webhook, clean, open_channel
from pipeline.notify.memory import Memory, Notice
from pipeline.notify.news import Trouble
from pipeline.notify.notifier import Clock, Notifier
from pipeline.notify.policy import Rules
from pipeline.notify.text import Style
from pipeline.records import Point
from pipeline.service.troubles import _set_aside
from pipeline.sinks import Unreachable

STYLE = Style(BERLIN, "https://spikewatch.plant/")
WHY = "flow 3.2 l/min, below the expected 4.0 to 4.4; disagrees with the other sensors for 12 min"
S = 10**9


class Plant:
    """A notifier whose clock stands still until it is moved, and what goes through its outbox."""

    def __init__(self, folder: Path, channel: Channel, rules: Rules = RULES) -> None:
        self.folder, self.channel, self.rules = folder, channel, rules
        self.now_ns = NOON
        self.outbox: list[list[Point]] = []
        self.troubles: list[Trouble] = []
        self.start()

    def start(self) -> None:
        """A new life."""
        clock = Clock(lambda: self.now_ns, lambda: self.now_ns / 1e9, lambda: 1.0)
        channels = [(open_channel(self.channel, {}), self.rules)]
        self.notifier = Notifier(self.folder / "notify.sqlite", channels, STYLE, clock)
        self.notifier.troubles = lambda: self.troubles
        self.notifier.open([point for batch in self.outbox for point in batch])

    def commit(self, *points: Point) -> None:
        """As the service does, and its outbox is emptied."""
        self.outbox.append(self.notifier.choose(points))
        self.deliver()
        self.notifier.step()

    def deliver(self) -> None:
        while self.outbox:
            self.notifier.write(self.outbox[0])
            self.outbox.pop(0)

    def later(self, ns: int) -> None:
        """So much time passes, a minute at a time."""
        until = self.now_ns + ns
        while self.now_ns < until:
            self.now_ns = min(self.now_ns + MINUTE, until)
            self.notifier.step()


def point(
    machine: str = "press-1",
    phase: str = "open",
    severity: int = 2,
    number: int = 1,
    began_ns: int = NOON,
    **more: Any,
) -> Point:
    """As the engine writes it."""
    fields = {
        "phase": phase, "severity": severity, "peak": 0.9995, "cause": "flow", "sensors": "flow 62 %", "why": WHY,
        "class": "", "confidence": 0.0, "started": began_ns, "ended": 0, "acknowledged": False, "unconfirmed": False,
    }  # fmt: skip
    tags = (("id", str(number)), ("machine", machine), ("site", "north"))
    time_ns = began_ns + (30 * MINUTE if phase == "close" else 0)
    return Point("incident", tags, {**fields, **more}, time_ns)


def test_an_incident_is_told_in_plain_words(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.commit(point())
    plant.later(MINUTE)
    plant.commit(point(phase="close", reason="repaired"))
    plant.later(MINUTE)
    link = "https://spikewatch.plant/#/machines/press-1;site=north"
    assert [(content["title"], content["text"].splitlines()) for _, content in receiver.got] == [
        (
            "Critical: press-1 (site north)",
            [
                "press-1 (site north) is in alarm: critical.",
                f"{WHY}.",
                "Since 2026-03-02 12:00 CET. Incident 1.",
                link,
            ],
        ),
        (
            "Over: press-1 (site north)",
            [
                "press-1 (site north): incident 1 is over: somebody has said that it is repaired.",
                "It lasted from 2026-03-02 12:00 CET to 2026-03-02 12:30 CET (30 min) and was critical.",
                f"{WHY}.",
                link,
            ],
        ),
    ]
    [opening, closing] = [content["news"][0] for _, content in receiver.got]
    assert opening == {
        "about": "incident", "event": "opening", "name": "press-1", "captures": {"site": "north"}, "incident": 1,
        "severity": "critical", "over": False, "acknowledged": False, "since": "2026-03-02T11:00:00+00:00",
        "time": "2026-03-02T11:00:00+00:00", "why": WHY, "reason": "", "class": "", "link": link,
    }  # fmt: skip
    assert (closing["over"], closing["reason"]) == (True, "repaired")


def test_a_machine_that_falls_silent_and_speaks_again_is_told(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    tags = (("machine", "press-1"), ("site", "north"))
    plant.commit(Point("machine", tags, {"state": "silent"}, NOON))
    plant.later(MINUTE)
    plant.start()  # the networks forget a silence, the notifier does not
    plant.commit(Point("machine", tags, {"state": "ready", "score": 0.1}, NOON + HOUR))
    plant.commit(Point("machine", tags, {"state": "ready", "score": 0.1}, NOON + HOUR))
    plant.later(MINUTE)
    assert receiver.titles == ["Silent: press-1 (site north)", "Heard again: press-1 (site north)"]


def test_two_hundred_machines_are_one_message_that_names_the_first_few(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.commit(*(point(f"press-{number:03}", severity=1 + number % 2) for number in range(200)))
    plant.later(2 * MINUTE)
    [(_, content)] = receiver.got
    lines = content["text"].splitlines()
    assert content["title"] == "200 machines: 100 critical, 100 in warning"
    assert lines[0].endswith("All of site north. In 200 of them the first sensor to blame is flow.")
    assert [line.split()[1] for line in lines[1:6]] == [f"press-{number:03}" for number in (1, 3, 5, 7, 9)]
    assert lines[6] == "and 195 more."
    assert (content["machines"], len(content["news"])) == (200, 200)


def test_quiet_hours_end_in_one_message(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url), RULES._replace(quiet=NIGHT))
    plant.now_ns = evening = at("2026-03-02T23:00")
    plant.commit(*(point(f"press-{number}", severity=1, began_ns=evening) for number in range(3)))
    plant.later(HOUR)
    plant.commit(point("press-0", "close", severity=1, began_ns=evening, reason="calm"))
    plant.later(6 * HOUR)
    [(_, content)] = receiver.got
    assert content["title"] == "3 machines: 2 in warning, 1 over"
    assert content["text"].splitlines()[0].startswith("Held during quiet hours. 3 machines: 2 in warning, 1 over.")
    assert "incident 1 has begun and is over again: it is calm again." in content["text"]


def test_after_an_outage_of_two_hours_all_is_told_in_order_and_nothing_twice(
    tmp_path: Path, receiver: Receiver
) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    receiver.status = 503
    plant.commit(point("press-0"))
    plant.later(2 * MINUTE)
    for number in range(1, 21):
        plant.commit(point(f"press-{number}", began_ns=plant.now_ns))
        plant.later(2 * MINUTE)
    plant.later(80 * MINUTE)
    assert plant.notifier.health()[0]["trouble"].startswith("503 Service Unavailable")
    plant.start()  # a kill changes nothing
    receiver.status = 200
    plant.later(20 * MINUTE)
    assert receiver.titles == ["Critical: press-0 (site north)", "20 machines: 20 critical"]
    assert plant.notifier.health()[0]["trouble"] is None
    assert plant.notifier.policies["fitters"].waiting == 0


def test_a_message_that_is_sent_again_after_a_kill_has_the_same_id(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.commit(point())
    policy = plant.notifier.policies["fitters"]
    policy.sent = lambda message: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        plant.later(2 * MINUTE)  # killed between sending and writing that down
    plant.start()
    plant.later(2 * MINUTE)
    first, second = receiver.ids
    assert first == second


def test_notices_that_the_outbox_offers_again_are_taken_once(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    chosen = plant.notifier.choose([point(), point("press-2")])
    plant.notifier.write(chosen)
    plant.later(2 * MINUTE)
    plant.outbox = [chosen]  # killed before the journal knew
    plant.start()
    plant.commit(point("press-3"))
    plant.later(2 * MINUTE)
    assert receiver.titles == [f"Critical: press-{number} (site north)" for number in (1, 2, 3)]


def test_while_the_memory_cannot_be_written_notices_stay_in_the_outbox(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.commit(point())
    other = sqlite3.connect(tmp_path / "notify.sqlite", isolation_level=None)
    plant.notifier._memory._open().execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unreachable):
        plant.commit(point("press-2"))
    plant.later(2 * MINUTE)
    assert receiver.titles == ["Critical: press-1 (site north)"]  # told all the same, and once
    other.execute("ROLLBACK")
    plant.deliver()
    plant.later(2 * MINUTE)
    plant.start()
    plant.later(2 * MINUTE)
    assert receiver.titles == ["Critical: press-1 (site north)", "Critical: press-2 (site north)"]
    other.close()


def test_a_damaged_memory_is_set_aside_by_name(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.commit(point())
    plant.later(2 * MINUTE)
    plant.notifier._memory.close()
    (tmp_path / "notify.sqlite").write_bytes(b"no database" * 1000)
    plant.start()
    plant.commit(point("press-2"))
    plant.later(2 * MINUTE)
    assert (tmp_path / "notify.sqlite.corrupt-1").exists()
    assert receiver.titles[-1] == "Critical: press-2 (site north)"


def test_a_single_damaged_notice_sets_the_memory_aside_at_the_start_too(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.notifier.write(plant.notifier.choose([point()]))  # and killed before it was looked at
    plant.notifier._memory.close()
    with sqlite3.connect(tmp_path / "notify.sqlite") as database:
        database.execute("UPDATE inbox SET content = replace(content, 'press-1', 'press-9')")
    database.close()
    plant.start()
    plant.commit(point("press-2"))
    plant.later(2 * MINUTE)
    assert (tmp_path / "notify.sqlite.corrupt-1").exists()
    assert receiver.titles == ["Critical: press-2 (site north)"]


def test_a_folder_and_a_memory_that_cannot_be_opened_now_end_nothing(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.troubles = [Trouble("data", NOON, "", 1)]
    plant.later(10 * MINUTE)
    (tmp_path / "data").mkdir()
    plant.notifier._memory._path = tmp_path / "data" / "nowhere" / "notify.sqlite"
    plant.notifier._memory.close()

    def none_left() -> Iterator[Trouble]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            yield from _set_aside(tmp_path)  # type: ignore[misc]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    plant.notifier.troubles = none_left
    with pytest.raises(Unreachable):
        plant.commit(point())
    plant.later(10 * MINUTE)
    assert receiver.titles == ["Spikewatch: data trouble"]  # and not that it is over
    assert caplog.text.count("notify.memory reason=") == 1
    plant.notifier.troubles = lambda: plant.troubles
    (tmp_path / "data" / "nowhere").mkdir()
    plant.deliver()
    plant.later(2 * MINUTE)
    assert receiver.titles == ["Spikewatch: data trouble", "Critical: press-1 (site north)"]


def test_the_inbox_forgets_what_was_taken_long_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.notify.memory.KNOWN", 10)
    memory = Memory(tmp_path / "notify.sqlite")
    notices = [Notice(number, "life", incident()) for number in range(1, 31)]
    memory.put(notices)
    memory.save([], {}, notices[:25])
    memory.put(notices[10:25])
    assert [notice.number for notice in memory.inbox(100)] == [*range(11, 21), *range(26, 31)]
    memory.close()


def test_the_service_s_own_trouble_is_told_with_its_end(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url))
    plant.troubles = [Trouble("database", NOON, "connection refused", 1)]
    plant.later(10 * MINUTE)
    plant.troubles = []
    plant.later(10 * MINUTE)
    assert receiver.titles == ["Spikewatch: database trouble", "Spikewatch: database trouble over"]
    assert receiver.got[0][1]["text"].splitlines() == [
        "Spikewatch cannot reach its database: scores are kept until it is back, since 2026-03-02 12:00 CET.",
        "connection refused.",
        "https://spikewatch.plant/",
    ]


# Mail, by Apprise.


class AnyPort(Controller):
    """A controller that asks its server for the port, which it was free to choose."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mails:
    """A mail server on loopback, and what it has taken."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.refuses = False
        self.controller = AnyPort(self, hostname="127.0.0.1", port=0)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuses:
            return "554 no mail from anna:hunter2secret"
        self.got.append(message_from_bytes(envelope.content))
        return "250 OK"

    @property
    def url(self) -> str:
        port = self.controller.server.sockets[0].getsockname()[1]
        return f"mailto://127.0.0.1:{port}?from=spikewatch@plant.example&to=fitters@plant.example"


@pytest.fixture
def mails() -> Iterator[Mails]:
    found = Mails()
    found.controller.start()
    yield found
    found.controller.stop()


def test_an_incident_is_told_by_mail(tmp_path: Path, mails: Mails) -> None:
    secret = tmp_path / "address"
    secret.write_text(mails.url)
    plant = Plant(tmp_path, Channel("mail", url=Secret(file=str(secret))))
    plant.commit(point())
    plant.later(2 * MINUTE)
    [mail] = mails.got
    assert mail["Subject"] == "Critical: press-1 (site north)"
    assert mail["To"] == "fitters@plant.example"
    assert len(mail["Idempotency-Key"]) == 32
    text = mail.get_payload(decode=True) or mail.get_payload()[0].get_payload(decode=True)
    assert f"{WHY}." in text.decode()


def test_mails_that_were_refused_arrive_later_in_order_and_once(tmp_path: Path, mails: Mails) -> None:
    secret = tmp_path / "address"
    secret.write_text(mails.url)
    plant = Plant(tmp_path, Channel("mail", url=Secret(file=str(secret))), RULES._replace(wait_ns=0))
    mails.refuses = True
    plant.commit(point())
    mails.refuses = False
    plant.commit(point(phase="close", reason="calm"))
    plant.start()
    plant.later(2 * MINUTE)
    assert [mail["Subject"] for mail in mails.got] == ["Critical: press-1 (site north)", "Over: press-1 (site north)"]
    assert plant.notifier.policies["fitters"].waiting == 0


def test_what_a_mail_server_refuses_is_told_without_secrets(mails: Mails) -> None:
    mails.refuses = True
    channel = Apprise("mail", mails.url.replace("127.0.0.1", "anna:hunter2secret@127.0.0.1"))
    with pytest.raises(NotSent) as found:
        channel.send("id", "title", "body", "warning", {})
    assert "hunter2" not in str(found.value)


# Secrets.


@pytest.mark.parametrize(
    "address",
    [
        "tgram://123456789:canary_token/12315544/",
        "slack://canaryT/canaryB/canaryC/#fitters",
        "mailtos://anna:canary%20pass@mail.plant.example?to=b@plant.example",
        "json://anna:canary@127.0.0.1:1/canarypath",
        "nosuchservice://canary",
        "canary",
    ],
)
def test_nothing_of_an_address_is_in_an_error(address: str) -> None:
    reason, logged = "", StringIO()
    everything = logging.StreamHandler(logged)  # pytest's own is put on every logger, also where it says nothing
    logging.getLogger().addHandler(everything)
    try:
        channel = Apprise("fitters", address)
        if "127.0.0.1" in address:  # others are reached over the network
            channel.send("id", "title", "body", "warning", {})
    except (ConfigError, NotSent) as error:
        reason = str(error)
    finally:
        logging.getLogger().removeHandler(everything)
    assert "canary" not in reason
    assert "canary" not in logged.getvalue()
    assert "canary" not in clean(f"failed: {address} is refused, {address.partition('://')[2]}", address)


def test_a_token_of_a_webhook_is_in_no_error(receiver: Receiver) -> None:
    receiver.status = 401
    with pytest.raises(NotSent) as found:
        Webhook(receiver.url, "canary-of-webhook").send("id", "title", "body", "warning", {})
    assert str(found.value) == "401 Unauthorized seen Bearer ***"


def test_a_webhook_that_cannot_be_reached_says_why() -> None:
    with pytest.raises(NotSent, match="refused"):
        Webhook("http://127.0.0.1:1/hook").send("id", "title", "body", "warning", {})
