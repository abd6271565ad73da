"""Scores compared with labels: measures, label files, pictures, and the command from end to end."""

import csv
import json
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.recordings import evaluation
from pipeline.recordings.evaluation import (
    EPISODE_ROWS,
    Judged,
    Label,
    episodes,
    events_of_rows,
    events_within,
    measure,
)
from pipeline.recordings.labels import LabelsError, read_labels
from pipeline.recordings.picture import COLUMNS, Band, Scene, compose, draw, gather, most_named
from pipeline.recordings.report import duration, facts
from pipeline.recordings.tables import Table, TableError, read_table, times

SECOND = 10**9
DAY = 86_400 * SECOND


def seconds(*values):
    return np.array(values, np.int64) * SECOND


def judged(score, events=(), ready=None, step_s=1):
    rows = len(score)
    return Judged(
        np.arange(rows, dtype=np.int64) * step_s * SECOND,
        np.array(score, float),
        np.ones(rows, bool) if ready is None else np.array(ready, bool),
        events,
    )


def flags(text):
    return np.array([letter == "#" for letter in text], bool)


def machine_of(alarms, labels, ready=None):
    """A machine, a row a second, from strings in which # is yes."""
    rows = np.arange(len(alarms), dtype=np.int64) * SECOND
    return judged(flags(alarms).astype(float), events_of_rows(rows, flags(labels)), ready)


# Measures


def test_rows_are_counted_as_one_would_by_hand():
    measures = measure([machine_of("..##...#..", "...##....#")], 0.99)
    assert (measures.true_rows, measures.missed_rows, measures.false_rows, measures.healthy_rows) == (1, 2, 2, 7)
    assert (measures.precision, measures.recall, measures.f1) == (1 / 3, 1 / 3, 1 / 3)
    assert measures.healthy_share_in_alarm == 2 / 7


def test_an_event_is_found_by_any_alarm_in_it_and_its_delay_runs_from_its_start():
    measures = measure([machine_of("...#....##..", ".####.######")], 0.99)
    assert (measures.events, measures.events_found, measures.delays_ns) == (2, 2, (2 * SECOND, 2 * SECOND))
    missed = measure([machine_of("............", ".####.######")], 0.99)
    assert (missed.events, missed.events_found, missed.median_delay_ns) == (2, 0, None)


def test_a_delay_counts_from_the_label_also_where_no_row_is_at_its_start():
    time_ns = seconds(0, 10, 20, 30)
    events = events_within(time_ns, [Label(4 * SECOND, 25 * SECOND, "")])
    assert events[0].rows.tolist() == [1, 2]
    measures = measure([Judged(time_ns, np.array([0.0, 0.0, 1.0, 0.0]), np.ones(4, bool), events)], 0.99)
    assert measures.delays_ns == (16 * SECOND,)


def test_the_median_delay_is_that_of_the_events_found():
    machine = machine_of("#....#......#", "##.####.#####")
    assert measure([machine], 0.5).delays_ns == (0, 2 * SECOND, 4 * SECOND)
    assert measure([machine], 0.5).median_delay_ns == 2 * SECOND


@pytest.mark.parametrize(("apart", "count"), [(1, 1), (EPISODE_ROWS - 1, 1), (EPISODE_ROWS, 2), (50, 2)])
def test_alarms_closer_than_ten_rows_are_one_episode(apart, count):
    alarm = np.zeros(100, bool)
    alarm[[5, 5 + apart]] = True
    assert episodes(alarm) == count


def test_alarms_within_events_are_no_false_alarms():
    assert measure([machine_of("###" + "." * 20 + "###", "###" + "." * 23)], 0.99).false_alarms == 1


