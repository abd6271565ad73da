"""What became of a point: stored, buried, waiting or counted as dropped, in whatever order things happen."""

import itertools
import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.records import Point
from pipeline.sinks import Refused, Unreachable
from pipeline.sinks.delivery import MOST_RANGES, Delivery
from pipeline.storage.journal import Journal
from pipeline.storage.progress import minus, remember, remembered, union

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Database:
    """A target that keeps what it stores, once for each series and time, and has moods."""

    def __init__(self):
        self.mood = "ok"
        self.stored = {}
        self.requests = 0
        self.meanwhile = lambda: None  # something that happens while a write is under way

    def write(self, points):
        self.requests += 1
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        kinds = {point.measurement for point in points}
        if self.mood == "away" or (self.mood == "breaks off" and self.requests % 3 == 0):
            raise Unreachable("away")
        if self.mood == "wrong" or (self.mood == "turns wrong" and self.requests > 4):
            raise Refused("400 a plain request was sent to a TLS port")
        if self.mood in kinds:
            raise Refused(f"400 field type conflict in {self.mood}")
        if any(point.fields.get("score") == "bad" for point in points):
            raise Refused("400 a bad point")
        self.stored |= {(point.measurement, point.time_ns): point for point in points}
        if self.mood == "stores and says nothing":
            raise Unreachable("read timed out")

    def close(self):
        pass


class Plant:
    """Journal, delivery and database, and what was counted in all lives."""

    def __init__(self, folder, outbox_bytes=2 << 30, reserve_bytes=0):
        self.path, self.limits = folder / "journal.sqlite", (outbox_bytes, reserve_bytes)
        self.database, self.now, self.made = Database(), 0.0, 0
        self.buried, self.accepted, self.dropped = {}, 0, 0
        self.start()

    def start(self):
        self.journal = Journal(self.path, *self.limits)
        self.delivery = Delivery(
            self.path, self.database, self.bury, 1_000.0, jitter=lambda: 1.0, clock=lambda: self.now
        )

    def bury(self, reason, point):
        self.buried[point.measurement, point.time_ns] = reason

    def points(self, count, kind="machine", bad=()):
        first, self.made = self.made, self.made + count
        return [
            Point(
                kind,
                (("machine", f"m{n % 7}"),),
                {"score": "bad" if n - first in bad else n * 0.37},
                START + n * SECOND,
            )
            for n in range(first, self.made)
        ]

    def commit(self, *groups):
        """One batch of points, with what the delivery says."""
        with self.delivery.lock:
            progress = self.delivery.progress
            self.journal.commit(None, points=[point for group in groups for point in group], progress=progress)
            self.delivery.settled(progress)

    def step(self, mood="ok"):
        self.database.mood, self.database.requests = mood, 0
        self.now += 10.0
        return self.delivery.step()

    def make_room(self):
        with self.delivery.lock:
            progress = self.delivery.progress
            self.journal.make_room(0, progress, [])
            self.delivery.settled(progress)

    def evict(self):
        """So many new points that all older ones have to go."""
        for _ in range(8):
            self.commit(self.points(10))

    def end(self):
        """As after a kill, unless `commit` went before."""
        self.accepted += self.journal.figures.accepted
        self.dropped += self.journal.figures.dropped
        self.delivery.close()
        self.journal.close()

    def damage(self, which):
        """Damage a waiting batch of which it is known whether it is stored, and mend the file."""
        rows = [number for (number,) in self.journal._database.execute("SELECT id FROM outbox")]
        unsure = self.delivery._unsure
        known = [number for number in rows if not any(above < number <= upto for above, upto in unsure)]
        if not known:
            return
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("UPDATE outbox SET checksum = checksum + 1 WHERE id = ?", (known[which % len(known)],))
        other.close()
        with self.delivery.lock:
            progress = self.delivery.progress
            self.journal.salvage("as a reader found", progress)
            self.delivery.settled(progress)

    def empty(self):
        """Deliver everything; points of each kind that can be taken come last."""
        self.commit(self.points(1), self.points(1, "sensor"))
        for _ in range(200):
            self.step()
            self.commit()
            if not self.journal.figures.waiting:
                return
        raise AssertionError(
            f"{self.journal.figures.waiting} still wait: {self.delivery._todo} {self.delivery.trouble}"
        )

    def missing(self):
        accepted = self.accepted + self.journal.figures.accepted
        gone = set(self.database.stored) | set(self.buried)
        return accepted - len(gone) - self.journal.figures.waiting


