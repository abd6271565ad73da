"""Journal, outbox, delivery, snapshots and sinks: nothing lost, nothing twice, nobody stopped by a bad point."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Machine, Point, Readings
from pipeline.sinks import SINKS, Refused, Unreachable
from pipeline.sinks.delivery import Delivery
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.influxdb import InfluxV1, InfluxV2
from pipeline.sinks.lines import line
from pipeline.storage.journal import Dead, Journal
from pipeline.storage.journal_file import schema_of
from pipeline.storage.outbox import Outbox
from pipeline.storage.progress import Progress
from pipeline.storage.snapshots import GENERATIONS, Snapshots
from pipeline.storage.sqlite_files import is_full

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def readings(n=3, start=0):
    return Readings(
        np.zeros(n, np.int64),
        np.arange(n),
        np.full(n, START + start),
        np.linspace(-1.5, 1e100, n),
        np.arange(n) == n - 1,
    )


def points(n=3, start=0, machine="press 1"):
    tags = (("machine", machine), ("site", "north"))
    return [
        Point("machine", tags, {"score": 0.5 + i, "severity": 1, "cause": 'a "b"'}, START + (start + i) * SECOND)
        for i in range(n)
    ]


def journal_at(tmp_path, **options):
    return Journal(tmp_path / "journal.sqlite", **options)


def test_a_batch_comes_back_as_it_was_committed(tmp_path):
    journal = journal_at(tmp_path)
    machine = Machine("press-1", (("site", "north"),))
    journal.commit(readings(), [(0, machine)], [(0, 0, "a"), (1, 0, "b"), (2, 0, "c")], points())
    journal.close()
    again = journal_at(tmp_path)
    assert again.machines() == {0: machine}
    assert again.lines() == {0: (0, "a"), 1: (0, "b"), 2: (0, "c")}
    [(sequence, rows)] = list(again.replay(0))
    assert sequence == 1
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(rows, readings(), strict=True))
    outbox = Outbox(tmp_path / "journal.sqlite")
    assert outbox.peek(0, 100) == [(1, points())]
    outbox.close()
    again.close()


def test_what_decoding_has_to_know_is_replaced_removed_and_there_after_a_restart(tmp_path):
    journal = journal_at(tmp_path)
    journal.commit(readings(), kept={"a": b"1", "b": b"2", "c": b"3"})
    journal.commit(None, kept={"a": b"4", "b": b"", "never": b""})
    journal.close()
    again = journal_at(tmp_path)
    assert again.kept() == {"a": b"4", "c": b"3"}
    again.salvage("to see whether it comes along")
    assert again.kept() == {"a": b"4", "c": b"3"}
    again.close()


def test_what_decoding_has_to_know_is_committed_with_its_batch_or_not_at_all(tmp_path):
    journal = journal_at(tmp_path)
    journal.commit(readings(), kept={"a": b"1"})
    with pytest.raises(sqlite3.Error):
        journal.commit(readings(), [(0, Machine("x")), (0, Machine("y"))], kept={"a": b"2"})
    assert journal.kept() == {"a": b"1"}
    journal.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_journal_of_an_earlier_version_gets_the_tables_that_have_come_since(tmp_path, version):
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    for statement in schema_of(version).values():
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.close()
    journal = journal_at(tmp_path)
    journal.commit(readings(), kept={"a": b"1"})
    assert journal.kept() == {"a": b"1"}
    journal.close()
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_commit_that_fails_leaves_nothing_of_its_batch(tmp_path):
    journal = journal_at(tmp_path)
    journal.commit(readings(), [(0, Machine("m"))], [], points())
    with pytest.raises(sqlite3.IntegrityError):
        journal.commit(readings(), [], [(0, 0, "a"), (0, 0, "again")], points(2, 10))
    assert len(list(journal.replay(0))) == 1
    assert journal.lines() == {}
    assert journal.figures.waiting == 3
    journal.close()


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_storage import journal_at, points, readings
from pathlib import Path
journal = journal_at(Path({folder!r}))
for number in range(100_000):
    journal.commit(readings(50, number), [], [(number, 0, "s")], points(20, number))
    print(number, flush=True)
"""