def test_false_alarms_are_per_day_of_healthy_time_that_was_covered():
    hour_s = 3_600
    score = np.zeros(48)
    score[[2, 30]] = 1.0
    one = judged(score, events_within(np.arange(48) * hour_s * SECOND, [Label(0, (12 * hour_s - 1) * SECOND, "")]))
    one = one._replace(time_ns=np.arange(48, dtype=np.int64) * hour_s * SECOND)
    measures = measure([one], 0.99)
    assert (measures.false_alarms, measures.healthy_days, measures.false_alarms_per_day) == (1, 1.5, 1 / 1.5)


def test_a_gap_covers_no_more_than_ten_usual_steps():
    assert evaluation.time_per_row(seconds(0, 1, 2, 3, 10_000, 10_001)).tolist() == [
        step * SECOND for step in (1, 1, 1, 1, 10, 1)
    ]


def test_time_that_stands_still_or_goes_back_covers_nothing():
    assert evaluation.time_per_row(seconds(5, 6, 6, 2, 3)).tolist() == [step * SECOND for step in (1, 1, 0, 0, 1)]
    assert evaluation.time_per_row(seconds(5)).tolist() == [0]


def test_rows_of_the_warm_up_are_neither_healthy_nor_missed():
    measures = measure([machine_of("##..#.", ".###..", ready=[0, 0, 0, 1, 1, 1])], 0.99)
    assert (measures.rows, measures.rows_left_out) == (6, 3)
    assert (measures.true_rows, measures.missed_rows, measures.false_rows, measures.healthy_rows) == (0, 1, 1, 2)


def test_an_event_without_a_row_that_counts_is_left_out_and_said():
    time_ns = seconds(*range(6))
    events = events_within(time_ns, [Label(0, SECOND, "warm-up"), Label(3 * SECOND + 1, 3 * SECOND + 2, "no row")])
    measures = measure([judged(np.ones(6), events, ready=[0, 0, 1, 1, 1, 1])], 0.99)
    assert (measures.events, measures.events_left_out, measures.events_found) == (0, 2, 0)


def test_what_nothing_defines_is_none_and_no_error():
    quiet = measure([judged([0.1, 0.2])], 0.99)
    assert (quiet.precision, quiet.recall, quiet.f1, quiet.hindsight_f1, quiet.median_delay_ns) == (None,) * 5
    nothing = measure([judged([0.1, 0.2], ready=[0, 0])], 0.99)
    assert (nothing.false_alarms_per_day, nothing.healthy_share_in_alarm) == (None, None)


def test_several_machines_are_measured_by_their_counts_together():
    first, second = machine_of("##........", "#........."), machine_of("..........", ".....#####")
    both = measure([first, second], 0.99)
    assert (both.precision, both.recall, both.events_found, both.events) == (1 / 2, 1 / 6, 1, 2)
    assert both.healthy_ns == sum(measure([one], 0.99).healthy_ns for one in (first, second))


def test_alarms_that_reach_from_one_machine_to_the_next_are_two():
    both = measure([machine_of("." * 19 + "#", "." * 20), machine_of("#" + "." * 19, "." * 20)], 0.99)
    assert both.false_alarms == 2


def test_hindsight_finds_the_threshold_one_would_choose():
    labelled = np.array([0, 1, 1, 0, 0], bool)
    assert evaluation.hindsight(np.array([0.1, 0.8, 0.6, 0.3, 0.2]), labelled) == (1.0, 0.6)
    f1, at = evaluation.hindsight(np.array([0.1, 0.8, 0.6, 0.7, 0.2]), labelled)
    assert (f1, at) == (pytest.approx(0.8), 0.6)


texts = st.integers(1, 60).flatmap(
    lambda rows: st.tuples(*(st.lists(st.booleans(), min_size=rows, max_size=rows) for _ in range(3)))
)