MOODS = ["ok", "away", "stores and says nothing", "wrong", "turns wrong", "machine", "breaks off"]
ACTS = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 12), st.sets(st.integers(0, 11), max_size=2)),
    st.tuples(st.just("step"), st.sampled_from(MOODS)),
    st.tuples(st.just("evict while offered"), st.sampled_from(MOODS)),
    st.tuples(st.sampled_from(["evict", "settle", "restart", "kill", "disk full"])),
    st.tuples(st.just("damage"), st.integers(0, 20)),
)


@settings(max_examples=150)
@given(st.lists(ACTS, max_size=25))
@example([("commit", 9, set()), ("evict while offered", "ok")])
@example([("commit", 9, set()), ("step", "stores and says nothing"), ("kill",), ("evict",)])
@example([("commit", 9, set()), ("step", "ok"), ("kill",), ("evict",)])
@example([("commit", 9, set()), ("step", "machine"), ("kill",), ("evict",)])
@example([("commit", 9, set()), ("step", "ok"), ("damage", 0)])
@example([("evict",), ("step", "stores and says nothing"), ("commit", 1, set()), ("step", "wrong"), ("evict",)])
@example([("evict while offered", "ok"), ("commit", 7, {0}), ("step", "turns wrong"), ("evict",)])
def test_the_counter_of_dropped_points_is_what_is_missing_in_every_order_of_events(tmp_path_factory, acts):
    plant = Plant(tmp_path_factory.mktemp("order"), outbox_bytes=2_000)
    for what, *details in acts:
        if what == "commit":
            count, bad = details
            plant.commit(plant.points(count, bad=bad), plant.points(2, "sensor"))
        elif what == "step":
            plant.step(*details)
        elif what == "evict while offered":
            plant.database.meanwhile = plant.evict
            plant.step(*details)
        elif what == "evict":
            plant.evict()
        elif what == "settle":
            plant.commit()
        elif what == "disk full":
            plant.make_room()
        elif what == "damage":
            plant.damage(*details)
        else:
            if what == "restart":
                plant.commit()
            plant.end()
            plant.start()
    plant.empty()
    assert plant.missing() == plant.dropped + plant.journal.figures.dropped
    plant.end()


def test_points_on_their_way_are_not_evicted_and_nothing_is_counted_twice(tmp_path):
    plant = Plant(tmp_path, outbox_bytes=2_000)
    first = plant.points(40)
    plant.commit(first)
    plant.database.meanwhile = plant.evict
    plant.step()
    assert plant.journal.figures.dropped > 0
    assert {("machine", point.time_ns) for point in first} <= set(plant.database.stored)
    plant.empty()
    assert plant.missing() == plant.journal.figures.dropped
    assert plant.delivery.delivered == plant.journal.figures.accepted - plant.journal.figures.dropped
    plant.end()


def test_where_every_point_of_the_first_batch_is_refused_the_target_is_wrong_and_waited_for(tmp_path, caplog):
    plant = Plant(tmp_path)
    plant.commit(plant.points(4_000), plant.points(50, "sensor"))
    waits = [plant.step("wrong") for _ in range(4)]
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert plant.database.requests < 30, "it is not asked for each point"
    assert "TLS port" in plant.delivery.away
    assert plant.buried == {}
    assert sum("delivery.away" in record.message for record in caplog.records) == 1
    plant.empty()
    assert plant.delivery.trouble is None
    assert len(plant.database.stored) == plant.journal.figures.accepted
    assert (plant.delivery.buried, plant.journal.figures.dropped) == (0, 0)
    plant.end()


def test_a_target_that_becomes_a_wrong_one_buries_nothing_also_in_the_middle_of_a_batch(tmp_path):
    plant = Plant(tmp_path)
    plant.commit(plant.points(100))
    plant.step()
    plant.commit(plant.points(100, bad={50}))
    plant.step("turns wrong")
    plant.commit()
    plant.step("wrong")
    assert plant.buried == {}
    plant.empty()
    assert list(plant.buried) == [("machine", START + 150 * SECOND)]
    assert len(plant.database.stored) == plant.journal.figures.accepted - 1
    plant.end()


