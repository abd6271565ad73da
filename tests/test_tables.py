"""Recorded files as tables, and tables as messages in time."""

import gzip
import json
import math
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recordings.replay import following, interleave, paced, play
from pipeline.recordings.tables import Table, TableError, read_table
from pipeline.records import MAX_MAGNITUDE


def table_of(tmp_path, text, name="press-1.csv", **options):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_table(path, **options)


def test_rows_come_in_file_order_with_their_stamps_as_written(tmp_path):
    table = table_of(tmp_path, "time,b,a\n2020-01-02 00:00:00,1,2\n2020-01-01 00:00:00,,4\n")
    assert (table.name, table.sensors) == ("press-1", ["b", "a"])
    assert table.stamps == ["2020-01-02 00:00:00", "2020-01-01 00:00:00"]
    assert table.time_ns.tolist() == [1577923200 * 10**9, 1577836800 * 10**9]
    assert np.array_equal(table.values, [[1, 2], [math.nan, 4]], equal_nan=True)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz"])
def test_separators_and_compression_are_recognised(tmp_path, separator, name):
    table = table_of(tmp_path, separator.join("ta") + "\n" + separator.join("12") + "\n", name)
    assert (table.sensors, table.values.tolist(), table.name) == (["a"], [[2.0]], "m")


def test_parquet_is_read_like_csv(tmp_path):
    stamps = pd.to_datetime(["2020-01-01T00:00:00.123456", "2020-01-01T00:00:01"], format="ISO8601")
    pd.DataFrame({"ts": stamps, "x": [1.5, None], "who": ["a", "b"]}).to_parquet(tmp_path / "m.parquet")
    table = read_table(tmp_path / "m.parquet")
    assert table.time_ns[0] == 1577836800123456000
    assert (table.sensors, table.skipped) == (["x"], ["who"])


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [
        ("1600000000", 1600000000 * 10**9),
        ("1600000000.5", 1600000000500000000),
        ("1600000000123", 1600000000123 * 10**6),
        ("1600000000123456", 1600000000123456 * 10**3),
        ("1600000000123456789", 1600000000123456789),
        ("2020-09-13T12:26:40Z", 1600000000 * 10**9),
        ("2020-09-13T14:26:40+02:00", 1600000000 * 10**9),
        ("2020-09-13 12:26:40.25", 1600000000250000000),
    ],
)
def test_times_are_read_whatever_their_form(tmp_path, stamp, ns):
    assert table_of(tmp_path, f"time,a\n{stamp},1\n").time_ns.tolist() == [ns]


def test_what_is_no_number_is_no_sensor_and_what_the_service_would_refuse_is_missing(tmp_path):
    table = table_of(tmp_path, "time,on,a,b,note\n1,True,inf,,x\n2,False,3,,y\n3,True,1e101,,z\n", exclude=["note"])
    assert (table.sensors, table.skipped) == (["on", "a", "b"], [])
    assert np.array_equal(
        table.values, [[1, math.nan, math.nan], [0, 3, math.nan], [1, math.nan, math.nan]], equal_nan=True
    )


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("a,b\n1,2\n", {}, "no time column"),
        ("time,a\n1,2\n", {"time": "when"}, "no time column 'when'"),
        ("time,a\n1,2\n", {"exclude": ["c"]}, "no column 'c'"),
        ("time,a\nnoon,2\n", {}, "row 1: 'noon' is not a time"),
        ("time,a\n1,2\n,3\n", {}, "row 2: no time"),
        ("time,a\n0001-01-01,2\n", {}, "row 1: '0001-01-01' is not a time"),
        ("time,a,a\n1,2,3\n", {}, "'a' occurs twice"),
        ("time,a\n", {}, "no rows"),
        ("", {}, "press-1.csv"),
    ],
)
def test_a_file_that_cannot_be_a_table_is_one_clear_error(tmp_path, text, options, says):
    with pytest.raises(TableError, match=says) as caught:
        table_of(tmp_path, text, **options)
    assert "press-1.csv" in str(caught.value)


def test_a_missing_or_broken_file_is_one_clear_error(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "broken.csv.gz").write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(TableError, match=r"broken\.csv\.gz"):
        read_table(tmp_path / "broken.csv.gz")


@given(st.lists(st.floats(-MAX_MAGNITUDE, MAX_MAGNITUDE, width=64), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_what_was_written_is_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("t") / "m.csv"
    rows = "".join(f"{number},{value!r}\n" for number, value in enumerate(values, 1))
    path.write_text("time,a\n" + rows)
    assert np.allclose(read_table(path).values[:, 0], values, rtol=1e-14, atol=0)


def small(name, times, value=1.0):
    n = len(times)
    return Table(name, [""] * n, np.array(times, np.int64) * 10**9, ["a"], np.full((n, 1), value), [])


def test_a_recording_that_is_played_again_goes_on_after_its_end_with_its_usual_interval_between():
    table = small("x", [0, 2, 4, 9])
    seconds = [following(table, passes).time_ns / 1e9 - table.time_ns[0] / 1e9 for passes in range(3)]
    assert [part.tolist() for part in seconds] == [[0, 2, 4, 9], [11, 13, 15, 20], [22, 24, 26, 31]]


def test_tables_are_interleaved_by_time_and_keep_their_own_order():
    schedule = list(interleave([small("x", [0, 2, 4]), small("y", [1, 3, 3])], "plant/{machine}", 2.0))
    assert [(due, topic) for due, topic, _ in schedule] == [
        (0.0, "plant/x"), (0.5, "plant/y"), (1.0, "plant/x"), (1.5, "plant/y"), (1.5, "plant/y"), (2.0, "plant/x"),
    ]  # fmt: skip
    assert json.loads(schedule[1][2]) == {"time": "1970-01-01T00:00:01.000000000Z", "a": 1.0}


def test_as_fast_as_possible_keeps_the_order_and_waits_for_nothing():
    schedule = list(interleave([small("x", [0, 2]), small("y", [1])], "{machine}", math.inf))
    assert [(due, topic) for due, topic, _ in schedule] == [(0.0, "x"), (0.0, "y"), (0.0, "x")]


def test_paced_tables_all_end_together_whatever_their_own_pace():
    schedule = list(paced([small("x", range(10)), small("y", [0, 1000])], "{machine}", 10.0))
    assert max(due for due, topic, _ in schedule if topic == "x") == 9.0
    assert max(due for due, topic, _ in schedule if topic == "y") == 5.0


def test_rows_without_any_reading_are_no_messages():
    assert list(interleave([small("x", [0, 1], math.nan)], "{machine}", 1.0)) == []


def test_messages_are_published_when_they_are_due():
    clock, sent = [100.0], []

    def wait(seconds):
        clock[0] += seconds

    schedule = [(0.0, "a", b""), (2.5, "b", b""), (2.5, "c", b"")]
    count = play(schedule, lambda topic, _: sent.append((topic, clock[0])), now=lambda: clock[0], wait=wait)
    assert (count, sent) == (3, [("a", 100.0), ("b", 102.5), ("c", 102.5)])


def test_stopping_ends_the_replay_within_a_second_of_waiting():
    stop = threading.Event()
    waited = []

    def wait(seconds):
        waited.append(seconds)
        stop.set()

    assert play([(3600.0, "a", b"")], lambda *_: None, stop, now=lambda: 0.0, wait=wait) == 0
    assert waited == [1.0]