def test_killed_in_the_middle_of_writing_only_whole_batches_are_there(tmp_path):
    code = WRITER.format(tests=os.path.dirname(__file__), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        committed = -1
        for text in child.stdout:
            committed = int(text)
            if committed >= 40:
                break
        child.send_signal(signal.SIGKILL)
    journal = journal_at(tmp_path)
    batches = list(journal.replay(0))
    outbox = Outbox(tmp_path / "journal.sqlite")
    waiting = outbox.peek(0, 10**9)
    assert len(batches) == len(journal.lines()) == len(waiting) >= committed + 1
    assert all(len(rows.line) == 50 for _, rows in batches)
    assert journal.figures.waiting == 20 * len(batches)
    outbox.close()
    journal.close()


def test_a_full_outbox_drops_its_oldest_batches_and_counts_them(tmp_path):
    journal = journal_at(tmp_path, outbox_bytes=500)
    for number in range(20):
        journal.commit(None, points=points(4, number * 4))
        assert journal.figures.waiting_bytes <= 500
    assert journal.figures.waiting + journal.figures.dropped == 80
    assert 8 <= journal.figures.waiting < 40
    outbox = Outbox(tmp_path / "journal.sqlite")
    kept = [point for _, batch in outbox.peek(0, 100) for point in batch]
    assert [point.time_ns for point in kept] == [point.time_ns for point in points(80)[-len(kept) :]]
    assert len(kept) == journal.figures.waiting
    outbox.close()
    journal.close()


def test_a_full_disk_takes_the_reserve_and_the_oldest_points_and_counts_them(tmp_path):
    journal = journal_at(tmp_path, reserve_bytes=1 << 20)
    assert (tmp_path / "journal.sqlite.reserve").stat().st_size == 1 << 20
    noise = np.random.default_rng(0)

    def fill(batches):
        for _ in range(batches):
            tags = (("machine", noise.bytes(2_000).hex()),)  # of which nothing can be compressed away
            journal.commit(readings(3), points=[Point("machine", tags, {"score": 0.5}, START)], seen=b"123456")

    fill(100)
    [(pages,)] = journal._database.execute("PRAGMA page_count")
    journal._database.execute(f"PRAGMA max_page_count = {pages}")  # from here on there is no room
    with pytest.raises(sqlite3.OperationalError) as full:
        fill(10)
    assert is_full(full.value, journal.path)
    assert journal.make_room(50, Progress(), [])
    assert not (tmp_path / "journal.sqlite.reserve").exists()
    assert next(journal.replay(50))[0] == 51
    assert journal.figures.dropped == 0, "first what a snapshot covers"
    assert journal.make_room(50, Progress(), [])
    fill(5)
    assert 0 < journal.figures.dropped < 20
    assert journal.figures.accepted == journal.figures.dropped + journal.figures.waiting
    outbox = Outbox(journal.path)
    assert len(outbox.peek(0, 1_000)) == journal.figures.waiting
    outbox.close()
    journal.close()


def test_a_full_disk_takes_what_is_delivered_before_what_is_not(tmp_path):
    journal = journal_at(tmp_path)
    for number in range(20):
        journal.commit(None, points=points(3, 3 * number))
    refused = Dead("bad", "machine", b"{}")
    assert journal.make_room(0, Progress(((0, 15),)), [refused])
    assert (journal.figures.dropped, journal.figures.waiting) == (0, 15)
    assert journal.dead() == [refused]
    assert journal.make_room(0, Progress(((0, 15),)), [])
    assert 0 < journal.figures.dropped < 15
    everything = Progress(((0, 20),))
    assert not (journal.make_room(0, everything, []) and journal.make_room(0, everything, []))
    journal.close()


def test_a_file_that_is_no_database_is_set_aside_by_name_and_a_new_one_begun(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    journal = Journal(path)
    journal.commit(readings())
    journal.close()
    assert (tmp_path / "journal.sqlite.corrupt-1").read_bytes().startswith(b"this is no database")


def test_batches_whose_messages_cannot_come_again_leave_a_bounded_number_of_entries(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.storage.journal.SEEN_BYTES", 20 * 6)
    journal = journal_at(tmp_path)
    for start in range(50):
        journal.commit(readings(start=start), arrived_ns=1_000 + start)
    journal.prune(50)
    assert journal.arrived_ns() == 1_049
    journal.close()
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    assert database.execute("SELECT count(*) FROM commits").fetchall() == [(20,)]
    database.close()


def test_delivered_points_leave_the_outbox_with_the_next_commit(tmp_path):
    journal = journal_at(tmp_path)
    journal.commit(None, points=points(2))
    journal.commit(None, points=points(3))
    journal.commit(None, progress=Progress(((0, 1),)))
    assert journal.figures.waiting == 3
    journal.commit(None, progress=Progress(((0, 2),)))
    assert journal.figures.waiting == 0
    journal.close()


class Flaky:
    """A sink that is away for so many writes, and refuses points with a cause `bad`."""

    def __init__(self, away=0):
        self.away = away
        self.stored = []

    def write(self, batch):
        if self.away:
            self.away -= 1
            raise Unreachable("not now")
        if any(point.fields["cause"] == "bad" for point in batch):
            raise Refused("a bad point")
        self.stored += batch

    def close(self):
        pass


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), max_size=6), st.integers(0, 3))
def test_accepted_means_delivered_or_counted(tmp_path_factory, plan, away):
    folder = tmp_path_factory.mktemp("outbox")
    journal = journal_at(folder)
    good, bad = [], []
    for number, batch in enumerate(plan):
        made = [
            point if fine else point._replace(fields={"cause": "bad"})
            for point, fine in zip(points(len(batch), 10 * number), batch, strict=True)
        ]
        good += [point for point in made if point.fields["cause"] != "bad"]
        bad += [point for point in made if point.fields["cause"] == "bad"]
        journal.commit(None, points=made)
    good += points(1, 1_000)  # without one that is taken, nothing could be said of the others
    journal.commit(None, points=good[-1:])
    sink, dead = Flaky(away), []
    delivery = Delivery(folder / "journal.sqlite", sink, lambda reason, point: dead.append(point), jitter=lambda: 1.0)
    for _ in range(10):
        delivery.step()
    held = {(point.measurement, point.tags, point.time_ns): point.fields for point in sink.stored}
    assert held == {(point.measurement, point.tags, point.time_ns): point.fields for point in good}, (
        "as a database has it"
    )
    assert dead == bad
    assert (delivery.delivered, delivery.buried) == (len(good), len(bad))
    delivery.close()
    journal.close()