@given(texts)
@example(([True], [True], [True]))
def test_alarms_that_equal_the_labels_are_perfect(drawn):
    labelled, ready, _ = (np.array(part, bool) for part in drawn)
    time_ns = np.arange(len(labelled), dtype=np.int64) * SECOND
    measures = measure([Judged(time_ns, labelled.astype(float), ready, events_of_rows(time_ns, labelled))], 0.99)
    perfect = 1.0 if (labelled & ready).any() else None
    assert (measures.precision, measures.recall, measures.f1, measures.hindsight_f1) == (perfect,) * 4
    assert (measures.events_found, measures.false_alarms) == (measures.events, 0)


@given(texts)
def test_every_row_is_counted_once(drawn):
    alarm, labelled, ready = (np.array(part, bool) for part in drawn)
    time_ns = np.arange(len(alarm), dtype=np.int64) * SECOND
    one = measure([Judged(time_ns, alarm.astype(float), ready, events_of_rows(time_ns, labelled))], 0.99)
    assert one.rows == one.rows_left_out + one.true_rows + one.missed_rows + one.healthy_rows
    assert one.rows == len(alarm)
    assert one.false_alarms <= one.false_rows <= one.healthy_rows


label_lists = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 12)).map(
        lambda pair: Label(pair[0] * SECOND, (pair[0] + pair[1]) * SECOND, "")
    ),
    min_size=1,
    max_size=8,
)


@given(label_lists, st.randoms(use_true_random=False), st.lists(st.floats(0, 1), min_size=40, max_size=40))
def test_the_order_of_labels_does_not_matter(labels, random, score):
    time_ns = np.arange(40, dtype=np.int64) * SECOND
    shuffled = list(labels)
    random.shuffle(shuffled)
    one, other = (
        measure([Judged(time_ns, np.array(score), np.ones(40, bool), events_within(time_ns, some))], 0.9)
        for some in (labels, shuffled)
    )
    assert one == other


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 0.99, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_no_threshold_is_better_than_the_one_of_hindsight(rows):
    score, labelled = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], bool)
    one = judged(score, events_of_rows(np.arange(len(rows), dtype=np.int64) * SECOND, labelled))
    tried = [measure([one], threshold).f1 for threshold in np.unique(score)]
    best = measure([one], 0.5)
    if labelled.any():
        assert best.hindsight_f1 == pytest.approx(max(tried))
        assert measure([one], best.hindsight_threshold).f1 == pytest.approx(best.hindsight_f1)
    else:
        assert best.hindsight_f1 is None


def test_runs_of_rows_become_events_and_events_become_the_same_rows():
    labelled = flags("##..#...##")
    events = events_of_rows(np.arange(10, dtype=np.int64), labelled)
    assert [(event.start_ns, event.end_ns) for event in events] == [(0, 1), (4, 4), (8, 9)]
    assert np.array_equal(evaluation.labelled_rows(10, events), labelled)


@pytest.mark.parametrize(
    ("ns", "says"),
    [
        (None, "-"), (0, "0 s"), (2.34 * SECOND, "2.34 s"), (0.25 * SECOND, "0.25 s"), (59.99 * SECOND, "1 min"),
        (250 * SECOND, "4 min 10 s"), (3_599.9 * SECOND, "1 h"), (7_500 * SECOND, "2 h 5 min"),
        (26 * 3_600 * SECOND, "1 d 2 h"),
    ],
)  # fmt: skip
def test_durations_are_said_in_their_two_largest_units(ns, says):
    assert duration(ns) == says


# Labels


