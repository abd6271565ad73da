"""Fixtures: real servers, one of each kind for a run where they can be shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from servers import InfluxDB, Mosquitto, VictoriaMetrics

from pipeline.engine import compile_network

settings.register_profile("untimed", deadline=None)  # how long a disk takes says nothing about what is right
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """The network, once, before any test waits for a service that has to."""
    compile_network()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of the test's own."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """One InfluxDB 1.6 for the run."""
    server = InfluxDB(tmp_path_factory.mktemp("influxdb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def influxdb(influxd: InfluxDB) -> Iterator[InfluxDB]:
    """InfluxDB with an empty database `machines`."""
    influxd.query('CREATE DATABASE "machines"')
    yield influxd
    influxd.query('DROP DATABASE "machines"')


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """One VictoriaMetrics for the run."""
    server = VictoriaMetrics(tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.stop()