def test_the_wait_for_a_database_doubles_up_to_a_minute_and_starts_anew_when_it_is_back(tmp_path, caplog):
    journal = journal_at(tmp_path)
    journal.commit(None, points=points())
    sink = Flaky(away=10)
    delivery = Delivery(tmp_path / "journal.sqlite", sink, lambda *_: None, jitter=lambda: 1.0)
    assert [delivery.step() for _ in range(10)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delivery.step() == 0.0
    journal.commit(None, points=points(1, 50))
    sink.away = 1
    assert delivery.step() == 0.5
    assert sum("delivery.away" in record.message for record in caplog.records) == 2
    delivery.close()
    journal.close()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_after_an_outage_new_points_go_first_and_the_backlog_follows_at_its_rate(tmp_path):
    journal = journal_at(tmp_path)
    batches = [points(2_000, 2_000 * number) for number in range(12)]
    sink, clock = Flaky(away=3), Clock()
    delivery = Delivery(journal.path, sink, lambda *_: None, backlog_rate=1_000, jitter=lambda: 1.0, clock=clock)
    for batch in batches[:10]:
        journal.commit(None, points=batch)
        if sink.away:
            assert delivery.step() > 0.0
    assert delivery.step() == 0.0  # it is back, and takes what waits longest
    journal.commit(None, points=batches[10])
    assert delivery.step() == 0.0
    assert sink.stored[-2_000:] == batches[10]
    assert delivery.step() == 0.0  # a piece of the backlog
    assert delivery.step() == 0.2  # not the next one yet: 4,000 points are four seconds
    clock.now += 3.9
    assert 0.0 < delivery.step() <= 0.1 + 1e-9
    journal.commit(None, points=batches[11])
    assert delivery.step() == 0.0
    assert sink.stored[-2_000:] == batches[11]
    while len(sink.stored) < 24_000:
        clock.now += 1.0
        delivery.step()
    assert sorted(point.time_ns for point in sink.stored) == [point.time_ns for batch in batches for point in batch]
    assert delivery.done == ((0, 12),)
    assert delivery.delivered == 24_000
    delivery.close()
    journal.close()


@given(st.lists(st.sampled_from(["commit", "fail", "step", "settle", "wait"]), max_size=60))
def test_every_point_is_delivered_and_settled_whatever_comes_between(tmp_path_factory, plan):
    journal = journal_at(tmp_path_factory.mktemp("outbox"))
    sink, clock, committed = Flaky(), Clock(), []
    delivery = Delivery(journal.path, sink, lambda *_: None, backlog_rate=5_000, jitter=lambda: 1.0, clock=clock)
    for what in plan:
        if what == "commit":
            batch = points(3_000, len(committed))
            committed += batch
            journal.commit(None, points=batch)
        elif what == "fail":
            sink.away = 1
        elif what == "step":
            delivery.step()
        elif what == "settle":
            journal.commit(None, progress=delivery.progress)
        else:
            clock.now += 1.0
    sink.away = 0
    for _ in range(40):
        clock.now += 10.0
        delivery.step()
        journal.commit(None, progress=delivery.progress)
    assert {point.time_ns for point in sink.stored} == {point.time_ns for point in committed}
    assert journal.figures.waiting == journal.figures.waiting_bytes == 0
    delivery.close()
    journal.close()


def test_a_snapshot_comes_back_and_only_the_newest_generations_are_kept(tmp_path):
    snapshots = Snapshots(tmp_path)
    for sequence in range(1, 6):
        snapshots.write(sequence, {"a.b": np.arange(sequence)})
    assert snapshots.sequences() == [5, 4, 3][:GENERATIONS]
    assert snapshots.read(4)["a.b"].tolist() == [0, 1, 2, 3]


def test_a_generation_leaves_its_blocks_to_the_one_that_comes_so_that_a_full_disk_has_room_for_it(tmp_path):
    snapshots = Snapshots(tmp_path)
    for sequence in range(1, GENERATIONS + 1):
        snapshots.write(sequence, {"a": np.arange(1_000)})
    oldest = (tmp_path / "networks-000000000001.snapshot").stat().st_ino
    snapshots.write(9, {"a": np.arange(10)})
    assert (tmp_path / "networks-000000000009.snapshot").stat().st_ino == oldest
    assert snapshots.read(9)["a"].tolist() == list(range(10))
    assert snapshots.sequences() == [9, 3, 2]


def test_a_broken_snapshot_is_set_aside_by_name(tmp_path):
    snapshots = Snapshots(tmp_path)
    snapshots.write(7, {"a": np.zeros(3)})
    path = next(tmp_path.glob("networks-*.snapshot"))
    path.write_bytes(path.read_bytes()[:100])
    assert snapshots.read(7) is None
    assert snapshots.sequences() == []
    assert next(tmp_path.glob("*.corrupt"))


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
values = st.one_of(st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=10))


