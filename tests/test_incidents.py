"""Incidents and what a person says to a machine: one open at most, whatever the batches, and the answer counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import SECOND, START, engine_of, live, machine_with_modes, readings, restored, same

from pipeline.commands import Command, CommandError, read
from pipeline.config import Alert, MachineRule
from pipeline.records import Machine
from pipeline.scoring import MachineState, Severity

PRESS = Machine("m")


def say(engine, verb, argument="", by="anna"):
    return engine.apply(Command(verb, PRESS, argument, by, "cli", START))


def life(rows=4000, fault=(1500, 4000), size=8.0):
    table = machine_with_modes(rows, 4, 3)
    table[fault[0] : fault[1], 1] += size
    return table


def incident_points(points):
    return [point for point in points if point.measurement == "incident"]


def test_an_alarm_opens_one_incident_with_its_sensor_and_closes_it_when_the_machine_is_calm():
    table = life(fault=(1500, 1700))
    engine, scores = live(table[:1600])
    assert [news.phase for news in scores.news if news.incident.started_ns >= START + 1500 * SECOND][:1] == ["open"]
    one = engine.incident(0)
    assert one is not None
    assert one.sensors[0].sensor == "s1"
    assert one.sensors[0].direction == "high"
    assert sum(part.share for part in one.sensors) <= 1.0 + 1e-9
    assert one.peak == scores.score[1500:].max()
    assert "s1" in one.why
    rest = engine.step(readings(table[1600:], 1600))
    closed = [news for news in rest.news if news.phase == "close"]
    assert [news.reason for news in closed] == ["calm"]
    assert closed[0].incident.number == one.number
    assert engine.incident(0) is None
    [point] = [point for point in incident_points(engine.points(rest)) if point.fields["phase"] == "close"]
    assert dict(point.tags) == {"machine": "m", "id": str(one.number)}
    assert point.fields["ended"] < START + 1900 * SECOND <= point.time_ns


def test_pauses_belong_to_an_incident_and_a_short_alarm_makes_none_where_it_must_hold():
    table = machine_with_modes(2600, 4, 3)
    for begin in (1500, 1560, 1620):
        table[begin : begin + 20, 1] += 30.0
    _, scores = live(table)
    late = [news for news in scores.news if news.time_ns >= START + 1500 * SECOND]
    assert len({news.incident.number for news in late}) == 1
    assert [news.phase for news in late].count("close") == 1
    held = MachineRule(alert=Alert(hold="30m"))
    _, scores = live(table, rule=lambda name: held)
    assert not scores.news


def test_a_warning_that_nobody_attends_to_becomes_critical_and_one_that_is_acknowledged_does_not():
    never = Alert(warning=0.99, critical=1.0, escalate="10m")
    table = life(size=4.0)
    for attended in (False, True):
        engine, _ = live(table[:1800], rule=lambda name: MachineRule(alert=never))
        one = engine.incident(0)
        assert one is not None
        assert one.severity == Severity.WARNING
        if attended:
            [update, audit] = say(engine, "ack")
            assert update.fields["acknowledged"] is True
            assert (audit.measurement, audit.fields["by"]) == ("command", "anna")
        engine.step(readings(table[1800:3000], 1800))
        assert engine.incident(0).severity == (Severity.WARNING if attended else Severity.CRITICAL)


def test_a_snooze_acknowledges_until_its_time_is_over():
    engine, _ = live(life()[:1800])
    say(engine, "snooze", "5m")
    assert engine.incident(0).acknowledged
    scores = engine.step(readings(life()[1800:2200], 1800))
    assert not engine.incident(0).acknowledged
    assert [news.phase for news in scores.news] == ["update"]
    assert scores.news[0].time_ns >= START + (1799 + 300) * SECOND


def test_normal_closes_the_incident_and_the_same_readings_score_low_from_there_on():
    table = life()
    engine, _ = live(table[:2500])
    before = engine.step(readings(table[2500:2600], 2500))
    [closed, _] = say(engine, "normal")
    assert closed.fields["phase"] == "close"
    assert closed.fields["reason"] == "normal"
    after = engine.step(readings(table[2600:], 2600))
    assert before.score.min() > 0.99
    assert np.median(after.score) < 0.95
    assert (after.severity > 0).mean() < 0.01


def test_repaired_closes_the_incident_and_rollback_brings_the_old_scores_back():
    table = life()
    engine, _ = live(table[:2500])
    number = engine.incident(0).number
    points = say(engine, "repaired")
    assert [point.fields["reason"] for point in incident_points(points)] == ["repaired"]
    young = engine.step(readings(table[2500:2900], 2500))
    assert set(young.state[:90].tolist()) == {MachineState.LEARNING}
    assert not (young.severity[:100] > 0).any()
    say(engine, "rollback")
    old = engine.step(readings(table[2900:3000], 2900))
    assert (old.severity > 0).mean() > 0.9
    assert engine.incident(0).number > number


def test_a_frozen_machine_learns_nothing_until_it_is_resumed():
    table = life()
    engine, _ = live(table[:1400])
    say(engine, "freeze")
    scores = engine.step(readings(table[1400:1450], 1400))
    assert scores.state[-1] == MachineState.FROZEN
    say(engine, "resume")
    scores = engine.step(readings(table[1450:1490], 1450))
    assert scores.state[-1] == MachineState.READY


@pytest.mark.parametrize(
    ("verb", "argument", "why"),
    [
        ("destroy", "", "no command 'destroy'"),
        ("snooze", "", "needs a duration"),
        ("snooze", "soon", "not a duration"),
        ("normal", "please", "takes no argument"),
        ("ack", "", "no open incident"),
        ("rollback", "", "no baseline"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_changes_nothing(verb, argument, why):
    engine, _ = live(machine_with_modes(60, 3, 1))
    before = restored(engine)
    with pytest.raises(CommandError, match=why):
        say(engine, verb, argument)
    assert same(engine, before)
    with pytest.raises(CommandError, match="no machine"):
        engine.apply(Command("normal", Machine("another")))


@given(payload=st.binary(max_size=200))
def test_any_payload_is_a_command_or_the_one_documented_error(payload):
    try:
        command = read(payload, PRESS, "mqtt", 0)
    except CommandError:
        return
    assert command.machine == PRESS


def test_a_command_comes_as_text_or_as_json():
    assert read(b" label bearing wear\n", PRESS, "mqtt", 7) == Command("label", PRESS, "bearing wear", "", "mqtt", 7)
    written = b'{"command": "ack", "by": "anna"}'
    assert read(written, PRESS, "mqtt", 7) == Command("ack", PRESS, "", "anna", "mqtt", 7)


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1400, 2600), max_size=6), restart=st.booleans())
def test_incidents_are_the_same_whatever_the_batches_and_restarts(cuts, restart):
    table = life(2700, (1500, 1700))
    whole, scores = live(table)
    engine, news = engine_of(4), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 2700], strict=True):
        news += engine.step(readings(table[begin:end], begin)).news
        engine = restored(engine) if restart else engine
    assert tuple(news) == scores.news
    assert same(engine, whole)
