"""The scoreboard of benchmarks/quality: its measures by hand, its rules, its synthetic machines."""

import gzip
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import ablations
import ageing
import board
import calibration
import corpus
import metrics
import nab_score
import numpy as np
import pandas as pd
import plant
import pytest
import scorers
import verify

from pipeline.config.file import load
from pipeline.config.settings import Sensor, match_rule

QUALITY = Path(board.__file__).parent


def unit(path, rows, **truth):
    return corpus.Unit(path.stem, path, rows, truth)


def scored(score, **truth):
    return scorers.Scored(unit(Path("machine.csv"), len(score), **truth), np.asarray(score, float), np.array([]))


# Measures


def test_alarms_with_a_pause_under_ten_rows_are_one_episode():
    alarm = np.zeros(40, bool)
    alarm[[3, 12, 22]] = True  # pauses of eight and of nine rows
    assert metrics.episodes(alarm) == [(3, 13), (22, 23)]
    assert metrics.episodes(alarm, gap=30) == [(3, 23)]
    assert metrics.episodes(np.zeros(5)) == []


def test_an_episode_outside_the_region_does_not_count():
    alarm = np.array([1, 1, 0, 0, 1, 1], bool)
    assert metrics.count_episodes(alarm, np.array([0, 0, 1, 1, 1, 1], bool)) == 1
    assert metrics.share(alarm, np.array([0, 1, 1, 1, 1, 0], bool)) == 50.0


def test_precision_recall_and_f1_are_those_of_the_textbook():
    assert metrics.precision_recall_f1([1, 1, 1, 0, 0], [1, 0, 0, 1, 0]) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    assert metrics.precision_recall_f1([1, 0], [0, 0]) == (0, 0, 0)


def test_areas_are_those_counted_by_hand():
    label, score = [1, 0, 1], [0.9, 0.8, 0.7]
    assert metrics.average_precision(label, score) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert metrics.roc_auc(label, score) == pytest.approx(1 / 2)
    assert metrics.best_f1(label, score) == pytest.approx((4 / 5, 0.7))


def test_a_score_without_information_gets_the_share_of_anomalies():
    label, score = [0, 1, 0, 0], [0.5] * 4
    assert metrics.average_precision(label, score) == 0.25
    assert metrics.roc_auc(label, score) == 0.5
    assert metrics.vus_pr(label, score, longest=0) == 0.25


def test_an_alarm_just_beside_an_anomaly_is_worth_something_only_with_a_buffer():
    label, score = np.zeros(100), np.zeros(100)
    label[50:60] = 1
    assert metrics.vus_pr(label, label, longest=0) == 1.0
    score[45:50] = 1
    assert metrics.vus_pr(label, score, longest=0) == pytest.approx(0.1)
    assert metrics.vus_pr(label, score, longest=40) > 0.2


def test_luck_is_the_share_of_places_at_which_a_window_would_hit():
    alarm = np.array([0, 0, 1, 0, 0, 0], bool)
    assert metrics.chance(alarm, np.ones(6, bool), 2) == 2 / 5


# NAB


def nab_file(*alarms, rows=4000, windows=((1000, 1099), (2500, 2599))):
    score = np.zeros(rows)
    score[list(alarms)] = 1.0
    return score, list(windows)


@pytest.mark.parametrize("profile", nab_score.PROFILES)
def test_the_nab_score_of_a_perfect_detector_is_100_and_of_a_silent_one_0(profile):
    assert nab_score.score([nab_file(1000, 2500)], profile, 0.99)[0] == pytest.approx(100)
    assert nab_score.score([nab_file()], profile, 0.99)[0] == 0


def test_in_nab_a_false_row_far_from_a_window_costs_its_full_weight_and_one_in_probation_nothing():
    assert nab_score.score([nab_file(1000, 2500, 800)], "standard", 0.99)[0] == pytest.approx(100 * (4 - 0.11) / 4)
    assert nab_score.score([nab_file(1000, 2500, 500)], "standard", 0.99)[0] == pytest.approx(100)


def test_the_best_nab_threshold_is_never_worse_than_a_fixed_one():
    rng = np.random.default_rng(1)
    files = [(rng.random(4000), [(1000, 1099), (2500, 2599)])]
    assert nab_score.score(files)[0] >= nab_score.score(files, threshold=0.99)[0]


