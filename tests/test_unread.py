"""A source of which nothing can be read, and a clock that is behind, are said and not only counted."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.settings import Config, Mqtt, Source
from pipeline.payloads import Cause, Decoded
from pipeline.payloads.decoded import Noted, refusal
from pipeline.payloads.why import WHY
from pipeline.records import Machine, Message, Readings
from pipeline.service.clocks import BEHIND_NS, LOOKS, STEADY_NS, Clocks
from pipeline.service.connections import open_sink
from pipeline.service.service import Service
from pipeline.service.unread import ENOUGH, ENOUGH_NS, MEANT, Unread

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
LINE = Source(topic="line/{machine}", payload="json", sensor="name", value="value")
PLAIN = Source(topic="plant/{machine}/{sensor}", payload="number")


@pytest.fixture
def service(tmp_path: Path):
    config = Config(data=str(tmp_path), mqtt=Mqtt(sources=(LINE, PLAIN)))
    made = Service(config, open_sink(config, {}))
    yield made
    made._journal.close()
    made._lock.close()


def send(service: Service, topic: str, payload: bytes, seconds: range) -> None:
    messages = [Message(topic, payload, BEGIN + second * SECOND) for second in seconds]
    assert service._process(messages, threading.Event())


def test_a_source_whose_messages_are_all_refused_is_an_error_with_an_example_until_one_is_read(service, caplog):
    send(service, "line/press-7", b'{"tag": "oil", "value": 41.5}', range(60))
    send(service, "plant/mill/oil", b"40.5", range(60))
    service._tell_of_senders()
    service._tell_of_senders()
    [trouble] = service.volume.troubles()
    assert trouble.source == "line/{machine}"
    assert trouble.messages == 60
    assert trouble.since_s == BEGIN / SECOND
    assert trouble.causes == {"no_sensor": 60}
    assert (trouble.topic, trouble.why) == ("line/press-7", f"{WHY[Cause.NO_SENSOR]} (name)")
    [said] = [one for one in caplog.records if "source.unreadable" in one.message]
    assert said.levelname == "ERROR"
    assert "60 no_sensor" in said.message
    assert "spikewatch tap" in said.message
    send(service, "line/press-7", b'{"name": "oil", "value": 41.5}', range(60, 61))
    service._tell_of_senders()
    assert not service.volume.troubles()
    assert "source.readable topic=line/{machine}" in caplog.text


def test_what_is_refused_among_readings_is_no_trouble_of_the_source(service):
    for second in range(60):
        send(service, "line/press-7", b'{"tag": "oil", "value": 41.5}', range(2 * second, 2 * second + 1))
        send(service, "line/press-8", b'{"name": "oil", "value": 41.5}', range(2 * second + 1, 2 * second + 2))
    assert not service.volume.troubles()
    assert service.volume.sources["line/{machine}"].readings == 60


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_but_those_that_the_source_asks_for_makes_trouble_and_has_words(cause: Cause):
    unread = Unread()
    for number in range(ENOUGH):
        unread.add(Message("t", b"", BEGIN + number * ENOUGH_NS), refusal(cause, "here"))
    found = unread.trouble("t")
    assert (found is None) == (cause in MEANT)
    assert found is None or found.why == f"{WHY[cause]} (here)"


def test_what_arrives_at_once_and_what_says_something_else_is_no_trouble():
    unread = Unread()
    for number in range(100):
        unread.add(Message("t", b"", BEGIN + number), refusal(Cause.NOT_JSON))
        unread.add(Message("t", b"", BEGIN + number * SECOND), Decoded((), (), (Noted("a birth"),)))
    assert unread.trouble("t") is None


def rows(slot: int, time_ns: int) -> Readings:
    one = np.array([slot], np.int64)
    return Readings(one, one, np.array([time_ns], np.int64), np.zeros(1), np.ones(1, np.bool_))


def told(lags: list[int], slot: int = 3) -> tuple[list[int], Clocks]:
    """At which looks a machine is named whose readings arrive that much later than their times, one between looks."""
    clocks, found = Clocks(), []
    for number, lag in enumerate(lags):
        now = BEGIN + 10 * number * SECOND
        clocks.heard(rows(slot, now - lag), now)
        clocks.heard(rows(0, now), now)
        found += [number for named in clocks.look() if named == slot]
    return found, clocks


def test_a_clock_that_is_two_hours_behind_is_said_once_and_again_after_it_was_right():
    two_hours = 7_200 * SECOND
    assert told([two_hours] * 50)[0] == [LOOKS]
    assert told([two_hours] * 10 + [0] + [two_hours] * 10)[0] == [LOOKS, 11 + LOOKS]
    machines = [Machine(f"press-{number}") for number in range(4)]
    [behind] = told([two_hours] * 10)[1].behind(machines, 5)
    assert behind == ("press-3", 7_200.0)


def test_a_backlog_that_is_sent_faster_than_it_was_measured_is_no_clock_that_is_behind():
    shrinking = [max(7_200 * SECOND - number * 2 * STEADY_NS, 0) for number in range(100)]
    assert told(shrinking)[0] == []


@given(st.lists(st.integers(-(10**15), BEHIND_NS - 1), max_size=30))
def test_a_clock_that_is_less_than_ten_minutes_behind_is_never_named(lags: list[int]):
    assert told(lags)[0] == []


def test_the_service_names_a_clock_that_is_behind_in_its_log(service, caplog):
    source = Source(topic="line/{machine}", payload="json", time="t")
    service._decoder = type(service._decoder)((source,), Config().times, 1_000_000)
    for number in range(LOOKS + 1):
        now = BEGIN + 10 * number * SECOND
        late = (now - 7_200 * SECOND) // SECOND
        assert service._process([Message("line/mill-2", b'{"t": %d, "oil": 3}' % late, now)], threading.Event())
        service._tell_of_senders()
    assert "clock.behind machines=1 machine=mill-2 by_s=7200" in caplog.text