def table(name="press-1", rows=5, sensors=1):
    time_ns = (1_600_000_000 + np.arange(rows, dtype=np.int64)) * SECOND
    values = np.arange(rows * sensors, dtype=float).reshape(rows, sensors)
    return Table(name, [str(ns // SECOND) for ns in time_ns], time_ns, [f"s{i}" for i in range(sensors)], values, [])


def labels_of(tmp_path, text, *tables):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return read_labels(path, tables or (table(),))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_labels_are_read_with_times_in_any_form_the_recordings_may_have(tmp_path, separator):
    lines = ["what,end,start", "a,1600000002,1600000001", "", "b,2020-09-13 12:26:43.5,2020-09-13T12:26:42Z"]
    found = labels_of(tmp_path, "\n".join(lines).replace(",", separator) + "\n")
    second = 1_600_000_000 * SECOND
    assert found == [
        [
            Label(second + SECOND, second + 2 * SECOND, "a"),
            Label(second + 2 * SECOND, second + 3 * SECOND + SECOND // 2, "b"),
        ]
    ]


def test_a_label_is_for_its_file_or_without_one_for_all_that_it_overlaps(tmp_path):
    later = table("later")._replace(time_ns=table().time_ns + DAY)
    text = "start,end,file\n1600000001,1600000002,\n1600000003,1600000003,b\n"
    assert [len(found) for found in labels_of(tmp_path, text, table("a"), table("b"), later)] == [1, 2, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("start\n1\n", ":1: no column 'end'; there are start"),
        ("", ":1: no column 'start'"),
        ("start,end,machine\n", ":1: column 'machine' is not known"),
        ("start,end,end\n", ":1: column 'end' occurs twice"),
        ("start,end\n", ": no label in it"),
        ("start,end\n1600000001,1600000002\nnoon,1600000003\n", ":3: start: 'noon' is not a time"),
        ("start,end\n\n1600000001,\n", ":3: end: '' is not a time"),
        ("start,end\n1600000001\n", ":2: end: '' is not a time"),
        ("start,end\n1600000001,inf\n", ":2: end: 'inf' is not a time"),
        ("start,end\n1600000001,1600000002,x\n", ":2: 3 cells for 2 columns"),
        ("start,end\n1600000003,1600000002\n", ":2: end: '1600000002' is before its start, '1600000003'"),
        ("start,end,file\n1600000001,1600000002,b\n", ":2: file: 'b' is not one of the inputs: press-1"),
        ("start,end\n1500000001,1500000002\n", "is outside the time of press-1 (1600000000 to 1600000004)"),
        ("start,end,file\n1700000001,1700000002,press-1\n", ":2: start, end: '1700000001' to '1700000002' is out"),
    ],
)  # fmt: skip
def test_a_label_that_cannot_be_used_is_named_by_file_line_and_column(tmp_path, text, says):
    with pytest.raises(LabelsError, match=re.escape(says)) as caught:
        labels_of(tmp_path, text)
    assert "labels.csv" in str(caught.value)


def test_a_missing_or_unreadable_label_file_is_one_clear_error(tmp_path):
    with pytest.raises(LabelsError, match="no such file"):
        read_labels(tmp_path / "none.csv", [table()])
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelsError, match=r"binary\.csv"):
        read_labels(tmp_path / "binary.csv", [table()])


@pytest.mark.parametrize("cells", ["0 1 1", "0.0 1.0 1.0", "false true true", "False TRUE true"])
def test_a_label_column_is_zero_or_one_or_true_or_false_and_no_sensor(tmp_path, cells):
    path = tmp_path / "m.csv"
    path.write_text("time,a,fault\n" + "".join(f"{i},1,{cell}\n" for i, cell in enumerate(cells.split(), 1)))
    read = read_table(path, label="fault")
    assert (read.sensors, read.skipped, read.labelled.tolist()) == (["a"], [], [False, True, True])


@pytest.mark.parametrize(
    ("text", "label", "says"),
    [
        ("time,a\n1,2\n", "fault", "no label column 'fault'; there are time, a"),
        ("time,a\n1,2\n", "time", "column 'time' is the time"),
        ("time,a,fault\n1,2,0\n2,2,\n", "fault", "row 2: fault: empty is not a label"),
        ("time,a,fault\n1,2,0\n2,2,3\n", "fault", "row 2: fault: '3' is not a label; labels are 0/1 or true/false"),
        ("time,a,fault\n1,2,ok\n", "fault", "row 1: fault: 'ok' is not a label"),
    ],
)
def test_a_label_column_that_cannot_be_used_is_named_by_file_row_and_column(tmp_path, text, label, says):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(says)) as caught:
        read_table(tmp_path / "m.csv", label=label)
    assert "m.csv" in str(caught.value)


@given(st.lists(st.text(max_size=12) | st.floats().map(str) | st.integers(-(10**30), 10**30).map(str), max_size=5))
@settings(max_examples=60, deadline=None)
@example(["", ""])
@example(["0001-01-01"])
@example(["1", "100000000000.0"])
@example([])
def test_whatever_a_cell_says_it_is_a_time_or_none(cells):
    found = times(cells)
    assert found == [times([cell])[0] for cell in cells]


# Pictures


def scene(rows=300, sensors=2, alarms=(), band=None, name="press-1", cause="s0"):
    score = np.full(rows, 0.5)
    score[list(alarms)] = 0.999
    recording = table(name, rows, sensors)
    events = events_within(recording.time_ns, [Label(int(recording.time_ns[0]), int(recording.time_ns[-1]) - 9, "")])
    return Scene(recording, score, [cause] * rows, np.arange(rows) >= 100, events, 0.99, band)


def size_of_png(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big"), len(content)


def test_a_spike_of_one_row_in_a_million_is_in_the_picture():
    values = np.zeros(1_000_000)
    values[777_777] = 9.0
    columns = gather(np.arange(1e6), values, values)
    assert len(columns.x) == COLUMNS
    assert (columns.low.max(), columns.high.max()) == (0.0, 9.0)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), max_size=200), st.integers(1, 20))
