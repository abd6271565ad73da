"""What a machine does every week: the part against its twin, and a machine that is cleaned every Friday."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_routine import HOUR_NS, NaiveRoutine
from test_rhythm import MONDAY, engine_of, rows_of, scores

from pipeline.network._core import ffi, lib
from pipeline.network.binding import in_c
from pipeline.network.parameters import Params, Routine

MINUTE_NS = HOUR_NS // 60
WEEK = 168  # hours
PARAMS = in_c(Params())


def step(machine, time_ns, size, due=False, frozen=False):
    """What an alarm of this size is divided by."""
    return lib.sw_routine_step(
        ffi.addressof(PARAMS, "routine"), machine, frozen, time_ns // HOUR_NS, time_ns, size, due
    )


def weeks_with_an_alarm(count, size=2.0, hours=2, hour=110):
    """A machine that had such an alarm in the same hour of so many weeks, and when the next one is due."""
    machine = ffi.new("struct sw_routine *")
    for week in range(count):
        begin = MONDAY + (week * WEEK + hour) * HOUR_NS
        for minute in range(0, 60 * hours + 1, 10):
            step(machine, begin + minute * MINUTE_NS, size)
        step(machine, begin + (hours + 3) * HOUR_NS, 0.0)
    return machine, MONDAY + (count * WEEK + hour) * HOUR_NS


ROWS = st.tuples(
    st.integers(1, 600) | st.integers(9_000, 11_000),  # minutes since the row before
    st.sampled_from([0.0, 0.5, 1.0, 1.3, 2.0, 9.0, 60.0]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(ROWS, max_size=60))
def test_the_routine_equals_its_naive_twin(rows):
    machine, twin, time_ns = ffi.new("struct sw_routine *"), NaiveRoutine(), MONDAY
    for minutes, size, due, frozen in rows:
        time_ns += minutes * MINUTE_NS
        told = step(machine, time_ns, size, due, frozen)
        assert told == pytest.approx(twin.step(time_ns // HOUR_NS, time_ns, size, due, frozen), rel=1e-9)


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_an_alarm_that_came_in_this_hour_of_last_week_and_ended_by_itself_is_allowed_once_more(off):
    machine, due_ns = weeks_with_an_alarm(1)
    assert step(machine, due_ns + off * HOUR_NS, 2.0) == pytest.approx(3.0)


def test_at_another_time_of_the_week_it_is_told_in_full():
    machine, due_ns = weeks_with_an_alarm(3)
    assert step(machine, due_ns - 24 * HOUR_NS, 2.0) == 1.0


def test_one_that_is_much_larger_or_lasts_much_longer_is_still_an_alarm():
    machine, due_ns = weeks_with_an_alarm(3, size=2.0, hours=2)
    told = [step(machine, due_ns + half * HOUR_NS // 2, 4.0) for half in range(16)]
    assert 4.0 / told[0] > 1.0, "larger"
    assert told[10] == told[0] > 1.0
    assert told[12:] == [1.0] * 4, "longer"


def test_what_lasts_for_days_or_was_accepted_is_not_remembered():
    held, due_ns = weeks_with_an_alarm(1, hours=80)
    assert step(held, due_ns, 2.0) == 1.0
    machine = ffi.new("struct sw_routine *")
    step(machine, MONDAY, 2.0)
    lib.sw_routine_accept(machine)
    step(machine, MONDAY + 10 * HOUR_NS, 0.0)
    assert step(machine, MONDAY + WEEK * HOUR_NS, 2.0) == 1.0


def test_what_does_not_return_is_forgotten():
    allowed = []
    for weeks in (0, 1, 4, 12):
        machine, due_ns = weeks_with_an_alarm(1)
        allowed.append(step(machine, due_ns + weeks * WEEK * HOUR_NS, 2.0))
    assert allowed == sorted(allowed, reverse=True)
    assert allowed[0] == pytest.approx(3.0)
    assert allowed[-1] == 1.0


def cleaned_on_fridays(weeks=9):
    """Three sensors, a row a quarter of an hour; one of them is off for two hours on Fridays from 14:00."""
    rng = np.random.default_rng(5)
    hours = np.arange(weeks * WEEK * 4) / 4
    load = np.sin(2 * np.pi * hours / 5.3) + np.repeat(rng.normal(0, 1, len(hours) // 12), 12)
    values = 50.0 + load[:, None] * [3.0, -2.0, 4.0] + rng.normal(0, 0.5, (len(hours), 3))
    cleaned = (hours % WEEK >= 4 * 24 + 14) & (hours % WEEK < 4 * 24 + 16)
    values[cleaned, 1] += 12.0
    return MONDAY + (hours * HOUR_NS).astype(np.int64), values, cleaned


def test_a_cleaning_every_friday_is_an_alarm_at_first_and_later_none_while_the_same_on_a_tuesday_stays_one():
    time_ns, values, cleaned = cleaned_on_fridays()
    tuesday = (8 * WEEK + 38) * 4
    values[tuesday : tuesday + 8, 1] += 12.0
    never = Params()._replace(routine=Routine(more=0.0, due=0.0))
    without = scores(time_ns, values, engine=engine_of(3, params=never))[0] >= 0.99
    alarm, week = scores(time_ns, values)[0] >= 0.99, np.arange(len(values)) // (WEEK * 4)
    assert alarm[cleaned & (week == 0)].any()
    assert without[cleaned & (week >= 2)].any()
    assert not alarm[cleaned & (week >= 2)].any()
    assert alarm[tuesday : tuesday + 8].sum() >= 4


def test_the_sensors_of_an_alarm_that_is_routine_say_no_more_than_their_machine():
    time_ns, values, cleaned = cleaned_on_fridays()
    never = Params()._replace(routine=Routine(more=0.0, due=0.0))
    said, without = (engine_of(3, params=params).step(rows_of(time_ns, values)) for params in (Params(), never))
    rows = np.flatnonzero(cleaned & (without.score >= 0.99) & (said.score < 0.99))
    assert len(rows)
    for row in rows:
        account = slice(*said.until[row - 1 : row + 1])
        assert (said.account["level"][account] < 1.0).all()
        assert (said.account["level"][account] <= without.account["level"][account]).all()


def test_a_lone_sensor_and_a_machine_of_hourly_rows_have_no_part_in_it():
    time_ns, values, _ = cleaned_on_fridays(5)
    for of_time, of_values in ((time_ns, values[:, 1:2]), (time_ns[::4], values[::4])):
        engine = engine_of(of_values.shape[1])
        engine.step(rows_of(of_time, of_values))
        assert not engine.fleet.block(0).machine["routine"]["week"]["size"].any()
