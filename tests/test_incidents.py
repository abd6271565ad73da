"""Incidents and what a person says to a machine: one open at most, whatever the batches, and the answer counts."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import SECOND, START, engine_of, live, machine_with_modes, readings, restored, same

from pipeline.config.settings import Alert, MachineRule
from pipeline.engine import incidents
from pipeline.engine.commands import Command, CommandError, read
from pipeline.engine.engine import Engine
from pipeline.engine.scoring import MachineState, Severity
from pipeline.engine.standing import Changes
from pipeline.mqtt.announcements import Announcer
from pipeline.records import Machine, Readings

CORPUS = Path(__file__).parent / "corpus"
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
    engine, _ = live(table[:2200])
    before = engine.step(readings(table[2200:2300], 2200))
    [closed, _] = say(engine, "normal")
    assert closed.fields["phase"] == "close"
    assert closed.fields["reason"] == "normal"
    after = engine.step(readings(table[2300:], 2300))
    assert before.score.min() > 0.99
    assert np.median(after.score) < 0.95
    assert (after.severity > 0).mean() < 0.01


def test_repaired_closes_the_incident_and_rollback_brings_the_old_scores_back():
    table = life()
    engine, _ = live(table[:2200])
    number = engine.incident(0).number
    points = say(engine, "repaired")
    assert [point.fields["reason"] for point in incident_points(points)] == ["repaired"]
    young = engine.step(readings(table[2200:2600], 2200))
    assert set(young.state[:90].tolist()) == {MachineState.LEARNING}
    assert not (young.severity[:100] > 0).any()
    say(engine, "rollback")
    old = engine.step(readings(table[2600:2700], 2600))
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


PATIENCE = 300  # rows, in the tests below
ACCEPTED = 1500 + PATIENCE


def impatient(rule=None, closes="1m"):
    """An engine of a machine of four sensors whose changes are accepted after PATIENCE rows in alarm."""
    rule = rule or MachineRule(alert=Alert(close=closes, accept_after=f"{PATIENCE}s"))
    engine = engine_of(4, rule=lambda name: rule)
    engine.fleet.block(0).machine["evidence"]["patience_ns"] = PATIENCE * SECOND
    return engine


def changed(rows, **options):
    """That engine after its second sensor has changed for good, its whole life, and what was said since."""
    engine, table = impatient(**options), life(6000, (1500, 6000), 12.0)
    engine.step(readings(table[:1500]))
    return engine, table, engine.step(readings(table[1500:rows], 1500))


def test_an_incident_is_unconfirmed_from_the_moment_patience_runs_out_and_closes_as_that():
    engine, _, scores = changed(2400)
    one = [news for news in scores.news if news.incident.number == scores.news[-1].incident.number]
    moment = START + ACCEPTED * SECOND
    assert {news.incident.unconfirmed for news in one if news.time_ns < moment} == {False}
    [told] = [news for news in one if moment <= news.time_ns < moment + 5 * SECOND]
    assert (told.phase, told.incident.unconfirmed, told.reason) == ("update", True, "")
    assert (one[-1].phase, one[-1].incident.unconfirmed, one[-1].reason) == ("close", True, "unconfirmed")
    assert engine.incident(0) is None
    assert engine.changes(0) == Changes(("s1",), one[-1].incident.number, lasting=True)
    assert engine.unsettled().tolist() == [True]
    [update, close] = [point for point in incident_points(engine.points(scores)) if point.fields["unconfirmed"]]
    assert (update.fields["phase"], close.fields["phase"], close.fields["reason"]) == (
        "update",
        "close",
        "unconfirmed",
    )


@pytest.mark.parametrize("answer", [("normal", ""), ("repaired", ""), ("label", "new valve")])
def test_an_answer_settles_an_unconfirmed_incident_also_after_it_has_closed(answer):
    engine, _, scores = changed(2400)
    closed = scores.news[-1]
    [again] = incident_points(say(engine, *answer))
    assert (again.time_ns, dict(again.tags)["id"]) == (closed.time_ns, str(closed.incident.number))
    assert (again.fields["phase"], again.fields["reason"], again.fields["unconfirmed"]) == ("close", answer[0], False)
    assert (again.fields["started"], again.fields["ended"]) == (closed.incident.started_ns, closed.incident.newest_ns)
    assert again.fields["class"] == answer[1]
    assert engine.changes(0) == Changes((), 0, lasting=False)
    assert engine.unsettled().tolist() == [False]
    assert incident_points(say(engine, "normal")) == [], "there is nothing left to answer"


def test_an_answer_settles_an_unconfirmed_incident_while_it_is_open():
    for verb, argument in (("normal", ""), ("repaired", ""), ("rollback", ""), ("label", "new valve")):
        engine, table, _ = changed(1400)
        say(engine, "repaired")  # so that there is something to go back to
        engine.rollback(0)
        engine.fleet.block(0).machine["evidence"]["patience_ns"] = PATIENCE * SECOND
        engine.step(readings(table[1500 : ACCEPTED + 20], 1500))
        number = engine.incident(0).number
        assert engine.incident(0).unconfirmed
        assert engine.changes(0).unconfirmed == number
        [point] = incident_points(say(engine, verb, argument))
        phase = "update" if verb == "label" else "close"
        assert (point.fields["phase"], point.fields["unconfirmed"]) == (phase, False), verb
        assert engine.changes(0).unconfirmed == 0
        if verb == "label":
            assert engine.changes(0).sensors == ("s1",), "which the network goes on saying until it has been quiet"
            later = engine.step(readings(table[ACCEPTED + 20 : 2400], ACCEPTED + 20))
            assert [(news.reason, news.incident.unconfirmed) for news in later.news] == [("calm", False)]
        else:
            assert (point.fields["reason"], engine.incident(0)) == (verb, None)


@pytest.mark.parametrize("answer", [("ack", ""), ("snooze", "1h"), ("freeze", ""), ("resume", "")])
def test_what_is_no_answer_leaves_an_incident_unconfirmed(answer):
    engine, table, _ = changed(ACCEPTED + 20)
    say(engine, *answer)
    assert engine.incident(0).unconfirmed
    assert engine.changes(0).sensors == ("s1",)
    scores = engine.step(readings(table[ACCEPTED + 20 : 2400], ACCEPTED + 20))
    assert next(news.reason for news in scores.news if news.phase == "close") == "unconfirmed"


def test_what_was_said_before_patience_ran_out_is_no_answer_to_that():
    engine, table, _ = changed(1700)
    say(engine, "label", "new valve")
    engine.step(readings(table[1700:2400], 1700))
    number = engine.changes(0).unconfirmed
    [point, _] = say(engine, "label", "new valve")
    assert (dict(point.tags)["id"], point.fields["unconfirmed"]) == (str(number), False)


def test_a_later_incident_does_not_answer_an_unconfirmed_one_and_normal_answers_both():
    engine, table, scores = changed(2400)
    first = scores.news[-1].incident.number
    table[2600:2660, 3] += 25.0
    scores = engine.step(readings(table[2400:2650], 2400))
    second = engine.incident(0)
    assert (second.number, second.unconfirmed, second.sensors[0].sensor) == (first + 1, False, "s3")
    assert engine.changes(0) == Changes(("s1",), first, lasting=True)
    [named] = incident_points(say(engine, "label", "knock"))
    assert dict(named.tags)["id"] == str(second.number)
    assert engine.changes(0).unconfirmed == first
    twin = restored(engine)
    engine.step(readings(table[2650:2900], 2650))
    for one, phase in ((engine, None), (twin, "close")):  # the second has closed, and is still open
        answered, *rest = incident_points(say(one, "normal"))
        assert dict(answered.tags) == {"id": str(first), "machine": "m"}
        assert answered.fields == {"phase": "update", "unconfirmed": False, "reason": "normal"}
        assert [point.fields["phase"] for point in rest] == ([] if phase is None else [phase])
        assert one.changes(0) == Changes((), 0, lasting=False)


def test_where_no_incident_was_open_nothing_is_unconfirmed_and_the_state_says_that_it_changed():
    engine, table, scores = changed(2000, rule=MachineRule(alert=Alert(hold="1h")))
    assert not scores.news
    assert scores.state[-1] == MachineState.CHANGED
    assert engine.changes(0) == Changes(("s1",), 0, lasting=True)
    engine.step(readings(table[2000:2600], 2000))
    assert engine.changes(0) == Changes((), 0, lasting=False)


def test_mqtt_says_of_an_incident_that_it_is_unconfirmed_and_of_the_machine_how_many_sensors_have_changed():
    engine, table, _ = changed(1700)
    scores = engine.step(readings(table[1700 : ACCEPTED + 20], 1700))
    announced = Announcer("spikewatch").of(engine.points(scores), lambda machine: engine.incident(0), SECOND)
    told = {one.topic.rpartition("/")[2]: json.loads(one.payload) for one in announced}
    assert (told["incident"]["phase"], told["incident"]["unconfirmed"]) == ("update", True)
    assert (told["state"]["state"], told["state"]["changed"]) == ("changed", 1)
    assert told["state"]["incident"]["unconfirmed"] is True


def test_a_sensor_that_says_nothing_in_the_row_in_which_patience_runs_out_is_named_too():
    whole, table, _ = changed(2400)
    row, given = np.repeat(np.arange(2400), 4), readings(table[:2400])
    heard = (given.line != 1) | (row < ACCEPTED) | (row > ACCEPTED + 5)
    engine = impatient()
    scores = engine.step(Readings(*(column[heard] for column in given)))
    [update] = [news for news in scores.news if news.incident.unconfirmed and news.phase == "update"]
    assert START + ACCEPTED * SECOND <= update.time_ns <= START + (ACCEPTED + 5) * SECOND
    assert engine.changes(0) == whole.changes(0)
    assert engine.changes(0).sensors == ("s1",)


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1700, 2500), max_size=6), restart=st.booleans())
@example([ACCEPTED, ACCEPTED + 1, ACCEPTED + 2, 1900, 2300], True)
def test_an_unconfirmed_incident_is_the_same_whatever_the_batches_and_restarts(cuts, restart):
    whole, table, scores = changed(2600)
    engine, news = impatient(), []
    news += engine.step(readings(table[:1500])).news[:0]
    for begin, end in itertools.pairwise([1500, *sorted(cuts), 2600]):
        news += engine.step(readings(table[begin:end], begin)).news
        if restart:
            rule = MachineRule(alert=Alert(close="1m", accept_after=f"{PATIENCE}s"))
            other = engine_of(0, rule=lambda name, rule=rule: rule)
            other.fleet.restore(engine.fleet.snapshot())
            engine = other
    assert tuple(news) == scores.news
    assert same(engine, whole)
    assert engine.changes(0) == whole.changes(0)
    assert say(engine, "normal") == say(whole, "normal")


def test_a_snapshot_from_before_there_were_unconfirmed_incidents_has_none():
    other = Engine()
    other.fleet.restore(dict(np.load(CORPUS / "format-6-changed.npz")))
    assert other.changes(0) == Changes((), 0, lasting=False)


def test_an_open_incident_of_a_snapshot_from_before_readings_were_quoted_goes_on_and_quotes_its_next():
    """As `life(size=12.0)` stands after 1,600 rows, but for what that version did not know."""
    table = life(size=12.0)
    engine, _ = live(table[:1600])
    other = Engine()
    other.fleet.restore(dict(np.load(CORPUS / "format-6-open.npz")))
    assert other.incident(0).why == "s1"
    other.step(readings(table[1600:1700], 1600))
    assert other.incident(0).number == engine.incident(0).number
    assert other.incident(0).why.startswith("s1 ")
    assert other.incident(0).sensors[0].direction == "high"


ONE_ROW = st.tuples(
    st.integers(1, 200),  # seconds after the row before
    st.sampled_from([0.1, 0.1, 0.1, 0.5, 0.95, 0.995]),  # score
    st.sampled_from([0, 0, 0, 0, 0, 300]),  # snoozed for so many seconds before the row
)


@example(rows=[(200, 0.995, 0)] * 3 + [(50, 0.1, 0)], hold=0, escalate=400)
@example(rows=[(10, 0.995, 0), (150, 0.1, 100), (150, 0.1, 0)], hold=0, escalate=0)
@given(rows=st.lists(ONE_ROW, max_size=60), hold=st.sampled_from([0, 100]), escalate=st.sampled_from([0, 400]))
def test_a_row_that_is_passed_over_would_have_changed_nothing(rows, hold, escalate):
    each, few = incidents.fresh_machines(1), incidents.fresh_machines(1)
    for machines in (each, few):
        machines.hold_ns[0], machines.close_ns[0] = hold * SECOND, 250 * SECOND
        machines.escalate_ns[0], machines.clear[0] = escalate * SECOND, 0.5
    now = START
    for step, score, snooze in rows:
        for machines in (each, few):
            if snooze and machines.open[0]:
                machines.snoozed_ns[0], machines.acknowledged[0] = now + snooze * SECOND, True
        now += step * SECOND
        severity = int(Severity.WARNING) * (score > 0.9)
        phases = list(incidents.row(each, 0, now, score, severity, False, SECOND))
        if severity or score >= 0.5 or now > incidents.quiet_until(few, 0, SECOND):
            assert list(incidents.row(few, 0, now, score, severity, False, SECOND)) == phases
        else:
            assert phases == []
        for name in incidents.Machines._fields:
            assert getattr(each, name)[0] == getattr(few, name)[0], name
