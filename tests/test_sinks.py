"""What a database may answer: what says nothing about a point is tried again, and a bad point stops only itself."""

import itertools
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from servers import InfluxDB

from pipeline.cli import answering
from pipeline.config.settings import Config, Console
from pipeline.records import Point
from pipeline.sinks import Refused, Sink, SinkError, Unreachable, influxdb
from pipeline.sinks.delivery import Delivery
from pipeline.sinks.influxdb import InfluxV1, InfluxV2
from pipeline.storage.journal import Journal

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def points(count: int, begin_ns: int = NOW) -> list[Point]:
    return [Point("machine", (("machine", "m"),), {"score": 0.5}, begin_ns + n * SECOND) for n in range(count)]


class Answering(ThreadingHTTPServer):
    """A server that gives one answer to every write; without an answer it takes the request and says nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status, self.headers, self.body, self.silent = 204, {}, b"", False
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
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

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


@pytest.mark.parametrize("status", [200, 201, 202, 205, 206, 301, 302, 307])
def test_an_answer_that_no_database_gives_to_a_write_is_an_outage_with_its_reason(
    sink: Sink, server: Answering, status: int
):
    """A login page of a captive portal, say: 204 is the one success that 1.x, 2.x and 3.x document."""
    server.status, server.headers = status, {"Location": "/login"}
    server.body = b"" if status == 205 else b"<html>login</html>"
    with pytest.raises(Unreachable, match=f"{status}.*{'' if status == 205 else 'login'}"):
        sink.write(points(2))
    server.status, server.body = 204, b""
    sink.write(points(2))


def test_an_answer_that_is_no_text_is_an_outage(sink: Sink, server: Answering):
    server.status, server.body = 500, b"\xff\xfe\x00nope"
    with pytest.raises(Unreachable, match=r"500.*nope"):
        sink.write(points(2))


class Sending(socketserver.ThreadingTCPServer):
    """Takes the beginning of a request and sends the same over and over, with a pause after each time."""

    daemon_threads = True

    def __init__(self, first: bytes, then: bytes, pause_s: float) -> None:
        self.first, self.then, self.pause_s = first, then, pause_s
        self.sent, self.over, self.left = 0, threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Sender)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Sender(socketserver.BaseRequestHandler):
    server: Sending

    def handle(self) -> None:
        self.request.recv(1 << 16)
        try:
            for part in itertools.chain([self.server.first], itertools.repeat(self.server.then)):
                self.request.sendall(part)
                self.server.sent += len(part)
                if self.server.over.wait(self.server.pause_s):
                    return
        except OSError:
            self.server.left.set()


SLOW = {
    "TLS handshake": ("https", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0"),
    "status line": ("http", b"HTTP/1.1 204 No", b"o"),
    "interim answers": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers": ("http", b"HTTP/1.1 204 No Content\r\nX: ", b"x"),
    "body": ("http", b"HTTP/1.1 500 No\r\nContent-Length: 100000000\r\n\r\n", b"x"),
    "chunks": ("http", b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}
WAYS: dict[str, Callable[[str], Sink]] = {
    "v1": lambda url: InfluxV1(url, "machines"),
    "v2": lambda url: InfluxV2(url, "machines"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", SLOW)
def test_an_answer_that_comes_byte_by_byte_is_given_up_at_its_deadline(
    way: str, what: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(influxdb, "TIMEOUT_S", 10.0)  # no single byte is late
    monkeypatch.setattr(influxdb, "DEADLINE_S", 0.5)
    scheme, *parts = SLOW[what]
    with Sending(*parts, pause_s=0.02) as sending:
        thread = threading.Thread(target=sending.serve_forever)
        thread.start()
        sink = WAYS[way](f"{scheme}://127.0.0.1:{sending.port}")
        began = time.monotonic()
        with pytest.raises(Unreachable):
            sink.write(points(2))
        assert time.monotonic() - began < 5.0
        assert sending.left.wait(10.0), "the connection is closed"
        sink.close()
        sending.over.set()
        sending.shutdown()
        thread.join()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_of_an_answer_without_end_only_its_beginning_is_read(way: str, status: int):
    head = b"HTTP/1.1 %d No\r\nContent-Type: text/plain\r\n\r\n" % status
    with Sending(head, b"because " * (1 << 16), pause_s=0.0) as sending:
        thread = threading.Thread(target=sending.serve_forever)
        thread.start()
        sink = WAYS[way](f"http://127.0.0.1:{sending.port}")
        with pytest.raises(SinkError, match=f"{status}.*because because"):
            sink.write(points(2))
        assert sending.left.wait(10.0), "the connection is closed"
        assert sending.sent < 32 << 20, "what the system keeps on its way, at most"
        sink.close()
        sending.over.set()
        sending.shutdown()
        thread.join()


@pytest.mark.parametrize(("then", "pause_s"), [(b"x" * (1 << 19), 0.0), (b"x", 0.02)], ids=["endless", "slow"])
def test_a_command_reads_no_answer_of_the_service_without_end(
    then: bytes, pause_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(answering, "WAIT_S", 0.5)
    with Sending(b"HTTP/1.1 200 OK\r\n\r\n", then, pause_s) as sending:
        thread = threading.Thread(target=sending.serve_forever)
        thread.start()
        with pytest.raises(typer.Exit) as ended:
            answering._asked(Config(console=Console(port=sending.port)), "/api/machines")
        assert ended.value.exit_code == 1
        assert "200: xxxx" in capsys.readouterr().err
        assert sending.left.wait(10.0), "the connection is closed"
        sending.over.set()
        sending.shutdown()
        thread.join()


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