def test_the_envelope_holds_the_extremes_of_what_is_known(values, columns):
    values = np.array(values, float)
    gathered = gather(np.arange(len(values), dtype=float), values, values, columns)
    known = values[~np.isnan(values)]
    if len(known):
        assert (np.nanmin(gathered.low), np.nanmax(gathered.high)) == (known.min(), known.max())
    else:
        assert len(gathered.x) == 0


def test_a_line_is_broken_where_nothing_came_for_long():
    x = np.concatenate((np.arange(100.0), 500 + np.arange(100.0)))
    assert np.flatnonzero(np.isnan(gather(x, x, x).low)).tolist() == [100]


def test_sensors_named_most_often_come_first_and_eight_are_drawn():
    sensors = [f"s{i}" for i in range(10)]
    cause = ["s9", "s9", "s4", "s1", ""]
    shown, counts = most_named(sensors, cause, np.array([1, 1, 1, 0, 1], bool))
    assert shown == ["s9", "s4", "s0", "s1", "s2", "s3", "s5", "s6"]
    assert (counts["s9"], counts["s4"], counts["s1"]) == (2, 1, 0)


def test_the_title_says_when_sensors_are_not_drawn():
    figure = compose(scene(sensors=9))
    assert figure.get_suptitle() == "press-1 - the 8 of 9 sensors most often named as cause"
    assert compose(scene(sensors=8)).get_suptitle() == "press-1"


def test_a_picture_is_a_png_that_is_wide_and_not_empty(tmp_path):
    draw(tmp_path / "m.png", scene(alarms=(150, 151)))
    width, height, length = size_of_png(tmp_path / "m.png")
    assert width > 1_000
    assert height > 300
    assert 10_000 < length < 1_000_000


def test_an_expected_band_is_drawn_where_there_is_one(tmp_path):
    values = table(rows=300, sensors=2).values
    band = Band(values - 5.0, values, values + 5.0)
    band.low[:100] = band.expected[:100] = band.high[:100] = np.nan
    with_band, without = compose(scene(band=band)), compose(scene())
    for one, other in zip(with_band.axes[:2], without.axes[:2], strict=True):
        assert len(one.collections) == len(other.collections) + 1
        assert one.get_ylim()[0] <= other.get_ylim()[0]
    draw(tmp_path / "m.png", scene(band=band))