def test_what_nab_says_of_the_earlier_35_files_does_not_depend_on_the_others():
    def machine(category, *alarms):
        score, windows = nab_file(*alarms)
        return scored(score, category=category, windows=windows)

    earlier = [machine("realKnownCause", 1000), machine("artificialWithAnomaly", 2500, 800)]
    later = [machine("realTraffic"), machine("realTweets", 1500)]
    whole, part, others = scorers.nab(earlier + later, 0.99), scorers.nab(earlier, 0.99), scorers.nab(later, 0.99)
    assert whole["nab, 35 files"] == part["nab, 35 files"] == part["nab"]
    assert whole["nab"] != part["nab"]
    assert [title for title in others if "35 files" in title] == []


# Synthetic machines


def test_a_synthetic_machine_is_the_same_every_time_and_unlike_its_twin():
    table, truth = ageing.machine(2, 1)
    again, same = ageing.machine(2, 1)
    pd.testing.assert_frame_equal(table, again)
    assert truth == same
    twin, other = ageing.machine(2, 2)
    assert list(twin) == list(table)
    assert other["faults"] != truth["faults"]


def test_nothing_breaks_in_the_warm_up_and_faults_do_not_overlap():
    _, truth = ageing.machine(1, 1)
    starts, ends = zip(*((f["start"], f["end"]) for f in truth["faults"]), strict=True)
    assert starts[0] >= ageing.WARMUP
    assert ends[-1] <= ageing.RESET
    assert all(end + ageing.SETTLE <= start for end, start in zip(ends[:-1], starts[1:], strict=True))


# What plants have


def test_a_machine_of_a_plant_is_the_same_every_time_and_another_with_another_seed():
    table, truth = plant.Machine(1, "b discrete", False).finish()
    again, same = plant.Machine(1, "b discrete", False).finish()
    pd.testing.assert_frame_equal(table, again)
    assert truth == same
    assert (truth["sensors"], truth["faults"]) == (len(table.columns) - 1, [])
    other, _ = plant.Machine(2, "b discrete", False).finish()
    assert len(other) != len(table)


