"""Connections to the console: however many, however slow, they shut nobody out and end nothing."""

import contextlib
import os
import resource
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import Plant, press
from servers import free_port, until

from pipeline.config.settings import Console
from pipeline.console import Server, connection
from pipeline.console.page import Asset
from pipeline.mqtt import Broker, Publisher

HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LONG_BYTES = 3_000_000  # of one answer
LONG = b"GET /assets/long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def many_files():
    """As many sockets as a flood needs, for us and not for the services that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def flood(port: int, count: int, first: bytes = b"", source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """So many connections that say so much and no more."""
    with contextlib.ExitStack() as opened:
        sockets = []
        for _ in range(count):
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), 10, (source, 0)))
            with contextlib.suppress(OSError):  # it may be closed already
                one.sendall(first)
            sockets.append(one)
        yield sockets


def is_closed(one: socket.socket) -> bool:
    """Whether the other side has closed it; `one` must have nothing to read."""
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a console, in safe mode, that is patient for a second."""
    monkeypatch.setattr(connection, "REQUEST_S", 1.0)
    server = Server(Console(port=free_port()), "", {}, tmp_path / "plant.yaml")
    server._api.page.assets["long"] = Asset(bytes(LONG_BYTES), "text/plain", '"long"')
    assert server.start()
    yield server._settings.port
    server.stop()


def answers(port: int, source: str = "127.0.0.1") -> bool:
    """Whether the page is served to that address."""
    with flood(port, 1, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", source) as [one]:
        return one.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.servers
def test_a_thousand_half_open_requests_leave_healthz_answering_and_the_service_at_work(tmp_path, many_files):
    with Plant(tmp_path / "plant") as plant:
        assert plant.process is not None
        pid = plant.process.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1024, 1024))
        plant.send("press-1", press(100, 2))
        lines = len(plant.log.splitlines())
        broker = Broker.of(plant.broker.url, client_id="press-2", protocol=4)
        # The publisher first: its select() knows no descriptor as high as those of the flood.
        with Publisher(broker) as publisher, flood(plant.port, 500), flood(plant.port, 1000, HALF):
            for _ in range(3):
                with urllib.request.urlopen(f"{plant.url}/healthz", timeout=10) as answer:  # noqa: S310
                    assert answer.status == 200
            publisher.publish("plant/a/press-2", b'{"time": 1700000000, "s0": 1.0}')
            publisher.drain()
            until(lambda: plant.machine("press-2"), "readings are scored")
            figures = plant.get("/api/health")[1]["figures"]
            assert figures["connections"] <= connection.CONNECTIONS
            assert figures["connections_closed"] > 1000
            assert len(os.listdir(f"/proc/{pid}/fd")) < 200
        said = plant.log.splitlines()[lines:]
        assert len(said) <= 3, "one line for all of them, and none per connection"
        assert "console.crowded address=127.0.0.1" in "\n".join(said)
        assert plant.stop() == 0


@pytest.mark.parametrize(
    "first",
    [
        b"",
        HALF,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345",
        b"POST /api/machines/a/command HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345",
    ],
)
def test_a_connection_that_sends_no_whole_request_in_time_is_closed(port, first):
    with flood(port, 3, first) as sockets:
        for one in sockets:
            one.settimeout(10)
            while one.recv(65536):  # the end, after an answer or without one
                pass


def test_whoever_sends_a_byte_now_and_then_is_closed_all_the_same(port):
    with flood(port, 1, HALF) as [one]:
        one.settimeout(0.05)
        sent = 0

        def ended() -> bool:
            nonlocal sent
            try:
                one.sendall(b"x")
                sent += 1
                return one.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(ended, "it is closed", 10)
        assert sent > 5, "it was not closed at once"


def test_whoever_does_not_read_his_answers_is_closed_and_whoever_reads_slowly_gets_them_all(port):
    with flood(port, 2) as [deaf, slow]:
        for one in (deaf, slow):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            one.sendall(LONG * 2)
        slow.settimeout(10)
        got, begun = 0, time.monotonic()
        while got < LONG_BYTES:
            if got < LONG_BYTES * (time.monotonic() - begun) / 3.0:  # three times as long as the deaf one gets
                piece = slow.recv(16384)
                assert piece, "closed while it was read on"
                got += len(piece)
        established = b"\x01"
        until(lambda: deaf.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != established, "it is closed", 10)


def test_an_address_that_takes_all_it_can_shuts_out_no_other_and_not_itself(port, many_files):
    with flood(port, 1, HALF, "127.0.0.2") as [early], flood(port, 300, HALF) as ours:
        until(lambda: sum(map(is_closed, ours)) >= 250, "those above the bound are closed", 10)
        assert not is_closed(early)
        assert not is_closed(ours[-1]), "the longest idle go first"
        assert answers(port)
        assert answers(port, "127.0.0.3")


@pytest.mark.servers
def test_where_no_more_files_can_be_opened_the_service_says_so_once_waits_and_goes_on(tmp_path):
    with Plant(tmp_path / "plant", snapshot_every="1s") as plant:
        assert plant.process is not None
        pid = plant.process.pid
        plant.send("press-1", press(100, 2))
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        with flood(plant.port, 20, HALF):
            until(lambda: "files.exhausted" in plant.log, "it says so", 30)
            until(lambda: "console.trouble" in plant.log, "the console, too", 10)
            assert plant.process.poll() is None
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            until(lambda: "files.back" in plant.log, "it goes on", 30)
        plant.send("press-1", press(200, 2)[100:], 100)
        said = plant.log
        assert said.count("files.exhausted") == 1
        assert said.count("console.trouble") == 1
        assert "Traceback" not in said
        plant.process.send_signal(signal.SIGTERM)
        assert plant.process.wait(30) == 0
        plant.process = None
