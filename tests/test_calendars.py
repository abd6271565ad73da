"""Time zones and holidays of the configuration."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.config.calendars import CalendarError, calendar_of, calendars_of, days_of, offsets
from pipeline.config.checks import CHECKS
from pipeline.config.settings import Config, MachineRule


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_offsets_are_those_of_the_zone(zone):
    begin, offset = offsets(zone)
    own = ZoneInfo(zone)
    for hours in range(0, 24 * 365 * 30, 131):
        at = 946_684_800 + hours * 3600
        known = max((k for k, one in enumerate(begin) if one <= at * 10**9), default=0)
        assert datetime.fromtimestamp(at, UTC).astimezone(own).utcoffset().total_seconds() == offset[known] / 10**9


def test_utc_without_holidays_needs_no_calendar():
    assert calendar_of("UTC", ()) is None


def test_a_zone_changes_its_offset_to_the_second():
    begin, _ = offsets("Europe/Berlin")
    assert 1_711_846_800_000_000_000 in begin  # 2024-03-31 01:00 UTC


def test_dates_are_days_of_rest_in_order():
    assert list(calendar_of("UTC", ("2026-12-25", "2026-12-24", "2026-12-24")).rest) == [20811, 20812]


@pytest.mark.parametrize("text", ["2026-13-01", "24.12.2026", "", "D E", "../x"])
def test_what_is_no_holiday_is_refused_with_what_would_be_right(text):
    with pytest.raises(CalendarError, match="2026-12-24"):
        days_of(text)


def test_a_rule_says_otherwise_than_the_plant():
    rules = (MachineRule("a", time_zone="Asia/Tokyo"), MachineRule("b", holidays=()))
    calendar = calendars_of(Config(machines=rules, time_zone="Europe/Berlin", holidays=("2026-05-01",)))
    assert calendar("a").offset_ns == (9 * 3_600_000_000_000,)
    assert [len(calendar(name).rest) for name in "abc"] == [1, 0, 1]


def test_problems_name_the_key():
    rule = MachineRule(time_zone="Europe/Berln", holidays=("2026-12-24", "31.12."))
    found = dict(CHECKS[MachineRule](rule, {}))
    assert "Europe/Berlin" in found["time_zone"]
    assert set(found) == {"time_zone", "holidays[1]"}
    assert set(dict(CHECKS[Config](Config(time_zone="/etc/passwd"), {}))) == {"time_zone"}
