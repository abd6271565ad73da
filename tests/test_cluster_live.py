"""The application on a real Spark, from Kafka's protocol to a real InfluxDB, while its parts are killed."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import psutil
from logs import plant
from mock_kafka import MockKafka
from servers import until

from pipeline.cluster.messages import Packer
from pipeline.config.file import load
from pipeline.service.connections import open_sink
from pipeline.storage.data_folder import beginning

BUCKETS = 4
LOG = plant(np.random.default_rng(13))
MEASUREMENTS = ("machine", "sensor", "incident", "ageing", "command")


class Application:
    """`spikewatch cluster submit` in a process group of its own; usable with `with`."""

    def __init__(self, folder, kafka, *more):
        own = ("--kafka", kafka.address, "--checkpoint", folder / "checkpoint", "--config", folder / "plant.yaml")
        size = ("--buckets", f"{BUCKETS}", "--partitions", "2", "--dump-every", "3")
        command = [sys.executable, "-m", "pipeline", "cluster", "submit", *map(str, own), *size, *more]
        self._output = (folder / "spark.log").open("ab")
        environ = {**os.environ, "SPARK_WORKER_DIR": str(folder / "work")}
        self.process = subprocess.Popen(
            command, stdout=self._output, stderr=self._output, env=environ, start_new_session=True
        )

    def parts(self, pattern):
        """Processes below it whose command line fits, the oldest first."""
        found = []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if re.search(pattern, " ".join(one.cmdline())):
                    found.append(one)
            except psutil.NoSuchProcess:
                continue
        return sorted(found, key=lambda one: one.create_time())

    def kill(self):
        """End driver and executors as a power cut would."""
        for one in (*self.parts("."), self.process):
            one.kill()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self._output.close()


def messages():
    """The log in four parts, as messages of buckets."""
    packer, parts = Packer(BUCKETS, 7), []
    for part in np.array_split(np.arange(len(LOG)), 4):
        given = []
        for number, one in enumerate(part):
            packer.add(LOG[one])
            if number % 20 == 0 or one == part[-1]:
                given += packer.flush()
        parts.append(given)
    return parts


def stored(influxdb, database):
    """All points of a database, but for what buckets say of themselves."""
    return {name: influxdb.query(f"SELECT * FROM {name}", database) for name in MEASUREMENTS}


def readings(influxdb):
    """How many the application says that it has scored."""
    rows = influxdb.query("SELECT last(readings) AS n FROM bucket GROUP BY bucket", "spark")
    return sum(row["n"] for row in rows)


def test_after_kills_of_an_executor_a_worker_and_the_driver_the_database_has_what_one_engine_says(tmp_path, influxdb):
    plant_yaml = "influxdb: {{url: '{url}', database: {database}}}\nemit: {{every: 0s, sensors: 0s}}\n"
    for name in ("spark", "one"):
        influxdb.query(f"CREATE DATABASE {name}")
        (tmp_path / f"{name}.yaml").write_text(plant_yaml.format(url=influxdb.url, database=name))
    (tmp_path / "spark.yaml").rename(tmp_path / "plant.yaml")
    config = load(tmp_path / "one.yaml", os.environ)
    engine, sink = beginning(config)(), open_sink(config, os.environ)
    sink.write(engine.points(engine.step(engine.arrange(LOG))))
    sink.close()
    expected = stored(influxdb, "one")
    first, second, third, fourth = messages()
    whole = np.cumsum([sum(map(len, part)) for part in np.array_split(np.array(LOG, object), 4)])

    with MockKafka() as kafka:
        with Application(tmp_path, kafka, "--master", "local-cluster[2,1,1024]", "--trigger", "500ms") as live:
            kafka.send("spikewatch", first)
            until(lambda: readings(influxdb) == whole[0], f"the first part; see {tmp_path}/spark.log", 240)
            kafka.send("spikewatch", second + first[-9:])  # nine come twice
            live.parts("CoarseGrainedExecutorBackend")[0].send_signal(signal.SIGKILL)
            until(lambda: readings(influxdb) == whole[1], "the second part", 120)
            kafka.send("spikewatch", third)
            live.parts(r"pyspark[./]daemon")[-1].send_signal(signal.SIGKILL)
            until(lambda: readings(influxdb) >= whole[1] + 1, "some of the third part", 120)
            kafka.send("spikewatch", fourth + third[-5:])
            live.kill()
        with Application(tmp_path, kafka, "--master", "local[2]", "--once") as again:
            assert again.process.wait(240) == 0
    assert readings(influxdb) == whole[3]
    found = stored(influxdb, "spark")
    for name in MEASUREMENTS:
        assert found[name] == expected[name], name
    assert len(expected["sensor"]) > 0.9 * whole[3]
    with Application(tmp_path, kafka, "--master", "local[2]", "--buckets", "8") as other:
        assert other.process.wait(240) == 1
    assert "checkpoint began with buckets 4, not 8" in (tmp_path / "spark.log").read_text()