@given(names, st.dictionaries(names, names, max_size=3), st.dictionaries(names, values, max_size=3))
def test_a_point_is_one_line_whatever_its_names(measurement, tags, fields):
    text = line(Point(measurement, tuple(sorted(tags.items())), fields, START))
    if text is not None:
        assert text.endswith(f" {START}")
        assert not {"nan", "inf"} & {part.split("=")[-1] for part in text.split(",")}


class Store:
    """A real target, and how to read machines' scores back from it: {(machine, time): score}."""

    def __init__(self, kind, request, tmp_path):
        self.kind = kind
        if kind == "embedded":
            self.sink = Embedded(tmp_path / "store.sqlite")
        elif kind == "influxdb 1.x":
            self.server = request.getfixturevalue("influxdb")
            self.sink = InfluxV1(self.server.url, "machines")
        else:
            self.server = request.getfixturevalue("victoria_metrics")
            self.sink = InfluxV2(self.server.url, "machines", token="none")  # noqa: S106

    def scores(self, machine):
        if self.kind == "embedded":
            found = self.sink.query("machine")
            return {p.time_ns: p.fields["score"] for p in found if ("machine", machine) in p.tags}
        if self.kind == "influxdb 1.x":
            rows = self.server.query(f"SELECT score FROM machine WHERE machine = '{machine}'", "machines")
            return {row["time"]: row["score"] for row in rows}
        found = {}
        for series in self.server.export(f'{{__name__="machine_score",machine="{machine}"}}'):
            found |= {t * 1_000_000: v for t, v in zip(series["timestamps"], series["values"], strict=True)}
        return found


@pytest.fixture(params=SINKS)
def store(request, tmp_path):
    made = Store(request.param, request, tmp_path)
    yield made
    made.sink.close()


@pytest.mark.servers
def test_every_sink_stores_points_once_however_often_they_are_written(store):
    batch = points(5, machine="press 1, the old=one")
    for _ in range(2):
        store.sink.write(batch)
    assert store.scores("press 1, the old=one") == {point.time_ns: point.fields["score"] for point in batch}


@pytest.mark.parametrize(
    "sink", [lambda: InfluxV1("http://127.0.0.1:1", "x"), lambda: InfluxV2("http://127.0.0.1:1", "x")]
)
def test_a_database_that_is_not_there_is_unreachable(sink):
    with pytest.raises(Unreachable, match="refused"):
        sink().write(points())


