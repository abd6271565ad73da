"""What machines of one kind have in common: learned, written, read, given to a new one, and what that is worth."""

import json
import re

import numpy as np
import pytest
from test_engine import SECOND, START, run, same
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.prior_file import PriorError, read_prior, write_prior
from pipeline.engine.engine import Engine
from pipeline.network.prior import ROWS, Prior, pooled
from pipeline.records import Machine, Reading
from pipeline.storage.journal import Journal
from pipeline.storage.snapshots import Snapshots

SENSORS = 4


def life(name, seed, rows, offset=0.0, fault=None):
    """Messages of a machine that idles and runs: its sensors follow one load and share one slow fluctuation.

    `fault`: row from which sensor 1 is six sigmas off, which is less than it moves between idle and run.
    """
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.permutation(np.arange(rows // 150 + 1)) % 2, 150)[:rows]
    shared = np.convolve(rng.normal(size=rows + 40), np.ones(40) / 6, "valid")[:rows]
    swing, follows = np.array([20.0, -15, 10, 8]), np.array([2.0, 3, -2, 1])
    values = offset + load[:, None] * swing + shared[:, None] * follows + rng.normal(size=(rows, SENSORS))
    if fault is not None:
        values[fault:, 1] += 6
    names = [f"s{number}" for number in range(SENSORS)]
    return [
        [Reading(Machine(name), sensor, START + t * SECOND, float(x)) for sensor, x in zip(names, row, strict=True)]
        for t, row in enumerate(values)
    ]


@pytest.fixture(scope="module")
def elder():
    return run(life("press-1", 1, 2600))[1]


@pytest.fixture(scope="module")
def kind(elder):
    known = elder.fleet.learned(0)
    assert known is not None
    return known


def knowing(kind):
    return Engine(priors=lambda name: kind if name.startswith("press-") else None)


def alarms(found, name="press-2"):
    return [t for t, (_, score, _) in enumerate(found[name]) if score >= 0.99]


def test_a_new_machine_of_a_known_kind_finds_what_one_on_its_own_cannot_yet_and_keeps_calm_otherwise(kind):
    fault = 60
    broken = life("press-2", 2, 200, offset=50.0, fault=fault)
    assert not [t for t in alarms(run(broken)[0]) if t < 100]
    found = alarms(run(broken, engine=knowing(kind))[0])
    assert fault <= found[0] < fault + 20
    calm = life("press-2", 3, 800, offset=50.0)
    assert len(alarms(run(calm)[0])) > 30  # its first run after idling, until that is accepted as a new regime
    found, engine = run(calm, engine=knowing(kind))
    assert alarms(found) == []
    assert engine.summaries()[0].learned == 1.0


def test_what_a_kind_knows_changes_no_machine_of_another_and_none_without_a_prior(kind):
    messages = life("mill-1", 3, 300)
    assert run(messages, engine=knowing(kind))[0] == run(messages)[0]


def test_batch_borders_other_machines_and_a_restart_change_nothing_with_a_prior_either(kind):
    messages = life("press-2", 2, 300)
    whole, engine = run(messages, engine=knowing(kind))
    assert same(run(messages, range(7, 300, 31), engine=knowing(kind))[1], engine)
    mixed = [message for pair in zip(messages, life("press-3", 4, 300), strict=True) for message in pair]
    assert run(mixed, range(0, 600, 50), engine=knowing(kind))[0]["press-2"] == whole["press-2"]
    first, before = run(messages[:150], engine=knowing(kind))
    restored = knowing(kind)
    restored.fleet.restore(before.fleet.snapshot())
    second, after = run(messages[150:], engine=restored)
    assert first["press-2"] + second["press-2"] == whole["press-2"]
    assert same(after, engine)


def test_a_sensor_the_kind_does_not_know_learns_as_ever_beside_those_it_knows(kind):
    messages = [
        [*message, Reading(Machine("press-2"), "new", message[0].time_ns, float(np.sin(t)))]
        for t, message in enumerate(life("press-2", 2, 700))
    ]
    found, engine = run(messages, engine=knowing(kind))
    own = engine.fleet.block(0).line["expectation"]["own"]
    assert own[:SENSORS].tolist() == [ROWS + 700] * SENSORS
    assert own[SENSORS] == 699, "its experience begins with its first move"
    assert np.isfinite([score for _, score, _ in found["press-2"]]).all()


def test_a_machine_that_has_learned_too_little_has_nothing_to_tell():
    assert run(life("press-1", 1, 300))[1].fleet.learned(0) is None


def test_sensors_that_never_moved_and_machines_of_many_sensors_can_tell_of_their_kind_too():
    rng = np.random.default_rng(0)
    names = [f"s{number}" for number in range(18)]
    engine = Engine()
    for t, row in enumerate(rng.normal(size=(2100, 18))):
        row[3] = 5.0
        message = [
            Reading(Machine("m"), name, START + t * SECOND, float(x)) for name, x in zip(names, row, strict=True)
        ]
        engine.step(engine.arrange([message]))
    known = engine.fleet.learned(0)
    assert known is not None
    assert known.sensors == (*names[:3], *names[4:])
    assert known.covariance[0, 16].tolist() == np.zeros((3, 3)).tolist()  # of different cohorts: never compared
    np.testing.assert_allclose(known.covariance[:, :, 0, 0].diagonal(), 1.0, atol=0.2)


def test_several_machines_are_pooled_over_the_sensors_they_share(kind):
    other = Prior(
        ("press-9",),
        ("extra", *kind.sensors[1:]),
        3 * kind.covariance,
        3 * kind.residual,
        3 * kind.innovation,
        3 * kind.spread,
        3 * kind.energy,
    )
    both = pooled([kind, other])
    assert (both.machines, both.sensors) == (("press-1", "press-9"), kind.sensors[1:])
    np.testing.assert_allclose(both.covariance, 2 * kind.covariance[1:, 1:])
    np.testing.assert_allclose(both.energy, 2 * kind.energy[1:])


def test_a_prior_written_and_read_is_the_same_to_the_digits_written(kind, tmp_path):
    write_prior(tmp_path / "a.json", kind)
    again = read_prior(tmp_path / "a.json")
    assert again[:2] == kind[:2]
    for read, meant in zip(again[2:], kind[2:], strict=True):
        np.testing.assert_allclose(read, meant, rtol=1e-6, atol=1e-9)
    write_prior(tmp_path / "b.json", again)
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda tree: tree.pop("format"), "is not a prior"),
        (lambda tree: tree.update(format=2), "has format 2; this version reads 1"),
        (lambda tree: tree.pop("sensors"), "lacks a figure"),
        (lambda tree: tree.update(sensors={}), "has no sensors"),
        (lambda tree: tree.update(sensors=[1]), "lacks a figure"),
        (lambda tree: tree["sensors"]["s1"].pop("energy"), "lacks a figure"),
        (lambda tree: tree["sensors"]["s1"].update(residual="much"), "lacks a figure"),
        (lambda tree: tree["sensors"]["s1"].update(residual=-1), "sensor s1: a figure is negative or too large"),
        (lambda tree: tree["sensors"]["s1"].update(spread=[1, 2]), "lacks a figure"),
        (lambda tree: tree["sensors"]["s1"].update(energy=float("nan")), "sensor s1: a figure is negative"),
        (lambda tree: tree["sensors"]["s1"]["covariance"].pop("s0"), "lacks a figure"),
        (lambda tree: tree["sensors"]["s1"]["covariance"].update(s1=np.zeros((3, 3)).tolist()), "s1: a variance"),
        (lambda tree: tree["sensors"]["s1"]["covariance"].update(s0=(1e6 * np.eye(3)).tolist()), "contradict"),
    ],
)
def test_a_broken_prior_is_refused_and_says_why(kind, tmp_path, edit, says):
    path = tmp_path / "press.prior.json"
    write_prior(path, kind)
    tree = json.loads(path.read_text())
    edit(tree)
    path.write_text(json.dumps(tree))
    with pytest.raises(PriorError, match=re.escape(says)):
        read_prior(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "7", '{"format": 1}'])
