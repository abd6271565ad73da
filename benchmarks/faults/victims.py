"""What is killed: the service as a process, a durable Mosquitto, and InfluxDB; each can also be ended in order."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import yaml

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path("/dev/shm")  # noqa: S108  # Linux's file system in memory; folders within are made by tempfile
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from servers import InfluxDB, Mosquitto, VictoriaMetrics, listens, until  # noqa: E402

__all__ = ["DURABLE", "ROOT", "SHARED", "InfluxDB", "Mosquitto", "Spikewatch", "VictoriaMetrics", "listens", "until"]

# The most that Mosquitto can do: a save at the end of every turn of its loop in which anything has changed.
DURABLE = "autosave_on_changes true\nautosave_interval 1\nlog_type error\nlog_type warning"


class Spikewatch:
    """`spikewatch run` as a process, with everything it keeps and says in one folder."""

    def __init__(self, folder: Path, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"data": str(self.data), **settings}))
        self._log = folder / "service.log"
        self._before = 0  # connections of earlier lives
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start (again), and wait for nothing."""
        self._before = self.connections
        leash = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        command = [*leash, sys.executable, "-m", "pipeline", "run", "--config", str(self.config)]
        # A lost reading must not be explained away by a crash that nobody has noticed: whatever Python says is kept.
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )

    @property
    def ended(self) -> int | None:
        """Its exit code, if it has ended by itself."""
        return None if self.process is None else self.process.poll()

    def stop(self, with_signal: int = signal.SIGTERM, within_s: float = 60.0) -> int:
        """End it; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        code = self.process.wait(within_s)
        self.process = None
        return code

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.spawn()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """What it says."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def connections(self) -> int:
        """How often it has come to the broker."""
        return self.log.count("mqtt.connected")

    @property
    def connected(self) -> bool:
        """Whether it has come to the broker in this life, so that it hears signals, too."""
        return self.process is not None and self.connections > self._before
