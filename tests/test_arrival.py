"""Times of arrival go forward, whatever the wall clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.mqtt.arrival import SECOND_NS, Arrivals

DAY_NS = 86_400 * SECOND_NS
NOW_NS = 1_717_000_000 * SECOND_NS


def stamps(arrivals, walls, step_ns=SECOND_NS):
    """One message with every read, and a read every second of the monotonic clock."""
    given_out = []
    for number, wall in enumerate(walls):
        arrivals.tick(wall, 50 + number * step_ns)
        given_out.append(arrivals.stamp() - 1)
    return given_out


def seconds(begin_ns, count):
    return [begin_ns + number * SECOND_NS for number in range(count)]


def test_while_the_wall_clock_goes_forward_it_is_the_time_of_arrival():
    walls = seconds(NOW_NS, 100)
    assert stamps(Arrivals(), walls) == walls


def test_a_day_back_runs_on_a_sixteenth_slower_and_is_caught_up_within_sixteen_days():
    arrivals = Arrivals()
    walls = [*seconds(NOW_NS, 10), *seconds(NOW_NS - DAY_NS, 1000)]
    given_out = stamps(arrivals, walls)
    steps = [after - before for before, after in pairwise(given_out[9:])]
    assert set(steps) == {SECOND_NS * 15 // 16 + 1}
    assert 0 < arrivals.ahead_ns < DAY_NS + SECOND_NS
    long = [NOW_NS + 3600 * SECOND_NS * hour for hour in range(17 * 24)]
    again = Arrivals(NOW_NS + DAY_NS)
    late = stamps(again, long, 3600 * SECOND_NS)
    assert late[15 * 24] > long[15 * 24]
    assert late[-20:] == long[-20:]
    assert again.ahead_ns == 0


def test_a_day_forward_is_taken_as_it_is():
    walls = [*seconds(NOW_NS, 5), *seconds(NOW_NS + DAY_NS, 5)]
    assert stamps(Arrivals(), walls) == walls


def test_a_restart_after_a_step_back_goes_on_from_the_newest_time_that_is_known():
    before = stamps(Arrivals(), seconds(NOW_NS, 10))
    known = before[-1] + 1
    after = stamps(Arrivals(known), seconds(NOW_NS - DAY_NS, 10))
    assert known <= after[0] < known + SECOND_NS
    assert after == sorted(set(after))


def test_a_second_is_a_second_however_often_is_read_in_it():
    arrivals = Arrivals(NOW_NS)
    for number in range(100_000):
        arrivals.tick(NOW_NS - DAY_NS, number * 10_000)
    assert abs(arrivals.stamp() - NOW_NS - SECOND_NS * 15 // 16) < 100_000


@given(
    st.integers(0, 2**62),
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, DAY_NS)), min_size=1),
)
def test_no_time_is_given_twice_none_goes_back_and_none_is_behind_the_wall_clock(newest, moments):
    arrivals, last, monotonic = Arrivals(newest), newest, 0
    for wall, passed in moments:
        monotonic += passed
        arrivals.tick(wall, monotonic)
        for _ in range(3):
            now = arrivals.stamp()
            assert now > last
            assert now > wall
            last = now