def test_a_file_of_anything_is_no_prior(tmp_path, text):
    path = tmp_path / "press.prior.json"
    path.write_text(text)
    with pytest.raises(PriorError):
        read_prior(path)
    with pytest.raises(PriorError, match="cannot be read"):
        read_prior(tmp_path / "none.json")


def said(*arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def recorded(path, messages):
    """The messages as a CSV file, a column per sensor."""
    rows = [",".join([str(row[0].time_ns), *(repr(reading.value) for reading in row)]) for row in messages]
    path.write_text("\n".join(["time," + ",".join(reading.sensor for reading in messages[0]), *rows]) + "\n")


def test_a_prior_of_recordings_and_of_the_service_s_machines_is_the_same_and_score_uses_it(elder, tmp_path):
    recorded(tmp_path / "press-1.csv", life("press-1", 1, 2600))
    recorded(tmp_path / "press-2.csv", life("press-2", 2, 200, offset=50.0, fault=60))
    plant = tmp_path / "plant.yaml"
    plant.write_text(f"data: {tmp_path / 'data'}\n")
    Journal(tmp_path / "data" / "journal.sqlite", 1000).close()
    Snapshots(tmp_path / "data").write(1, elder.fleet.snapshot())
    told = said("prior", "--config", plant, "--match", "press-*", "--out", tmp_path / "press.prior.json")
    assert "4 sensors of press-1" in told
    said("prior", tmp_path / "press-1.csv", "--out", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "press.prior.json").read_bytes()

    plant.write_text(f"machines: [{{match: press-*, prior: {tmp_path / 'press.prior.json'}}}]\n")
    assert "valid" in said("check", "--config", plant)
    said("score", tmp_path / "press-2.csv", "--config", plant, "--out", tmp_path / "scores")
    scores = [float(line.split(",")[1]) for line in (tmp_path / "scores" / "press-2.csv").read_text().split()[1:]]
    assert next(t for t, score in enumerate(scores) if score >= 0.99) < 100

    assert "no machine that matches" in said("prior", tmp_path / "press-2.csv", "--out", tmp_path / "x", code=1)
    (tmp_path / "press.prior.json").write_text("{}")
    assert f"{plant}:1: machines[0].prior: {tmp_path / 'press.prior.json'} is not a prior" in said(
        "check", "--config", plant, code=2
    )
