"""What a database may answer: what says nothing about a point is tried again, and a bad point stops only itself."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from servers import InfluxDB

from pipeline.delivery import Delivery
from pipeline.journal import Journal
from pipeline.records import Point
from pipeline.sinks import Refused, Sink, Unreachable, influxdb
from pipeline.sinks.influxdb import InfluxV1, InfluxV2

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def points(count: int, begin_ns: int = NOW) -> list[Point]:
    return [Point("machine", (("machine", "m"),), {"score": 0.5}, begin_ns + n * SECOND) for n in range(count)]


class Answering(ThreadingHTTPServer):
    """A server that gives one answer to every write; without an answer it takes the request and says nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status, self.headers, self.silent = 204, {}, False
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.silent:
            self.server.over.wait(30)
            return
        self.send_response(self.server.status)
        for key, value in self.server.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    answering = Answering()
    thread = threading.Thread(target=answering.serve_forever)
    thread.start()
    yield answering
    answering.over.set()
    answering.shutdown()
    thread.join()
    answering.server_close()


@pytest.fixture(params=["v1", "v2"])
def sink(request: pytest.FixtureRequest, server: Answering, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    monkeypatch.setattr(influxdb, "TIMEOUT_S", 0.3)
    made = InfluxV1(server.url, "machines") if request.param == "v1" else InfluxV2(server.url, "machines")
    yield made
    made.close()


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_an_answer_that_says_nothing_about_a_point_is_a_reason_to_wait(sink: Sink, server: Answering, status: int):
    server.status = status
    with pytest.raises(Unreachable, match=str(status)):
        sink.write(points(2))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_answer_about_the_points_is_a_refusal(sink: Sink, server: Answering, status: int):
    server.status = status
    with pytest.raises(Refused, match=str(status)):
        sink.write(points(2))


def test_a_server_that_says_when_is_asked_again_then(sink: Sink, server: Answering):
    server.status, server.headers = 503, {"Retry-After": "17"}
    with pytest.raises(Unreachable) as told:
        sink.write(points(2))
    assert told.value.retry_after_s == 17.0


def test_a_server_that_says_when_in_a_thousand_years_is_asked_again_within_the_hour(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.commit(None, points=points(1))

    class Impertinent:
        def write(self, points: object) -> None:
            raise Unreachable("later", retry_after_s=1e11)

        def close(self) -> None:
            pass

    delivery = Delivery(journal.path, Impertinent(), lambda *_: None)
    assert delivery.step() == 3600.0
    delivery.close()
    journal.close()


def test_a_server_that_never_answers_is_given_up_and_tried_again(sink: Sink, server: Answering):
    server.silent = True
    with pytest.raises(Unreachable):
        sink.write(points(2))


@pytest.mark.servers
def test_points_too_old_for_the_database_are_dead_letters_and_hold_up_no_other(influxd: InfluxDB, tmp_path: Path):
    influxd.query('CREATE DATABASE "short" WITH DURATION 1h')
    good, old = points(50, time.time_ns()), points(3)  # the database goes by its clock
    mixed = [*good[:20], old[0], *good[20:40], *old[1:], *good[40:]]
    journal = Journal(tmp_path / "journal.sqlite")
    journal.commit(None, points=mixed)
    dead: list[tuple[str, Point]] = []
    delivery = Delivery(
        journal.path, InfluxV1(influxd.url, "short"), lambda reason, point: dead.append((reason, point))
    )
    while delivery.step() == 0.0:
        pass
    assert [point for _, point in dead] == old
    assert all("retention" in reason for reason, _ in dead)
    assert influxd.query("SELECT count(score) FROM machine", "short")[0]["count"] == 50
    delivery.close()
    journal.close()
    influxd.query('DROP DATABASE "short"')
