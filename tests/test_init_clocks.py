"""`spikewatch init`: clocks without a zone, day and month, clocks that are wrong."""

import pytest
from heard import NOW, SECOND, clock, iso, of_all, only, propose, said, understood

ISO = "%Y-%m-%dT%H:%M:%S"
HOUR = 3_600 * SECOND


def stamped(zone: str, written: str, topic: str = "furnace/f1", **also: object):
    return said(topic, lambda at: {"Time": clock(at, zone, written), "temp": 812.5, **also})


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("Europe/Berlin", ISO),
        ("America/Chicago", "%Y-%m-%d %H:%M:%S"),
        ("Asia/Kolkata", "%d.%m.%Y %H:%M:%S"),
        ("Asia/Kathmandu", "%d/%m/%Y %H:%M:%S"),
        ("America/New_York", "%m/%d/%Y %I:%M:%S %p"),
        ("Australia/Sydney", "%Y/%m/%d %H:%M:%S"),
        ("America/St_Johns", "%d-%b-%Y %H:%M:%S"),
        ("Asia/Tokyo", "%Y%m%d%H%M%S"),
    ],
)
def test_a_clock_without_a_zone_is_noticed_and_its_times_are_right(zone, written):
    heard = stamped(zone, written)
    found = propose(heard)
    source = only(found).source
    assert source.time == "Time"
    assert source.time_format == (None if written.startswith("%Y-") else written)
    assert any(f"that of {source.time_zone}" in note for note in only(found).notes)
    assert [one[1:] for one in understood(found, heard)] == [("temp", 812.5, float(number)) for number in range(4)]


def test_the_zone_of_this_computer_is_the_first_that_is_thought_of():
    assert only(propose(stamped("Africa/Cairo", ISO), host_zone="Africa/Cairo")).source.time_zone == "Africa/Cairo"
    assert only(propose(stamped("Europe/Berlin", ISO), host_zone="Africa/Lagos")).source.time_zone == "Europe/Berlin"
    assert only(propose(stamped("Europe/Berlin", ISO), host_zone="of the moon")).source.time_zone == "Europe/Berlin"


def test_a_clock_in_utc_is_proposed_without_a_word():
    for written in (ISO, "%d.%m.%Y %H:%M:%S"):
        one = only(propose(stamped("UTC", written)))
        assert (one.source.time, one.source.time_zone) == ("Time", None)
        assert not [note for note in one.notes if "clock" in note or "zone" in note]


def test_a_format_of_whole_minutes_or_with_fractions_is_noticed():
    for written in ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S,%f", "%m/%d/%Y %I:%M %p"):
        assert only(propose(stamped("UTC", written))).source.time_format == written


def test_where_day_and_month_are_the_same_it_asks_which_comes_first():
    fifth = NOW - 35 * 86_400 * SECOND
    assert clock(fifth, "UTC", "%d.%m.") == "05.05."
    for written, other in (
        ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
        ("%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p"),
    ):
        heard = said("press/p1", lambda at, written=written: {"ts": clock(at, "UTC", written), "x": 1.5}, now=fifth)
        one = only(propose(heard))
        assert one.source.time_format == written
        assert any(written in note and other in note for note in one.notes)


def test_where_they_differ_the_arrival_decides_and_nobody_is_asked():
    one = only(propose(stamped("UTC", "%m/%d/%Y %H:%M:%S")))
    assert one.source.time_format == "%m/%d/%Y %H:%M:%S"
    assert not [note for note in one.notes if "first" in note]


def test_a_clock_that_is_behind_by_no_quarter_is_told_and_kept():
    heard = said("press/p1", lambda at: {"ts": (at - 3 * HOUR - 7 * 60 * SECOND) // SECOND, "x": 1.5})
    one = only(propose(heard))
    assert one.source.time == "ts"
    assert any("3 h 7 min behind" in note for note in one.notes)


@pytest.mark.parametrize(
    "stamp", [lambda at: at // SECOND, lambda at: at / SECOND + 0.25, iso], ids=["number", "fraction", "zone"]
)
def test_a_clock_that_is_ahead_and_has_a_zone_is_not_used(stamp):
    heard = said("press/p1", lambda at: {"ts": stamp(at + 2 * HOUR), "x": 1.5})
    found = propose(heard)
    assert only(found).source.time is None
    assert any("2 h ahead of" in note and "time of arrival is taken" in note for note in only(found).notes)
    assert dict(only(found).reasons) == {"ts": "a time, not a measurement"}
    assert understood(found, heard)[0] == ("p1", "x", 1.5, 0.04)


def test_one_old_message_is_no_clock_of_another_zone():
    one = only(propose(said("press/p1", lambda at: {"ts": clock(at - 5 * HOUR, "UTC", ISO), "x": 1.5}, count=1)))
    assert one.source.time_zone is None


def test_what_the_broker_had_stored_says_nothing_of_the_clock():
    old = said("press/p1", lambda at: {"ts": iso(at - 5 * HOUR), "x": 1.5}, retained=True)
    assert not [note for note in only(propose(old)).notes if "clock" in note]


def test_buffered_data_of_different_ages_is_no_clock_that_is_wrong():
    heard = said("press/p1", lambda at: {"ts": iso(NOW - 86_400 * SECOND + 600 * (at - NOW)), "x": 1.5})
    one = only(propose(heard))
    assert one.source.time == "ts"
    assert not [note for note in one.notes if "clock" in note]


def test_one_clock_of_several_that_is_an_hour_off_is_named():
    right = said("press/p1", lambda at: {"ts": iso(at), "x": 1.5})
    wrong = said("press/p2", lambda at: {"ts": iso(at - HOUR), "x": 1.5})
    assert any("press/p2 is 1 h behind" in note for note in only(propose(of_all(right, wrong))).notes)


def test_the_clocks_of_csv_and_line_protocol_are_looked_at_too():
    heard = said("logger/k1", lambda at: f"time;temp\n{clock(at, 'Europe/Berlin', '%d.%m.%Y %H:%M:%S')};23,5")
    found = propose(heard)
    assert (only(found).source.time_format, only(found).source.time_zone) == ("%d.%m.%Y %H:%M:%S", "Europe/Berlin")
    assert understood(found, heard)[0] == ("k1", "temp", 23.5, 0.0)
    late = propose(said("lines/k1", lambda at: f"oven temp=1 {at - 90 * 60 * SECOND}"))
    assert any("1 h 30 min behind" in note for note in only(late).notes)
    ahead = propose(said("lines/k1", lambda at: f"oven temp=1 {at + 2 * HOUR}"))
    assert ahead.proposals == ()
    assert "4 x time_future" in ahead.left_out["lines/k1"]
    assert "2 h ahead of" in ahead.left_out["lines/k1"]


def test_the_innermost_time_counts_and_those_around_are_found():
    inner = said("k/l1", lambda at: {"timestamp": iso(at), "values": [{"id": "a", "v": 1.5, "t": iso(at - SECOND)}]})
    outer = said("k/l1", lambda at: {"timestamp": iso(at), "values": [{"id": "a", "v": 1.5}, {"id": "b", "v": 2}]})
    assert only(propose(inner)).source.time == "t"
    assert only(propose(outer)).source.time == "timestamp"
    assert understood(propose(outer), outer)[0] == ("l1", "a", 1.5, 0.0)
