"""`spikewatch tune`: thresholds for an alarm budget."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from machines import SECOND, START, plant
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.recordings import rounded_up
from pipeline.config.file import parsed
from pipeline.recordings.tuning import APART_NS, LOWEST, budget_of, critical_of, incidents, tune
from pipeline.records import Point
from pipeline.sinks.embedded import Embedded

HOUR = 3600 * SECOND


def naive(time_ns, score, allowed):
    """The lowest threshold from which on upwards the budget holds, tried one by one."""
    for threshold in sorted({one for one in score if one >= LOWEST}, reverse=True):
        if incidents(time_ns, score, threshold) > allowed:
            return np.nextafter(threshold, 2.0)
    return LOWEST


@pytest.mark.parametrize("seed", range(20))
def test_the_threshold_is_the_lowest_that_keeps_the_budget(seed):
    rng = np.random.default_rng(seed)
    time_ns = START + np.cumsum(rng.integers(1, 2 * APART_NS, 200))
    score = rng.choice([0.5, *np.linspace(0.96, 1.0, 15)], 200)
    for allowed in (0.5, 3.0, 10.0, 1000.0):
        found = tune(time_ns, score, allowed / int(time_ns[-1] - time_ns[0]), 0.99)
        assert found.threshold == pytest.approx(naive(time_ns, score, allowed), abs=0)
        assert found.incidents <= allowed
        assert found.now == incidents(time_ns, score, 0.99)


def test_alarms_within_ten_minutes_are_one_incident():
    time_ns = START + np.array([0, 1, 2, 13, 24, 50]) * 60 * SECOND
    assert incidents(time_ns, np.ones(6), 0.99) == 4
    assert incidents(time_ns, np.zeros(6), 0.99) == 0


def test_a_budget_is_read_as_a_person_writes_it():
    for text in ("2 per week", "2 a week", "2/week", " 2.0 per  week "):
        assert budget_of(text) * 7 * 24 * HOUR == pytest.approx(2.0)
    for text in ("", "often", "0 per week", "2 per fortnight", "-1 per day"):
        with pytest.raises(ValueError, match="2 per week"):
            budget_of(text)


def test_what_is_proposed_is_rounded_but_never_below():
    for threshold in (0.97, 0.9912345, 0.99999912345, 1.0):
        assert threshold <= rounded_up(threshold) <= 1.0
        assert 1.0 - rounded_up(threshold) == pytest.approx(1.0 - threshold, rel=0.01)
    assert critical_of(0.99) == 0.999
    assert 0.999 < critical_of(0.9999) < 1.0


def write(path: Path, table: np.ndarray, step_s: float) -> None:
    times = np.datetime64(START, "ns") + (np.arange(len(table)) * step_s * 1e9).astype("timedelta64[ns]")
    rows = [",".join([str(time), *map(str, row)]) for time, row in zip(times, table.tolist(), strict=True)]
    path.write_text("\n".join(["time," + ",".join(f"s{c}" for c in range(table.shape[1])), *rows]))


def test_recordings_give_yaml_that_keeps_the_budget(tmp_path: Path):
    faulty = [(begin, begin + 20, 1, size) for begin, size in ((1000, 30), (1300, 12), (1600, 9), (1900, 14))]
    write(tmp_path / "press-1.csv", plant(2200, 4, 1, faulty=faulty), 600.0)  # 15 days
    words = ["tune", str(tmp_path / "press-1.csv"), "--budget", "1 per week"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    [rule] = parsed(done.stdout, "x", {}).machines
    assert rule.match == "press-1"
    assert rule.alert.warning < rule.alert.critical <= 1.0
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["press-1"]
    assert found["incidents"] <= found["allowed"] < found["now"]
    assert rule.alert.warning >= found["threshold"]


def test_too_short_a_history_says_so_and_ends_with_1(tmp_path: Path):
    write(tmp_path / "press-1.csv", plant(400, 4, 1), 1.0)
    done = CliRunner().invoke(app, ["tune", str(tmp_path / "press-1.csv")])
    assert done.exit_code == 1
    assert "the history is too short for this budget" in done.stdout


def test_without_recordings_it_reads_the_embedded_store(tmp_path: Path):
    path = tmp_path / "plant.yaml"
    path.write_text(yaml.safe_dump({"data": str(tmp_path / "data")}))
    assert CliRunner().invoke(app, ["tune", "--config", str(path)]).exit_code == 1
    from pipeline.config.file import load
    from pipeline.storage.data_folder import store_path

    store = Embedded(store_path(load(path, {})))
    score = np.where(np.arange(2000) % 100 == 0, 0.995, 0.2)
    store.write(
        [
            Point("machine", (("machine", "mill"),), {"score": float(one), "learned": 1.0}, START + row * HOUR // 4)
            for row, one in enumerate(score)
        ]
        + [Point("machine", (("machine", "mill"),), {"state": "silent"}, START - 1)]
    )
    store.close()
    done = CliRunner().invoke(app, ["tune", "--config", str(path), "--budget", "1 per week"])
    assert done.exit_code == 0, done.output
    assert "days: 20 at 0.99, 0 at this value" in done.stdout  # all have one score: none of them or all
    assert parsed(done.stdout, "x", {}).machines[0].alert.warning > 0.995
    done = CliRunner().invoke(app, ["tune", "--config", str(path), "--budget", "1 per day"])
    assert done.exit_code == 0, done.output
    assert "days: 20 at 0.99, 20 at this" in done.stdout
    assert CliRunner().invoke(app, ["tune", "--budget", "often"]).exit_code == 2
