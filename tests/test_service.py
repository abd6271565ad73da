"""The whole service with real parts: Mosquitto, InfluxDB, and a process that is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from servers import InfluxDB, Mosquitto, until

from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine.engine import Engine
from pipeline.mqtt import Broker, Publisher
from pipeline.network.parameters import Params, with_context, without
from pipeline.recordings.replay import interleave, play
from pipeline.recordings.score import batches, score
from pipeline.recordings.tables import Table, read_table
from pipeline.records import Machine, Point
from pipeline.storage.journal import Journal

SAMPLES = Path(__file__).parent.parent / "sample_data"


def recording(rows: int, name: str = "ur3-robot") -> Table:
    """The first rows of a recorded machine."""
    table = read_table(SAMPLES / f"{name}.csv.gz")
    return table._replace(stamps=table.stamps[:rows], time_ns=table.time_ns[:rows], values=table.values[:rows])


def expected_points(table: Table, every_ns: int) -> list[Point]:
    """What a service that was never disturbed writes; rows that are still open at the end are not judged yet."""
    engine = Engine(every_ns)
    points = []
    for readings in batches(engine, table, 500):
        points += engine.points(engine.step(readings))
    return points


class Running:
    """`spikewatch run` as a process."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.path = folder / "config.yaml"
        self.path.write_text(yaml.safe_dump({"data": str(folder / "data"), **settings}))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "service.log").open("ab") as output:
            command = [sys.executable, "-m", "pipeline", "run", "--config", str(self.path)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        code = self.process.wait(30)
        self.process = None
        return code

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()


@pytest.fixture
def run(tmp_path: Path):
    """Makes services that do not outlive the test."""
    made: list[Running] = []

    def make(**settings: object) -> Running:
        made.append(Running(tmp_path, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for running in made:
        if running.process is not None:
            running.stop(signal.SIGKILL)


@pytest.fixture
def service(run, mosquitto: Mosquitto, influxdb: InfluxDB) -> Running:
    running = run(
        mqtt={"url": mosquitto.url, "sources": [{"topic": "plant/{machine}", "payload": "json", "time": "time"}]},
        influxdb={"url": influxdb.url, "database": "machines"},
        emit={"every": "0s", "sensors": "0s"},
        snapshot_every="1s",
    )
    until(lambda: "mqtt.connected" in running.log, "the service is subscribed", 90)
    return running


def publish(mosquitto: Mosquitto, table: Table) -> None:
    with Publisher(Broker.of(mosquitto.url, client_id="recorder", protocol=4)) as publisher:
        play(interleave([table], "plant/{machine}", float("inf")), publisher.publish)
        publisher.drain()


def written(influxdb: InfluxDB, measurement: str = "machine") -> int:
    rows = influxdb.query(f"SELECT count(score) FROM {measurement}", "machines")
    return int(rows[0]["count"]) if rows else 0


def of_machines(points: list[Point]) -> list[Point]:
    return [point for point in points if point.measurement == "machine"]


def of_sensors(points: list[Point]) -> list[Point]:
    """In the order in which `sensors_of` has them."""
    chosen = [point for point in points if point.measurement == "sensor"]
    return sorted(chosen, key=lambda point: (point.time_ns, dict(point.tags)["sensor"]))


def all_written(influxdb: InfluxDB, points: list[Point]) -> bool:
    machines, sensors = len(of_machines(points)), len(of_sensors(points))
    return written(influxdb) >= machines and written(influxdb, "sensor") >= sensors


def assert_sensors_are(influxdb: InfluxDB, points: list[Point]) -> None:
    """Every sensor point is in the database, once, with every field that it has and no other."""
    names = ("value", "expected", "low", "high", "score", "level", "share", "quality", "masked", "changed")
    rows = influxdb.query(f"SELECT {', '.join(names)}, sensor FROM sensor WHERE machine = 'ur3-robot'", "machines")
    rows.sort(key=lambda row: (row["time"], row["sensor"]))
    expected = of_sensors(points)
    assert len(rows) == len(expected)
    for row, point in zip(rows, expected, strict=True):
        assert (row["time"], row["sensor"]) == (point.time_ns, dict(point.tags)["sensor"])
        assert {name: row[name] for name in names if row[name] is not None} == point.fields


@pytest.mark.servers
def test_a_recorded_file_over_mosquitto_arrives_in_influxdb_with_exactly_the_expected_scores(
    service: Running, mosquitto: Mosquitto, influxdb: InfluxDB
):
    table = recording(1500)
    everything = expected_points(table, 0)
    points = of_machines(everything)
    publish(mosquitto, table)
    until(lambda: all_written(influxdb, everything), f"{len(everything)} points", 60)
    assert service.stop() == 0
    assert written(influxdb) == len(points)
    assert_sensors_are(influxdb, everything)
    last = influxdb.query("SELECT last(score) FROM machine WHERE machine = 'ur3-robot'", "machines")[0]
    assert (last["time"], last["last"]) == (points[-1].time_ns, points[-1].fields["score"])
    rows = influxdb.query("SELECT score, severity, cause, why FROM machine ORDER BY time", "machines")
    assert [(row["time"], row["score"], row["cause"], row["why"]) for row in rows] == [
        (point.time_ns, point.fields["score"], point.fields["cause"], point.fields.get("why")) for point in points
    ]
    assert any(row["why"] for row in rows), "an alarm, for the test to mean something"


@pytest.mark.servers
def test_killed_in_the_middle_and_restarted_every_reading_is_scored_once_with_the_same_scores(
    service: Running, mosquitto: Mosquitto, influxdb: InfluxDB
):
    table = recording(2500)
    everything = expected_points(table, 0)
    points = of_machines(everything)
    for begin, end in ((0, 900), (900, 1800), (1800, 2500)):
        part = table._replace(time_ns=table.time_ns[begin:end], values=table.values[begin:end])
        publish(mosquitto, part)
        if end < 2500:
            until(lambda least=begin + 50: written(influxdb) >= least, "some are through", 60)
            service.stop(signal.SIGKILL)
            service.start()
    until(lambda: all_written(influxdb, everything), f"{len(everything)} points", 90)
    assert service.stop() == 0
    assert_sensors_are(influxdb, everything)
    rows = influxdb.query("SELECT score FROM machine ORDER BY time", "machines")
    assert [(row["time"], row["score"]) for row in rows] == [(p.time_ns, p.fields["score"]) for p in points]


@pytest.mark.parametrize("name", ["ur3-robot", "hydraulic-rig"])
def test_score_gives_the_service_s_scores_for_any_batch_size(name: str):
    table = recording(1200, name)
    whole = score(table)
    for rows in (1, 7, 1200):
        again = score(table, rows)
        assert np.array_equal(again.score, whole.score)
        assert again.cause == whole.cause
    points = {point.time_ns: point.fields["score"] for point in of_machines(expected_points(table, 0))}
    of_file = dict(zip(table.time_ns.tolist(), whole.score.tolist(), strict=True))
    assert len(points) >= 1150
    assert all(of_file[time_ns] == value for time_ns, value in points.items())


def test_the_first_rows_alone_get_the_same_scores():
    table = recording(800)
    part = table._replace(time_ns=table.time_ns[:500], values=table.values[:500], stamps=table.stamps[:500])
    assert np.array_equal(score(part).score, score(table).score[:500])


def test_without_a_broker_the_service_says_so_once_and_ends_cleanly_on_ctrl_c(run):
    running = run(mqtt={"url": "mqtt://127.0.0.1:1"})
    until(lambda: "mqtt.away" in running.log, "a warning", 60)
    assert running.stop(signal.SIGINT) == 0
    assert running.log.count("mqtt.away") == 1
    assert "Traceback" not in running.log


@pytest.mark.servers
def test_the_broker_says_whether_we_are_there_after_a_kill_a_restart_of_its_own_and_an_orderly_end(
    run, mosquitto: Mosquitto
):
    def status() -> dict[str, str]:
        command = ["mosquitto_sub", "-p", str(mosquitto.port), "-t", "spikewatch/status", "-C", "1", "-W", "1"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return json.loads(said or "{}")

    running = run(mqtt={"url": mosquitto.url, "sources": [{"topic": "{machine}/{sensor}"}]})
    until(lambda: status().get("state") == "online", "online", 90)
    assert set(status()) == {"state", "version", "since"}
    mosquitto.stop()
    mosquitto.start()
    until(lambda: status().get("state") == "online", "online again, at a broker that had forgotten it")
    running.stop(signal.SIGKILL)
    until(lambda: status() == {"state": "offline"}, "the last will")
    running.start()
    until(lambda: status().get("state") == "online", "online after a restart", 60)
    assert running.stop() == 0
    assert status() == {"state": "offline"}
    assert "refused" not in running.log, "what we say ourselves is no reading"


@pytest.mark.servers
def test_a_dead_database_holds_the_points_and_gets_them_when_it_is_back(run, tmp_path: Path, mosquitto: Mosquitto):
    own = InfluxDB(tmp_path / "influx")
    running = run(
        mqtt={"url": mosquitto.url},
        influxdb={"url": own.url, "database": "machines"},
        emit={"every": "0s", "sensors": "0s"},
    )
    until(lambda: "mqtt.connected" in running.log, "the service is subscribed", 60)
    table = recording(300)
    publish(mosquitto, table)
    until(lambda: "delivery.away" in running.log, "a warning", 30)
    own.start()
    own.query('CREATE DATABASE "machines"')
    points = expected_points(table, 0)
    until(lambda: all_written(own, points), "all points", 60)
    assert written(own) == len(of_machines(points))
    assert written(own, "sensor") == len(of_sensors(points))
    assert running.stop() == 0
    own.stop()
    assert running.log.count("delivery.away") == 1
    assert "delivery.back" in running.log


@pytest.mark.servers
def test_bad_input_is_counted_acknowledged_and_disturbs_no_other_reading(run, mosquitto: Mosquitto):
    running = run(
        mqtt={
            "url": mosquitto.url,
            "sources": [
                {"topic": "number/{machine}/{sensor}"},
                {"topic": "json/{machine}", "payload": "json", "time": "time"},
            ],
        },
        limits={"message_bytes": 10_000},
        emit={"every": "0s", "sensors": "0s"},
    )
    until(lambda: "mqtt.connected" in running.log, "the service is subscribed", 60)
    now = 1_750_000_000
    bad = {
        "nan": ("number/m/a", b"nan"),
        "infinite": ("number/m/a", b"-inf"),
        "null": ("json/m", b'{"time": %d, "a": null, "good": 1}' % now),
        "text": ("json/m", b'{"time": %d, "a": "high", "good": 2}' % (now + 1)),
        "boolean": ("json/m", b'{"time": %d, "a": true, "good": 3}' % (now + 2)),
        "magnitude": ("json/m", b'{"time": %d, "a": 1e308, "good": 4}' % (now + 3)),
        "empty": ("number/m/a", b""),
        "too_large": ("json/m", b'{"time": %d, "a": 1%s}' % (now, b" " * 300_000)),
        "too_deep": ("json/m", b'{"time": %d, "good": 5, "a": %s1%s}' % (now + 4, b'{"a":' * 50, b"}" * 50)),
        "duplicate_key": ("json/m", b'{"time": %d, "good": 6, "good": 7}' % (now + 5)),
        "not_number": ("number/m/a", b"\xff\xfe"),
        "not_json": ("json/m", b"{"),
        "time_future": ("json/m", b'{"time": 32503680000, "a": 1}'),
        "time_past": ("json/m", b'{"time": 86400, "a": 1}'),
    }
    with Publisher(Broker.of(mosquitto.url, client_id="tester", protocol=4)) as publisher:
        for topic, payload in [*bad.values(), ("json/m", b'{"time": %d, "good": 8}' % (now + 6))]:
            publisher.publish(topic, payload)
        publisher.drain()
    until(lambda: all(f"cause={cause} " in running.log for cause in bad), running.log, 30)
    assert running.stop() == 0
    for cause in bad:
        assert running.log.count(f"cause={cause} ") <= 1, cause
    seen = subprocess.run(
        [sys.executable, "-m", "pipeline", "machines", "--config", str(running.path), "--json"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert '"readings": 7' in seen.stdout, seen.stdout + running.log
    assert Machine("m").name in seen.stdout
    journal = Journal(running.folder / "data" / "journal.sqlite", read_only=True)
    dead = {letter.reason: (letter.what, letter.content) for letter in journal.dead()}
    journal.close()
    kept = {cause: (topic, payload[:1024]) for cause, (topic, payload) in bad.items()}
    assert dead == kept | {"too_large": ("json/m", b"")}  # of a giant message nothing is kept, not even for a moment


def test_a_wrong_configuration_names_file_line_and_key_and_ends_with_2(tmp_path: Path):
    path = tmp_path / "plant.yaml"
    path.write_text(
        "mqtt:\n  url: mqtt://broker\n  sources:\n    - topic: plant/{machine}\n      payload: xml\n"
        "console: {enabled: false}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "--config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "plant.yaml:5: mqtt.sources[0].payload" in done.stderr


def test_a_second_service_with_the_same_data_folder_is_refused(run):
    first = run(mqtt={"url": "mqtt://127.0.0.1:1"})
    until(lambda: "mqtt.away" in first.log, "the first is up", 60)
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(first.path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 2
    assert "another spikewatch already uses this data folder" in second.stderr
    assert "Traceback" not in second.stderr


def test_score_writes_a_row_per_row_and_the_same_for_several_files_at_once(tmp_path: Path):
    names = ["ur3-robot", "machine-temperature"]
    command = [sys.executable, "-m", "pipeline", "score", *(str(SAMPLES / f"{name}.csv.gz") for name in names)]
    subprocess.run([*command, "--out", str(tmp_path / "out")], check=True, capture_output=True)
    for name in names:
        table = read_table(SAMPLES / f"{name}.csv.gz")
        rows = [line.split(",") for line in (tmp_path / "out" / f"{name}.csv").read_text().splitlines()]
        assert rows[0] == ["time", "score", "severity", "cause"]
        assert [row[0] for row in rows[1:]] == table.stamps
        assert [row[1] for row in rows[1:]] == [f"{value:.6f}" for value in score(table).score]


def test_score_explains_every_row_beside_its_scores_in_columns_named_after_the_sensors(tmp_path: Path):
    path = tmp_path / "rig.csv"
    table = recording(3300, "hydraulic-rig")
    table.values[3200:, 0] *= 1.5
    lines = [
        ",".join([stamp, *map(repr, row)]) for stamp, row in zip(table.stamps, table.values.tolist(), strict=True)
    ]
    path.write_text("\n".join([",".join(["time", *table.sensors]), *lines, ""]))
    command = [sys.executable, "-m", "pipeline", "score", str(path), "--explain"]
    subprocess.run([*command, "--out", str(tmp_path / "out")], check=True, capture_output=True)
    frame = pd.read_csv(tmp_path / "out" / "rig.explain.csv", index_col="time", parse_dates=True)
    parts = ("share", "expected", "low", "high")
    assert list(frame.columns) == ["why", *(f"{sensor}.{part}" for sensor in table.sensors for part in parts)]
    assert len(frame) == 3300
    explained = score(read_table(path), explain=True).explained
    assert explained is not None
    assert frame["why"].fillna("").tolist() == explained.why
    for part in parts:
        columns = frame[[f"{sensor}.{part}" for sensor in table.sensors]].to_numpy()
        np.testing.assert_allclose(columns, getattr(explained, part), rtol=1e-8)
    scores = pd.read_csv(tmp_path / "out" / "rig.csv")
    assert (scores["severity"].ne("normal").to_numpy() == frame["why"].notna().to_numpy()).all()
    (tmp_path / "rig.explain.csv").write_text(path.read_text())
    both = subprocess.run(
        [*command, str(tmp_path / "rig.explain.csv"), "--out", str(tmp_path / "two")], capture_output=True, text=True
    )
    assert both.returncode == 2
    assert "rig.explain.csv would be written twice" in both.stderr


def test_score_applies_the_configuration_s_rules_by_file_stem(tmp_path: Path):
    rng = np.random.default_rng(3)
    values = np.round(20 + rng.normal(size=(600, 3)), 3)
    lines = [",".join(map(str, [t, *row])) for t, row in enumerate(values.tolist())]
    for name in ("press-1", "press-2"):
        (tmp_path / f"{name}.csv").write_text("\n".join(["time,a,b,noise", *lines]) + "\n")
    (tmp_path / "plant.yaml").write_text(
        "machines:\n- match: press-1\n  sensors: {a: {range: [0, 400]}, noise: {ignore: true}}\n"
        "  alert: {warning: 0.05, critical: 0.1}\n"
    )

    def scores(name: str, out: str, *options: str) -> list[str]:
        command = [sys.executable, "-m", "pipeline", "score", str(tmp_path / f"{name}.csv")]
        subprocess.run([*command, "--out", str(tmp_path / out), *options], check=True, capture_output=True)
        return (tmp_path / out / f"{name}.csv").read_text().splitlines()

    rules = ("--config", str(tmp_path / "plant.yaml"))
    assert scores("press-2", "ruled", *rules) == scores("press-2", "bare")
    found = scores("press-1", "ruled", *rules)
    # As the service takes them: the ignored sensor is as good as no column, and the range is the encoder's ruler.
    assert not [line for line in found if line.endswith("noise")]
    assert [line for line in found if ",critical," in line]
    ranged = MachineRule(sensors={"a": Sensor(range=(0.0, 400.0))})
    table = read_table(tmp_path / "press-1.csv", exclude=["noise"])
    assert [line.split(",")[1] for line in found[1:]] == [f"{value:.6f}" for value in score(table, rule=ranged).score]
    assert (score(table, rule=ranged).score != score(table).score).any()


def test_explanations_stand_in_the_columns_of_the_file_whatever_is_ignored_or_reports_first():
    table = recording(400)
    late = table.values.copy()
    late[:5, 1] = np.nan
    ignored = MachineRule(sensors={table.sensors[0]: Sensor(ignore=True)})
    told = score(table._replace(values=late), rule=ignored, explain=True).explained
    alone = score(table._replace(values=late[:, 1:], sensors=table.sensors[1:]), explain=True).explained
    assert told is not None
    assert alone is not None
    assert np.isnan(told.expected[:, 0]).all()
    np.testing.assert_array_equal(told.expected[:, 1:], alone.expected)
    np.testing.assert_array_equal(told.share[:, 1:], alone.share)
    inside = (late[:, 1:] >= told.low[:, 1:]) & (late[:, 1:] <= told.high[:, 1:])
    assert inside[300:].mean() > 0.8  # of its own band, which no other sensor's readings would be


def test_a_file_may_have_more_sensors_than_a_machine_of_the_service():
    values = np.random.default_rng(0).normal(size=(120, 300))
    names = [f"s{number}" for number in range(300)]
    wide = Table("wide", [str(row) for row in range(120)], np.arange(120) * 10**9, names, values, [])
    assert set(score(wide).cause) <= set(names)


def test_score_for_experiments_leaves_populations_out_and_stops_learning_at_a_row(tmp_path: Path):
    table = recording(700, "machine-temperature")
    everything = score(table)
    silent = score(table, params=without(Params(), ["levels", "pattern"]))
    assert not np.array_equal(silent.score, everything.score)
    frozen = score(table, freeze_at=300)
    assert np.array_equal(frozen.score[:300], everything.score[:300])
    assert not np.array_equal(frozen.score[300:], everything.score[300:])
    assert np.array_equal(frozen.score, score(table, 70, freeze_at=300).score)
    path = tmp_path / "one.csv"
    path.write_text(
        "time,value\n" + "".join(f"{t},{x}\n" for t, (x,) in zip(table.stamps, table.values, strict=True))
    )
    command = [sys.executable, "-m", "pipeline", "score", str(path), "--out", str(tmp_path / "out")]
    for options, expected in (
        (["--without", "levels, pattern"], silent),
        (["--freeze-at", "300"], frozen),
        (["--with-context"], score(table, params=with_context(Params()))),
    ):
        subprocess.run([*command, *options], check=True, capture_output=True)
        rows = (tmp_path / "out" / "one.csv").read_text().splitlines()[1:]
        assert [row.split(",")[1] for row in rows] == [f"{value:.6f}" for value in expected.score]
    refused = subprocess.run([*command, "--without", "level"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--without: no population level; there are range, value" in refused.stderr


@pytest.mark.servers
def test_a_lost_journal_beside_good_snapshots_loses_no_learning_and_numbers_nothing_twice(
    service: Running, mosquitto: Mosquitto, influxdb: InfluxDB
):
    table = recording(600)
    points = of_machines(expected_points(table, 0))
    for begin, end in ((0, 300), (300, 600)):
        publish(mosquitto, table._replace(time_ns=table.time_ns[begin:end], values=table.values[begin:end]))
        until(lambda least=end - 20: written(influxdb) >= least, "scored", 60)
        assert service.stop() == 0  # writes a snapshot
        journal = service.folder / "data" / "journal.sqlite"
        journal.write_bytes(b"no database any more" * 500)
        service.start()
        until(lambda times=2 if begin == 0 else 3: service.log.count("mqtt.connected") == times, "up again", 60)
    rows = influxdb.query("SELECT score FROM machine ORDER BY time", "machines")
    assert [(row["time"], row["score"]) for row in rows] == [(p.time_ns, p.fields["score"]) for p in points]
    assert service.log.count("journal.corrupt") == 2
