"""`spikewatch simulate`: a plant in numbers, what breaks in it, and that it reaches a real broker."""

import math

import numpy as np
import pytest
from servers import Mosquitto
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning.faults import Fault, Kind
from pipeline.commissioning.plant import Plant, machine_names, sensor_names
from pipeline.commissioning.simulation import due_s, messages
from pipeline.config.settings import Config
from pipeline.engine.engine import Engine
from pipeline.mqtt import Broker, Receiver
from pipeline.payloads import Decoder
from pipeline.records import Machine, Message, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def lived(rows, machines=2, sensors=5, seed=1, faults=()):
    plant = Plant(machines, sensors, 0.1, seed, faults)
    return np.array([plant.next() for _ in range(rows)])


def test_the_same_seed_gives_the_same_readings_and_another_gives_others():
    assert np.array_equal(lived(300), lived(300))
    assert not np.array_equal(lived(300), lived(300, seed=2))


def test_a_machine_does_not_depend_on_how_many_others_there_are():
    assert np.array_equal(lived(200, machines=5)[:, :2], lived(200, machines=2))


@pytest.mark.parametrize("kind", Kind)
def test_a_fault_changes_its_own_machine_from_its_row_on_and_nothing_else(kind):
    healthy, broken = lived(300), lived(300, faults=(Fault(kind, 1, 200),))
    assert np.array_equal(healthy[:200], broken[:200])
    assert np.array_equal(healthy[:, 0], broken[:, 0])
    assert not np.array_equal(healthy[200:, 1], broken[200:, 1], equal_nan=True)


def test_what_is_stuck_repeats_itself_and_what_drops_out_says_nothing():
    stuck = lived(300, faults=(Fault(Kind.STUCK, 0, 200, 2),))
    assert len(set(stuck[199:, 0, 2].tolist())) == 1
    gone = lived(300, faults=(Fault(Kind.DROPOUT, 0, 200, 2),))
    assert np.isnan(gone[200:, 0, 2]).all()
    assert not np.isnan(gone[:200]).any()


def test_machines_age():
    plant = Plant(1, 5, 3600.0, 0)  # a row an hour
    life = np.array([plant.next()[0] for _ in range(24 * 90)])
    moved = np.abs(life[-500:].mean(axis=0) - life[:500].mean(axis=0)) / life[:500].std(axis=0)
    assert moved.max() > 1.0


def test_a_fault_that_nobody_can_have_is_refused():
    with pytest.raises(ValueError, match="at least 4 sensors"):
        Plant(1, 3, 0.1, 0, (Fault(Kind.LEAK, 0, 0),))
    with pytest.raises(ValueError, match="no such machine"):
        Plant(1, 3, 0.1, 0, (Fault(Kind.STUCK, 1, 0),))


@pytest.mark.parametrize("kind", [Kind.BEARING, Kind.LEAK, Kind.STUCK, Kind.OFFSET, Kind.DRIFT])
def test_the_network_finds_what_breaks_after_600_rows(kind):
    # What creeps, and moves two sensors together, is found once the machine is known for longer.
    begins = 1500 if kind is Kind.LEAK else 600
    names, engine = sensor_names(5), Engine()
    rows = lived(begins + 800, machines=1, seed=8, faults=(Fault(kind, 0, begins),))[:, 0]
    readings = [
        [Reading(Machine("m"), names[c], START + t * SECOND // 10, x) for c, x in enumerate(row) if x == x]
        for t, row in enumerate(rows.tolist())
    ]
    severity = engine.step(engine.arrange(readings)).severity
    assert not severity[:begins].any()
    assert (severity[begins:] > 0).sum() > 100


def test_history_is_played_fast_until_the_present_is_reached():
    times = np.array([due_s(t, 60.0, 3600.0) for t in np.arange(0.0, 7200.0, 10.0)])
    data = np.arange(0.0, 7200.0, 10.0) - 3600.0
    assert (data <= times).all()  # never from the future
    assert np.allclose(times[-1] - times[-2], 10.0)
    assert np.allclose(times[1], 10.0 / 60.0)


@pytest.mark.parametrize("topic", ["plant/{machine}/{sensor}", "plant/{machine}"])
def test_a_configuration_without_a_word_understands_both_kinds_of_topics(topic):
    decoder = Decoder(Config().mqtt.sources, Config().times, 10_000)
    said = list(messages(Plant(3, 5, 0.1, 0), machine_names(3), sensor_names(5), topic, 0.1, START, rows=4))
    found, refused = [], []
    for _, name, payload in said:
        readings, bad, _ = decoder.decode(Message(name, payload, START + SECOND))
        found += readings
        refused += bad
    assert not refused
    assert len(found) == 3 * 5 * 4
    assert {one.machine.name for one in found} == {"press-01", "press-02", "press-03"}
    assert {one.sensor for one in found} == set(sensor_names(5))
    assert math.isclose(said[-1][0], 0.3)


@pytest.mark.servers
def test_it_reaches_a_broker(mosquitto: Mosquitto):
    receiver = Receiver(Broker.of(mosquitto.url, client_id="listener"), [("plant/#", 1)])
    receiver.start()
    assert receiver.wait_subscribed(10.0)
    numbers = ("--topic", "plant/{machine}/{sensor}")
    done = CliRunner().invoke(
        app,
        [
            "simulate",
            "--url",
            mosquitto.url,
            *["--machines", "2", "--sensors", "3", "--rate", "20", "--for", "1s"],
            *numbers,
        ],
    )
    assert done.exit_code == 0, done.output
    heard: list[Message] = []
    while len(heard) < 120:
        batch = receiver.take(1000, 5.0)
        assert batch, f"only {len(heard)} messages"
        heard += batch
    receiver.stop()
    assert len(heard) == 20 * 2 * 3
    assert {one.topic for one in heard} == {
        f"plant/{machine}/{sensor}" for machine in machine_names(2) for sensor in sensor_names(3)
    }


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--url", "http://x"], "--url: is not a URL of the kind that is needed (mqtt://host", 2),
        (["--topic", "plant"], "needs {machine}", 2),
        (["--speed", "60", "--topic", "p/{machine}/{sensor}"], "no time of its own", 2),
        (["--fault", "leak", "--sensors", "2"], "at least 4 sensors", 2),
        (["--fault", "stuck", "--machine", "mill"], "mill is none of press-01 to press-06", 2),
        (["--after", "soon", "--fault", "stuck"], "--after", 2),
        (["--url", "mqtt://127.0.0.1:9"], "no broker at 127.0.0.1:9", 1),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_published(words, said, code):
    done = CliRunner().invoke(app, ["simulate", *words])
    assert done.exit_code == code
    assert said in done.output
