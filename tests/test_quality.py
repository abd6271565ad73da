"""The scoreboard of benchmarks/quality: its measures by hand, its rules, its synthetic machines."""

import gzip
import hashlib
import sys
from pathlib import Path

import ageing
import board
import calibration
import corpus
import metrics
import nab_score
import numpy as np
import pandas as pd
import pytest
import scorers
import verify

from pipeline.config import Sensor, match_rule
from pipeline.config_file import load

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
    sets = [name for name in corpus.SETS if name != "ageing"]
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
    assert listed == corpus.SETS.keys() - {"ageing"}


def test_the_truths_in_the_repository_are_those_of_the_manifest():
    truths = list((QUALITY / "truth").rglob("*.json"))
    lines = (QUALITY / "MANIFEST.sha256").read_text().splitlines()
    for path in truths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"{digest}  {path.relative_to(QUALITY / 'truth').as_posix()}" in lines
    assert len(truths) == 7