@pytest.mark.parametrize("family", plant.FAMILIES)
def test_a_machine_of_a_plant_breaks_late_and_far_from_all_that_is_odd(family):
    table, truth = plant.Machine(1, family, True).finish()
    ends = [o["end"] for o in truth["odd"]]
    for fault in truth["faults"]:
        assert fault["start"] >= max([len(table) // 2, *(end + plant.APART for end in ends)])
        assert 100 <= fault["end"] - fault["start"] <= 1500
        assert set(fault["causes"]) <= set(table)
        ends.append(fault["end"])


def test_a_constant_of_a_plant_has_one_value_until_it_moves_for_the_first_time():
    table, truth = plant.Machine(1, "a constants", False).finish()
    [(kind, start)] = [(o["kind"], o["start"]) for o in truth["odd"]]
    assert kind == "first move"
    assert start > 1000
    assert table["setpoint"][:start].nunique() == 1
    assert table["setpoint"][start] != table["setpoint"][start - 1]


ROWS = 6000  # of the machines below
FAULT = {"kind": "step", "start": 5000, "end": 5600, "causes": ("s01",)}
FIRST_MOVE = {"kind": "first move", "start": 1000, "end": 1010}


def plants(*alarms, score=None, fault=FAULT, family="a constants", cause="s01"):
    """One machine that moves once and breaks once, with alarms in the given rows."""
    score = np.zeros(ROWS) if score is None else score
    score[list(alarms)] = 1.0
    item = scored(score, family=family, kind="blip", step_s=1.0, sensors=1, odd=[FIRST_MOVE], faults=[fault])
    return replace(item, cause=np.full(ROWS, cause))


def life(item):
    return dict(scorers.plant([item], 0.99)["plant: healthy life"])["this, all"]


def faults(item):
    return dict(scorers.plant([item], 0.99)["plant: faults by family"])["this, once a constant has moved"]


def test_a_score_that_stands_above_zero_is_blind_and_one_that_is_silent_is_not():
    assert life(plants(score=np.full(ROWS, 0.5)))["blind %"] == pytest.approx(100)
    assert life(plants(score=np.full(ROWS, 1.0)))["blind machines"] == 1
    assert life(plants())["blind %"] == 0
    moving = np.tile([0.5, 0.6], ROWS // 2)
    assert life(plants(score=moving))["blind %"] == 0
    moving[: scorers.STILL] = 0.5
    assert life(plants(score=moving.copy()))["blind %"] > 0
    moving[100:120] = np.tile([0.5, 0.6], 10)
    assert life(plants(score=moving))["blind %"] == 0


def test_to_tell_what_is_odd_is_no_mistake_and_to_go_on_telling_is():
    until = FIRST_MOVE["end"] + scorers.EXCUSED
    excused = life(plants(*range(FIRST_MOVE["start"], until)))
    assert (excused["rows % median"], excused["odd rows %"], excused["longest rows"]) == (0, 100, 0)
    longer = life(plants(*range(FIRST_MOVE["start"], until + 7)))
    assert (longer["odd rows %"], longer["longest rows"], longer["young rows mean"]) == (100, 7, 7)
    assert longer["longest h"] == pytest.approx(7 / 3600)


def test_no_alarm_is_false_in_a_fault_and_soon_after_it():
    end = FAULT["end"] + scorers.SETTLE
    assert life(plants(*range(FAULT["start"], end)))["rows % median"] == 0
    assert life(plants(end))["rows % median"] > 0


def test_a_fault_of_a_plant_must_be_noticed_soon_but_a_drift_while_it_lasts():
    late = FAULT["start"] + scorers.DUE + scorers.GRACE
    assert faults(plants(late - 1))["found %"] == 100
    assert faults(plants(late))["found %"] == 0
    assert faults(plants(late, fault=FAULT | {"kind": "drift"}))["found %"] == 100


def test_a_fault_that_is_found_in_one_row_is_hardly_held_and_one_that_is_missed_is_not_at_all():
    found = faults(plants(5000))
    assert (found["found %"], found["held %"]) == (100, pytest.approx(100 / 600))
    assert faults(plants(*range(5000, 5600)))["held %"] == 100
    missed = faults(plants(*range(5500, 5600)))
    assert (missed["found %"], missed["held %"]) == (0, 0)


def test_a_cause_is_right_if_most_alarms_name_the_sensor_and_is_not_asked_when_all_sensors_move():
    assert faults(plants(5000))["right cause %"] == 100
    assert faults(plants(5000, cause="s02"))["right cause %"] == 0
    assert faults(plants(5000, fault=FAULT | {"causes": ()}))["of"] == 0


def test_every_figure_of_a_plant_that_the_ablations_show_is_one_of_the_boards():
    tables = scorers.plant([plants(), plants(family="b discrete")], 0.99)
    figures = ablations.chosen({"plant": {"tables": {title: dict(lines) for title, lines in tables.items()}}})
    assert list(figures) == [name for name, part, *_ in ablations.FIGURES if part == "plant"]
    assert None not in figures.values()


# The board


def answer(tmp_path, **columns):
    out = tmp_path / "out"
    out.mkdir()
    rows = {"time": [1, 2], "score": [0.0, 1.0], "severity": ["normal"] * 2, "cause": ["a"] * 2} | columns
    pd.DataFrame(rows).to_csv(out / "machine.csv", index=False)
    return out


def test_an_answer_with_a_row_for_every_row_is_taken(tmp_path):
    taken = board.read(unit(Path("machine.csv"), 2), answer(tmp_path))
    assert taken.score.tolist() == [0.0, 1.0]


def test_a_missing_row_a_missing_file_and_a_missing_column_are_refused(tmp_path):
    out = answer(tmp_path)
    with pytest.raises(SystemExit, match=r"machine\.csv: 2 rows for 3 input rows"):
        board.read(unit(Path("machine.csv"), 3), out)
    with pytest.raises(SystemExit, match=r"other\.csv: not written"):
        board.read(unit(Path("other.csv"), 2), out)
    (out / "machine.csv").write_text("time,score\n1,0\n2,0\n")
    with pytest.raises(SystemExit, match="no column severity, cause"):
        board.read(unit(Path("machine.csv"), 2), out)


@pytest.mark.parametrize("score", [1.01, -0.01, float("nan"), "high"])
def test_a_score_that_is_not_in_0_to_1_is_refused(tmp_path, score):
    with pytest.raises(SystemExit, match=r"1 scores are not in \[0, 1\], first in row 1"):
        board.read(unit(Path("machine.csv"), 2), answer(tmp_path, score=[0.5, score]))


def test_a_command_that_fails_ends_the_run_with_what_it_said(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3:\nno such sensor"):
        board.run(f"{sys.executable} -c \"print('no such sensor'); raise SystemExit(3)\"", [], tmp_path)


DETECTOR = """
import csv, pathlib, sys
path, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[3])
values = [float(row["a"]) for row in csv.DictReader(path.open())]
with (out / path.name).open("w") as file:
    file.write("time,score,severity,cause\\n")
    for i, value in enumerate(values):
        file.write(f"{i},{value / max(WHAT)},normal,a\\n")
"""


@pytest.mark.parametrize(("what", "online"), [("values", False), ("values[:i + 1]", True)])
def test_a_detector_that_knows_the_future_is_found_out(tmp_path, what, online):
    script, path = tmp_path / "detector.py", tmp_path / "machine.csv"
    script.write_text(DETECTOR.replace("WHAT", what))
    pd.DataFrame({"time": range(10), "a": range(1, 11)}).to_csv(path, index=False)
    command = f"{sys.executable} {script}"
    board.run(command, [path], tmp_path / "out")
    whole = board.read(unit(path, 10), tmp_path / "out")
    assert (board.looks_ahead(command, [whole], tmp_path) == 0) is online


def test_a_set_without_data_is_named_in_one_line_and_left_out(tmp_path, monkeypatch, capsys):
    (tmp_path / "skab").mkdir()  # there, but empty
    sets = [name for name in corpus.SETS if name not in corpus.MADE]
    call = f"board.py --command none --data {tmp_path} --work {tmp_path / 'work'} --rescore --sets {','.join(sets)}"
    monkeypatch.setattr(sys, "argv", call.split())
    board.main()
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split(": left out, no ")[0] for line in lines] == sets
    assert all(line.endswith("see benchmarks/quality/README.md") for line in lines)


def test_labels_never_reach_an_input_file(tmp_path):
    folder = tmp_path / "skab" / "data" / "other"
    folder.mkdir(parents=True)
    (folder / "1.csv").write_text(
        "datetime;Current;anomaly;changepoint\n2020-03-09 10:00:00;1.5;0.0;0.0\n2020-03-09 10:00:01;1.6;1.0;1.0\n"
    )
    (machine,) = corpus.prepare("skab", tmp_path, tmp_path / "in")
    assert machine.path.read_text().splitlines()[0] == "time,Current"
    assert machine.truth["anomaly"].tolist() == [False, True]


# Calibration


def test_healthy_streams_are_counted_as_the_set_itself_counts_them():
    _, truth = ageing.machine(2, 1)
    score = np.random.default_rng(3).random(ageing.ROWS)
    item = scored(score, **truth)
    (stream,) = calibration.streams("ageing", [item], 0.999)
    ((_, expected),) = ageing.score([(item.unit, score)], 0.999)["ageing: every machine"]
    row = calibration.table([stream])[0][1]
    assert row["false/10k median"] == pytest.approx(expected["false/10k"])
    assert row["rows % worst"] == pytest.approx(expected["false rows %"])


def test_healthy_rows_of_a_plant_are_those_of_its_own_scorer():
    item = plants(score=np.random.default_rng(3).random(ROWS))
    (stream,) = calibration.streams("plant", [item], 0.99)
    ((_, expected),) = scorers.plant([item], 0.99)["plant: every machine"]
    row = calibration.table([stream])[0][1]
    assert row["false/10k median"] == pytest.approx(expected["false/10k"])
    assert row["rows % worst"] == pytest.approx(expected["rows %"])


def quiet(rows, *alarms):
    score = np.zeros(rows)
    score[list(alarms)] = 1.0
    return scored(score, scored=0, anomalies=[])


def test_short_streams_are_pooled_and_a_short_pool_is_left_out():
    pooled = calibration.streams("smap_msl", [quiet(600, 5), quiet(2000, 5, 500), quiet(400, 7, 8)], 0.99)
    assert [(s.files, s.rows, s.episodes, s.in_alarm) for s in pooled] == [(1, 2000, 2, 2), (2, 1000, 2, 3)]
    everything = calibration.table(pooled + calibration.streams("ur3_cobotops", [], 0.99))
    assert [name for name, _ in everything] == [
        "this, all sets",
        "one rate everywhere, by chance",
        "this, smap_msl",
    ]
    row = everything[0][1]
    assert (row["streams"], row["pooled files"], row["left out"], row["healthy rows"]) == (2, 2, 0, 3000)
    assert (row["false/10k median"], row["rows % worst"]) == (15.0, pytest.approx(0.3))
    lonely = calibration.table(calibration.streams("smap_msl", [quiet(600, 5)], 0.99))[0][1]
    assert (lonely["streams"], lonely["left out"]) == (0, 1)


def test_streams_of_one_rate_lie_apart_by_chance_the_more_the_shorter_they_are():
    def apart(rows):
        found = [calibration.Stream("nab", str(n), 1, rows, rows // 1000, 0) for n in range(40)]
        return dict(calibration.table(found))["one rate everywhere, by chance"]

    long, short = apart(1_000_000), apart(2000)
    assert 9.0 < long["false/10k q10"] < 10.0 < long["false/10k q90"] < 11.0
    assert short["false/10k q10"] < 2.0
    assert short["false/10k q90"] > 15.0


def test_a_command_may_be_told_the_least_and_largest_value_of_every_sensor(tmp_path):
    path = tmp_path / "press[1].csv"
    path.write_text("time,a,still,b\n2020-01-01,3,1,\n2020-01-02,-1,1,2.5\n2020-01-03,2,1,0.5\n")
    board.declare([unit(path, 3)], tmp_path / "declared.yaml")
    rule = match_rule(load(tmp_path / "declared.yaml", {}).machines, "press[1]")
    assert rule.sensors == {"a": Sensor(range=(-1.0, 3.0)), "b": Sensor(range=(0.5, 2.5))}


# The data


def test_data_is_recognised_however_it_was_compressed(tmp_path):
    folder = tmp_path / "gas_turbine"
    folder.mkdir()
    path = folder / "gt_2011.csv.gz"
    path.write_bytes(gzip.compress(b"AT\n1\n", 1, mtime=5))
    expected = hashlib.sha256(b"AT\n1\n").hexdigest()
    manifest = f"{expected}  gas_turbine/gt_2011.csv.gz\n{'0' * 64}  nab/a.csv\n"
    assert verify.check(tmp_path, manifest) == {"gas_turbine": []}
    path.write_bytes(gzip.compress(b"AT\n2\n"))
    (folder / "gt_2016.csv").write_text("AT\n1\n")
    assert verify.check(tmp_path, manifest) == {
        "gas_turbine": ["gas_turbine/gt_2011.csv.gz is different", "gas_turbine/gt_2016.csv does not belong to it"]
    }
    path.unlink()
    assert verify.check(tmp_path, manifest)["gas_turbine"][0] == "gas_turbine/gt_2011.csv.gz is missing"


def test_every_set_has_its_source_in_the_readme_and_its_files_in_the_manifest():
    readme = (QUALITY / "README.md").read_text()
    assert [name for name in corpus.SETS if f"| `{name}` |" not in readme] == []
    listed = {line.split("  ")[1].split("/")[0] for line in (QUALITY / "MANIFEST.sha256").read_text().splitlines()}
    assert listed == corpus.SETS.keys() - corpus.MADE.keys()


def test_the_truths_in_the_repository_are_those_of_the_manifest():
    truths = list((QUALITY / "truth").rglob("*.json"))
    lines = (QUALITY / "MANIFEST.sha256").read_text().splitlines()
    for path in truths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"{digest}  {path.relative_to(QUALITY / 'truth').as_posix()}" in lines
    assert len(truths) == 7
