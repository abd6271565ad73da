"""The rhythm of day and week: its twin, and what it is for."""

import naive
import naive_rhythm
import numpy as np
import pytest
from inside import double_precision

from pipeline.config.calendars import calendar_of
from pipeline.config.settings import Limits
from pipeline.engine.engine import Engine
from pipeline.network.calendar import Calendar, in_c
from pipeline.records import Machine, Readings

HOUR_NS = 3_600_000_000_000
MONDAY = 1_704_067_200_000_000_000  # 2024-01-01


def days(count, per_hour, seed, lines=1):
    """Times and values of a machine with one shift from Monday to Friday."""
    rng = np.random.default_rng(seed)
    n = count * 24 * per_hour
    hours = np.arange(n) / per_hour
    on = (hours % 24 >= 6) & (hours % 24 < 17) & (hours // 24 % 7 < 5)
    values = 20.0 + 10.0 * on[:, None] * rng.uniform(0.5, 2.0, lines) + rng.normal(0, 0.7, (n, lines))
    return MONDAY + np.arange(n) * (HOUR_NS // per_hour), values


def engine_of(lines, calendar=None, engine=Engine, **settings):
    made = engine(calendars=lambda name: calendar, **settings)
    for number in range(lines):
        made.fleet.number(Machine("m"), f"s{number}")
    return made


def rows_of(time_ns, values):
    n, lines = values.shape
    ends = np.tile(np.arange(lines) == lines - 1, n)
    column = np.tile(np.arange(lines), n)
    return Readings(np.zeros(n * lines, np.int64), column, np.repeat(time_ns, lines), values.ravel(), ends)


def scores(time_ns, values, calendar=None, batch=500, engine=None):
    made = engine or engine_of(values.shape[1], calendar)
    said = [made.step(rows_of(time_ns[k : k + batch], values[k : k + batch])) for k in range(0, len(values), batch)]
    return np.concatenate([one.score for one in said]), made


@pytest.mark.parametrize("lines", [1, 3])
def test_the_rhythm_equals_its_naive_twin(lines):
    time_ns, values = days(38, 4, lines, lines)
    values[30 * 96 + 4 : 30 * 96 + 16] += 10.0  # runs at night
    holiday = MONDAY // HOUR_NS // 24 + 22
    calendar = Calendar((0,), (2 * HOUR_NS,), (holiday,))
    precise = double_precision()
    engine = engine_of(lines, None, precise.Engine)
    columns = in_c(calendar).columns  # the other build has a record of its own
    kept = precise.ffi.new("struct sw_calendar *", {"spans": 1, "rests": 1})
    for name, column in zip(("begin_ns", "offset_ns", "rest"), columns, strict=True):
        setattr(kept, name, precise.ffi.from_buffer("int64_t[]", column))
    engine.fleet.core._calendars[0] = int(precise.ffi.cast("uintptr_t", kept))
    week = naive_rhythm.Week(lines, 2, frozenset({holiday}))
    twin = [naive_rhythm.Line(week) for _ in range(lines)]
    dendrite = naive.Dendrite.among(lines, context=False)
    first, unit, most, heard = values[0].copy(), np.zeros(lines), 0.0, 0
    for k in range(len(values)):
        account = engine.step(rows_of(time_ns[k : k + 1], values[k : k + 1])).account
        for number, line in enumerate(twin):
            moved = values[k, number] - first[number]
            if unit[number] == 0.0 and moved != 0.0:
                unit[number] = 2.0 ** np.floor(np.log2(abs(moved)))
            week.lines = lines if k else number + 1
            line.step(int(time_ns[k]), 0.25 if k else 0.0, moved / unit[number] if unit[number] else 0.0)
            if k >= 100:
                said = dendrite.step(account["rarity"][number].tolist(), line.rarity())
                assert account["dendrite"][number] == pytest.approx(said, rel=1e-9), k
                assert abs(account["rhythm"][number]) == pytest.approx(line.level_of_alarm(), rel=1e-9), k
                heard += line.rarity() is not None
        if k % 7 == 0:
            own = engine.fleet.block(0).line["rhythm"]
            for number, line in enumerate(twin):
                for name in ("common", "drift", "plain", "off", "off_plain", "z", "slow", "wide", "wide_slow"):
                    assert own[name][number] == pytest.approx(getattr(line, name), rel=1e-9, abs=1e-9), (k, name)
                for name in ("predicted", "known", "sure"):
                    assert own[name][number] == getattr(line, name), (k, name)
                most = max(most, line.level_of_alarm())
    assert most > 1.0
    assert heard > 1000


def test_what_runs_at_night_is_in_alarm_until_it_stops():
    night = slice(30 * 288 + 12, 30 * 288 + 60)  # from one to five
    before, after = [], []
    for seed in range(5, 9):
        time_ns, values = days(38, 12, seed)
        values[night] += 12.0
        score, _ = scores(time_ns, values)
        assert (score[night] >= 0.99).mean() > 0.75
        before.append(score[21 * 288 : night.start] >= 0.99)
        after.append(score[night.stop + 20 : night.stop + 288] >= 0.99)
    assert np.mean(before) < 0.002
    assert np.mean(after) < 0.002, "a chance alarm at most, in four days"


def test_a_holiday_that_the_calendar_knows_is_a_day_of_rest():
    time_ns, values = days(38, 12, 6)
    rest = slice(29 * 288, 30 * 288)
    values[rest] = 20.0 + np.random.default_rng(6).normal(0, 0.7, (288, 1))
    unknown, _ = scores(time_ns, values)
    known, _ = scores(time_ns, values, calendar_of("UTC", ("2024-01-30",)))
    assert (unknown[rest] >= 0.99).sum() > 20
    assert (known[rest] >= 0.99).sum() == 0


def test_summer_time_is_no_fault_where_the_zone_is_known():
    zone = calendar_of("Europe/Berlin", ())
    start = 1_709_510_400_000_000_000 - HOUR_NS  # Monday 2024-03-04, midnight in Berlin; summer on the 31st
    rng, n = np.random.default_rng(7), 45 * 288
    time_ns = start + np.arange(n) * (HOUR_NS // 12)
    hours = np.arange(n) / 12 + (time_ns >= 1_711_846_800_000_000_000)
    values = 20.0 + 10.0 * ((hours % 24 >= 6) & (hours % 24 < 17))[:, None] + rng.normal(0, 0.7, (n, 1))
    _, here = scores(time_ns, values, zone)
    _, there = scores(time_ns, values)
    one, other = here.fleet.block(0), there.fleet.block(0)
    assert int(one.machine["rhythm"]["hour"]) - int(other.machine["rhythm"]["hour"]) == 2
    left = [float(block.line["rhythm"]["off"][0] / block.line["rhythm"]["off_plain"][0]) for block in (one, other)]
    assert left[0] <= left[1]


def test_batch_borders_and_a_restart_change_nothing():
    time_ns, values = days(24, 12, 8, 2)
    calendar = calendar_of("Asia/Kathmandu", ("2024-01-09",))  # 5 h 45 min
    whole, _ = scores(time_ns, values, calendar)
    pieces, engine = scores(time_ns[:4001], values[:4001], calendar, 37)
    other = Engine(calendars=lambda name: calendar, limits=Limits())
    other.fleet.restore(engine.fleet.snapshot())
    rest, _ = scores(time_ns[4001:], values[4001:], calendar, 61, other)
    assert np.array_equal(whole, np.concatenate([pieces, rest]))


def test_what_has_no_rhythm_is_not_asked():
    rng = np.random.default_rng(9)
    values = np.cumsum(rng.normal(size=(30 * 96, 1)), axis=0) * 0.1
    _, engine = scores(MONDAY + np.arange(30 * 96) * (HOUR_NS // 4), values)
    assert not engine.fleet.block(0).line["rhythm"]["sure"][0]


def test_a_shift_of_friday_evening_off_is_learned():
    time_ns, values = days(45, 12, 10)
    hours = np.arange(len(values)) / 12
    week = hours % 168
    on = (week >= 6) & (week < 4 * 24 + 18)  # from Monday morning to Friday evening
    values = 20.0 + 10.0 * on[:, None] + np.random.default_rng(10).normal(0, 0.7, values.shape)
    score, _ = scores(time_ns, values)
    friday = (week >= 4 * 24 + 18) & (week < 5 * 24) & (hours >= 3 * 168)
    assert (score[friday] >= 0.99).mean() < 0.02


def test_a_night_that_is_said_to_be_normal_is_no_alarm_any_more():
    time_ns, values = days(38, 12, 5)
    begin = 30 * 288
    values[begin + 12 : begin + 60] += 12.0  # from one to five
    engine = engine_of(1)
    first, rest = slice(0, begin + 30), slice(begin + 30, begin + 60)
    assert engine.step(rows_of(time_ns[first], values[first])).severity[-1] > 0
    engine.normal(0)
    assert not engine.step(rows_of(time_ns[rest], values[rest])).severity.any()