@pytest.mark.servers
def test_a_missing_database_is_the_target_s_fault_and_is_named(influxdb):
    sink = InfluxV1(influxdb.url, "elsewhere")
    with pytest.raises(Unreachable, match="elsewhere"):
        sink.write(points())
    sink.close()


@pytest.mark.servers
def test_a_point_of_the_wrong_type_is_refused_and_stops_only_itself(influxdb, tmp_path):
    journal = journal_at(tmp_path)
    good = points(4)
    bad = good[2]._replace(fields={"score": "high"})
    journal.commit(None, points=good[:1])
    journal.commit(None, points=[good[1], bad, good[3]])
    dead = []
    sink = InfluxV1(influxdb.url, "machines")
    sink.write(good[:1])
    delivery = Delivery(tmp_path / "journal.sqlite", sink, lambda reason, point: dead.append((reason, point)))
    while delivery.step() == 0.0:
        pass
    assert [point for _, point in dead] == [bad]
    assert "conflict" in dead[0][0]
    rows = influxdb.query("SELECT count(score) FROM machine", "machines")
    assert rows[0]["count"] == 3
    delivery.close()
    journal.close()


def test_a_damaged_store_is_set_aside_by_name_and_a_new_one_begun(tmp_path):
    store = Embedded(tmp_path / "store.sqlite")
    store.write(points(2_000))
    store.close()
    data = bytearray((tmp_path / "store.sqlite").read_bytes())
    data[100:5_000] = bytes(4_900)
    (tmp_path / "store.sqlite").write_bytes(data)
    with pytest.raises(Unreachable, match="malformed"):
        store.write(points(3, 5_000))
    store.write(points(3, 5_000))
    assert store.count("machine") == 3
    assert (tmp_path / "store.sqlite.corrupt-1").read_bytes() == data
    store.close()


def test_the_embedded_store_forgets_by_age_and_by_number(tmp_path):
    store = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND, max_points=60)
    store.write(points(1000))
    store.close()
    again = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND, max_points=60)
    again.write(points(1, 1000))
    kept = again.query("machine")
    assert len(kept) == again.count("machine") == 60
    assert kept[-1].time_ns == START + 1000 * SECOND
    again.close()


def test_a_series_of_the_store_goes_with_the_last_of_its_points(tmp_path):
    store = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND)
    for number in range(20):
        tags = (("id", str(number)), ("machine", "press-1"))
        store.write([Point("incident", tags, {"phase": "begin"}, number * 60 * SECOND)])
        store.close()
        store = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND)  # which looks at what is old at once
    store.write([Point("machine", (("machine", "press-1"),), {"score": 0.5}, 19 * 60 * SECOND)])
    store.write([Point("incident", (("id", "19"), ("machine", "press-1")), {"phase": "close"}, 19 * 60 * SECOND)])
    assert [dict(point.tags)["id"] for point in store.query("incident")] == ["18", "19"]
    store.close()
    database = sqlite3.connect(tmp_path / "store.sqlite")
    assert database.execute("SELECT count(*) FROM series").fetchall() == [(3,)]
    database.close()


def test_what_is_old_in_the_store_is_old_against_its_own_machine(tmp_path):
    """A recording that is played may be years older than what the service says of itself, or than another machine."""

    def points(machine, begin, count):
        tags = (("machine", machine),)
        return [Point("machine", tags, {"score": 0.5}, (begin + at) * SECOND) for at in range(count)] + [
            Point("incident", (("id", "1"), *tags), {"phase": "close"}, begin * SECOND)
        ]

    store = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND)
    store.write(points("recorded", 1_000, 300))
    store.close()
    again = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND)
    again.write(points("live", 9_000_000, 50))
    again.write([Point("command", (("machine", "recorded"),), {"verb": "normal"}, 9_000_000 * SECOND)])
    again.close()
    last = Embedded(tmp_path / "store.sqlite", keep_ns=100 * SECOND)
    last.write([Point("service", (("host", "gateway"),), {"readings": 1}, 9_000_000 * SECOND)])
    kept = [point for point in last.query("machine") if ("machine", "recorded") in point.tags]
    assert [point.time_ns // SECOND for point in kept] == list(range(1_199, 1_300))
    assert len(last.query("machine")) == 101 + 50
    assert [("machine", "live") in point.tags for point in last.query("incident")] == [True]
