"""Real servers for the tests: started on free loopback ports, in a folder that goes away, as our own children.

They end with the test that started them, and with the test run however that ends.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

WORKERS = 16  # at most, with ports of their own
GIVEN: set[int] = set()  # ports that somebody was told of, whose server may not have started yet


def free_port() -> int:
    """A port that nobody listens on now.

    Not of those that the system gives to outgoing connections: whoever tries such a port again and again while its
    server is away is in the end connected to himself, and the server cannot come back. Workers that run tests beside
    each other (pytest-xdist) have ports of their own: no other takes one between this answer and the server's start.
    For the same reason no port is given twice.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = random.randrange(15_000 + worker, 32_000, WORKERS)
        if port in GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN.add(port)
        return port


def program(name: str) -> str:
    """Path of an installed server."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{name} is not installed: run tests/install_servers.sh"
    return path


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


class Server:
    """A child process that listens on a port; usable as `with Mosquitto(folder) as broker:`."""

    def __init__(self, folder: Path, name: str, port: int = 0) -> None:
        self.folder = folder
        self.name = name
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / f"{self.name}.log"

    def command(self) -> list[str]:
        raise NotImplementedError

    def spawn(self) -> None:
        """Start (again), on the same port and folder, and wait for nothing."""
        # Linux ends the server when we end, also by SIGKILL, where no fixture gets the chance to.
        leash = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen([*leash, *self.command()], stdout=output, stderr=output, cwd=self.folder)

    def start(self) -> None:
        """Start (again), on the same port and folder; returns when it listens."""
        log = self.log
        self.spawn()
        try:
            until(lambda: self._exited() or listens(self.port), f"{self.name} listening; see {log}")
            # Whoever listens may be somebody else, who was faster to take the port.
            assert not self._exited(), f"{self.name} ended at once: {log.read_text(errors='replace')[-1000:]}"
        except BaseException:
            self.kill()
            raise

    def _exited(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def passwords(folder: Path, of_users: dict[str, str]) -> str:
    """Lines of a Mosquitto configuration that ask for these passwords."""
    path = folder / "passwords"
    path.touch(mode=0o600)
    for user, password in of_users.items():
        subprocess.run(["mosquitto_passwd", "-b", str(path), user, password], check=True)
    return f"allow_anonymous false\npassword_file {path}"


class Mosquitto(Server):
    """A broker that queues without limit; `extra` are more lines of its configuration.

    With `persistence` it keeps sessions and messages in its folder over a stop (not over a kill) and start.
    """

    def __init__(
        self,
        folder: Path,
        extra: str = "",
        listener: str = "allow_anonymous true",
        port: int = 0,
        persistence: bool = False,
    ) -> None:
        super().__init__(folder, "mosquitto", port)
        lines = [
            f"listener {self.port} 127.0.0.1",
            listener,
            "sys_interval 1",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            f"persistence {str(persistence).lower()}",
            f"persistence_location {folder.absolute()}/",
            "user root",
            extra,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]


class InfluxDB(Server):
    """InfluxDB 1.6: `/write`, and real InfluxQL."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "influxd")
        self.rpc = free_port()
        (folder / "influx.conf").write_text(
            f"""reporting-disabled = true
bind-address = "127.0.0.1:{self.rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{self.port}"
  log-enabled = false
[monitor]
  store-enabled = false
"""
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [program("influxd"), "run", "-config", str(self.folder / "influx.conf")]

    def query(self, influxql: str, database: str = "") -> list[dict[str, object]]:
        """Rows of the first result, each a dictionary; times in ns."""
        body = urllib.parse.urlencode({"q": influxql, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", body, timeout=10) as answer:  # noqa: S310
            result = json.load(answer)["results"][0]
        assert "error" not in result, result
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series["values"]
        ]


class VictoriaMetrics(Server):
    """Speaks the v2 write API; told to keep one sample where two have the same time, as InfluxDB does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "victoria-metrics")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            program("victoria-metrics"),
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.folder}/data",
            "-retentionPeriod=100y",
            "-influx.databaseNames=machines",
            "-search.latencyOffset=0s",
            "-dedup.minScrapeInterval=1ms",
        ]

    def export(self, selector: str) -> list[dict[str, object]]:
        """Raw samples of matching series."""
        address = f"{self.url}/internal/force_flush"
        urllib.request.urlopen(address, timeout=10).close()  # noqa: S310
        query = urllib.parse.urlencode({"match[]": selector})
        with urllib.request.urlopen(f"{self.url}/api/v1/export?{query}", timeout=10) as answer:  # noqa: S310
            return [json.loads(line) for line in answer]