def test_odd_recordings_and_names_have_pictures_too(tmp_path):
    silent = scene(name="$\\frac")
    values = silent.table.values.copy()
    values[:, 0] = np.nan
    values[:, 1] = 7.0
    draw(tmp_path / "a.png", silent._replace(table=silent.table._replace(values=values, sensors=["$x", "温度"])))
    draw(tmp_path / "b.png", scene(rows=1)._replace(ready=np.zeros(1, bool), events=[]))


# The command


def write_press(path, rows=900, fault=(600, 640), column=False):
    """Two sensors, a row a minute; in the fault one of them jumps far away."""
    rng = np.random.default_rng(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "load", "heat", *(["fault"] if column else [])])
        for row in range(rows):
            bad = fault[0] <= row < fault[1]
            load, heat = np.sin(row / 9.0) + 0.1 * rng.normal(), 40.0 + 0.2 * rng.normal() + 60.0 * bad
            writer.writerow([1_600_000_000 + 60 * row, f"{load:.4f}", f"{heat:.4f}", *([int(bad)] if column else [])])
    return path


def said(*arguments):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def presses(tmp_path_factory):
    """Two machines with a fault each, their labels, and what was said and written about them."""
    folder = tmp_path_factory.mktemp("presses")
    files = [write_press(folder / "press-1.csv"), write_press(folder / "press-2.csv", fault=(700, 720))]
    (folder / "labels.csv").write_text(
        "start,end,file,what\n1600036000,1600038340,press-1,jump\n1600042000,1600043140,press-2,jump\n"
    )
    code, words = said(*files, "--labels", folder / "labels.csv", "--out", folder / "out")
    assert code == 0, words
    return folder, files, words


def test_an_obvious_fault_is_found_at_once_and_printed_per_file_and_for_all(presses):
    _, _, words = presses
    lines = {line.split()[0]: line for line in words.splitlines() if line.split()}
    assert "1 / 1" in lines["press-1"]
    assert "1 / 1" in lines["press-2"]
    assert "2 / 2" in lines["all"]
    assert "in hindsight" in words
    assert "left out: 200 of 1,800 rows of the warm-up (press-1 100, press-2 100)" in words


def test_json_says_the_same_with_units_in_the_names(presses):
    folder, files, _ = presses
    code, words = said(*files, "--labels", folder / "labels.csv", "--json")
    figures = json.loads(words)
    assert (code, set(figures["files"]), figures["threshold"]) == (0, {"press-1", "press-2"}, 0.99)
    assert set(figures["all"]) == set(facts(measure([judged([0.0])], 0.99)))
    one = figures["files"]["press-1"]
    assert (one["events"], one["events_found"], one["rows"], one["rows_left_out"]) == (1, 1, 900, 100)
    assert 0.0 <= one["median_delay_s"] < 600.0
    assert one["hindsight_f1"] >= one["f1"]
    assert one["healthy_days"] == pytest.approx(760 / 1440)


def test_a_label_column_gives_the_same_figures_as_a_label_file(presses, tmp_path):
    folder, _, _ = presses
    code, words = said(write_press(tmp_path / "press-1.csv", column=True), "--label-column", "fault", "--json")
    labelled_apart = json.loads(said(*presses[1], "--labels", folder / "labels.csv", "--json")[1])
    assert code == 0
    assert json.loads(words)["files"]["press-1"] == labelled_apart["files"]["press-1"]


def test_scores_and_pictures_are_written_for_each_file(presses):
    folder, _, _ = presses
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "press-1.csv", "press-1.png", "press-2.csv", "press-2.png",
    ]  # fmt: skip
    with (folder / "out" / "press-1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time", "score", "severity", "cause", "label"]
    assert [number for number, row in enumerate(rows) if row["label"] == "1"] == list(range(600, 640))
    assert {row["score"] for row in rows[:100]} == {"0.000000"}
    assert any(float(row["score"]) >= 0.99 and row["cause"] == "heat" for row in rows[600:640])
    width, height, length = size_of_png(folder / "out" / "press-1.png")
    assert (width > 1_000, height > 300, 20_000 < length < 2_000_000) == (True, True, True)