def test_a_bad_point_is_buried_where_others_of_its_kind_are_taken_also_long_before(tmp_path):
    plant = Plant(tmp_path)
    plant.commit(plant.points(1))
    plant.step()
    plant.commit(plant.points(1, bad={0}))
    plant.step()
    assert list(plant.buried) == [("machine", START + SECOND)]
    assert plant.delivery.away is None
    plant.end()


def test_a_kind_of_which_no_point_is_taken_waits_and_holds_up_no_other(tmp_path, caplog):
    plant = Plant(tmp_path)
    for _ in range(30):
        plant.commit(plant.points(20), plant.points(5, "sensor"))
        plant.step("machine")
        plant.commit()
    assert sum(kind == "sensor" for kind, _ in plant.database.stored) == 150
    assert sum(kind == "machine" for kind, _ in plant.database.stored) == 0
    assert plant.journal.figures.waiting == 600
    assert plant.buried == {}
    assert "conflict" in plant.delivery.trouble
    assert sum("delivery.held" in record.message for record in caplog.records) == 1
    assert len(plant.delivery._todo) <= MOST_RANGES
    plant.empty()
    assert plant.delivery.trouble is None
    assert len(plant.database.stored) == plant.journal.figures.accepted == plant.delivery.delivered
    plant.end()


def test_a_backlog_that_is_all_too_old_for_the_database_holds_up_nothing_that_is_new(tmp_path):
    plant = Plant(tmp_path)
    for _ in range(3):
        plant.commit(plant.points(5_000, bad=set(range(5_000))))
    plant.step()
    assert plant.delivery.away is not None
    new = plant.points(3)
    plant.commit(new)
    plant.step()
    assert {time_ns for _, time_ns in plant.database.stored} == {point.time_ns for point in new}
    assert plant.delivery.away is None
    plant.empty()
    assert len(plant.buried) == 15_000
    plant.end()


def test_a_limit_never_ratchets_down_where_the_disk_has_less_than_its_reserve(tmp_path, monkeypatch):
    plant = Plant(tmp_path, reserve_bytes=1 << 20)
    monkeypatch.setattr(Journal, "_free", lambda self: 1 << 19)  # little, but the disk takes what is written
    for _ in range(50):
        plant.commit(plant.points(20))
    assert (plant.journal.figures.waiting, plant.journal.figures.dropped) == (1_000, 0)
    plant.empty()
    plant.end()


def test_a_small_batch_never_evicts_a_large_one(tmp_path):
    plant = Plant(tmp_path, outbox_bytes=20_000)
    for _ in range(2):
        plant.commit(plant.points(1_000))
    assert plant.journal.figures.waiting_bytes <= 20_000
    before = plant.journal.figures.waiting
    plant.commit(plant.points(1))
    assert plant.journal.figures.waiting > 0.85 * before > 0.0
    plant.end()


def test_a_full_disk_takes_the_reserve_alone_before_any_point(tmp_path):
    plant = Plant(tmp_path, reserve_bytes=1 << 16)
    for _ in range(100):
        plant.commit(plant.points(10))
    plant.make_room()
    assert plant.journal.figures.dropped == 0
    assert not (tmp_path / "journal.sqlite.reserve").exists()
    for share in (0.9, 0.81, 0.729):
        plant.make_room()
        assert plant.journal.figures.waiting / 1_000 == pytest.approx(share, abs=0.02)
    plant.end()


ranges = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6)


def ids(of):
    return {number for above, upto in of for number in range(above + 1, upto + 1)}


@given(ranges, ranges)
def test_ranges_are_sets_of_ids(tmp_path_factory, one, other):
    assert ids(union(one)) == ids(one)
    assert ids(minus(one, other)) == ids(one) - ids(other)
    joined = union(one)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(joined))
    path = tmp_path_factory.mktemp("ranges") / "offered"
    remember(path, (*joined, (1, 2)))
    remember(path, joined)
    assert remembered(path) == joined
    path.write_bytes(path.read_bytes()[:7])
    assert remembered(path) == ()