def test_the_pictures_show_where_each_sensor_was_expected(presses, tmp_path, monkeypatch):
    folder, files, _ = presses
    drawn = []
    monkeypatch.setattr("pipeline.recordings.picture.draw", lambda path, scene: drawn.append(scene))
    assert said(*files, "--labels", folder / "labels.csv", "--out", tmp_path)[0] == 0
    values, band = drawn[0].table.values, drawn[0].band
    assert np.isnan(band.low[:100]).all()
    assert ((values >= band.low) & (values <= band.high))[100:600].mean() > 0.97
    heat = drawn[0].table.sensors.index("heat")
    assert (values[600:640, heat] > band.high[600:640, heat]).mean() > 0.9


def test_labels_have_no_influence_on_scores(presses, tmp_path):
    folder, files, _ = presses
    (tmp_path / "other.csv").write_text("start,end\n1600001000,1600002000\n")
    assert said(files[0], "--labels", tmp_path / "other.csv", "--out", tmp_path)[0] == 0

    def scores(path):
        with path.open() as file:
            return [row["score"] for row in csv.DictReader(file)]

    assert scores(tmp_path / "press-1.csv") == scores(folder / "out" / "press-1.csv")


def test_a_threshold_of_nothing_puts_every_row_in_alarm(presses):
    folder, files, _ = presses
    figures = json.loads(said(*files, "--labels", folder / "labels.csv", "--threshold", "0", "--json")[1])
    assert (figures["all"]["recall"], figures["all"]["healthy_share_in_alarm"]) == (1.0, 1.0)


def test_wrong_usage_is_one_clear_message_and_exit_code_2(presses, tmp_path):
    folder, files, _ = presses
    labels = folder / "labels.csv"
    quiet = write_press(tmp_path / "quiet.csv", rows=20, fault=(0, 0), column=True)
    (tmp_path / "words.csv").write_text("time,fault,note\n1,0,a\n2,1,b\n")
    (tmp_path / "bad.csv").write_text("start,end\n1600000060,1600000000\n")
    (folder / "more").mkdir()
    again = write_press(folder / "more" / "press-1.csv", rows=2)
    for arguments, says in [
        ([files[0]], "labels are missing: give either --labels FILE or --label-column NAME"),
        ([files[0], "--labels", labels, "--label-column", "heat"], "give either --labels FILE"),
        ([files[0], "--label-column", "fault"], "press-1.csv: no label column 'fault'; there are time, load, heat"),
        ([files[0], "--label-column", "load"], "press-1.csv: row 1: load: "),
        ([quiet, "--label-column", "fault"], "quiet.csv: fault: no label in it"),
        ([files[0], "--labels", labels], "labels.csv:3: file: 'press-2' is not one of the inputs: press-1"),
        ([files[0], "--labels", tmp_path / "bad.csv"], "bad.csv:2: end: '1600000000' is before its start"),
        ([files[0], again, "--labels", labels], "two inputs are named press-1"),
        ([tmp_path / "words.csv", "--label-column", "fault"], "no numeric column but the time and fault"),
        ([tmp_path / "none.csv", "--label-column", "fault"], "none.csv: no such file"),
        ([*files, "--labels", labels, "--out", folder], "press-1.csv is an input and would be overwritten"),
        ([*files, "--labels", labels, "--out", labels], "--out: "),
        ([files[0], "--labels", labels, "--threshold", "1.5"], "'--threshold'"),
    ]:
        code, words = said(*arguments)
        assert code == 2
        assert says in words
        assert "Traceback" not in words
