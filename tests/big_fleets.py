"""A console over an engine of as many machines as one likes, without a broker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from machines import SECOND, START
from servers import free_port

from pipeline.config.settings import Console
from pipeline.console import Server
from pipeline.console.heat import MINUTE_NS
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Point, Readings

T = TypeVar("T")


class Direct:
    """What the console asks, answered at once by the thread that asks."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.listeners: list[Callable[..., None]] = []

    def ask(self, question: Callable[[Engine], T], timeout_s: float = 5.0) -> T:
        """See Backend."""
        return question(self.engine)

    def tell(self, command: Command, timeout_s: float = 5.0) -> list[Point]:
        """See Backend."""
        raise CommandError("this fleet is only looked at")


class BigFleet:
    """Machines on ten sites, each with one sensor, which have sent a few rows; usable as `with BigFleet(...)`."""

    def __init__(self, folder: Path, machines: int, hours: int = 24) -> None:
        self.engine = Engine()
        named = [Machine(f"press-{one:05d}", (("site", f"site-{one % 10}"),)) for one in range(machines)]
        self.lines = np.array([self.engine.fleet.number(machine, "temp")[1] for machine in named])
        self.backend = Direct(self.engine)
        self.port = free_port()
        self.server = Server(Console(port=self.port), "a-token-of-the-plant", {}, folder / "none.yaml", self.backend)
        self.sent = 0
        rng = np.random.default_rng(1)
        for _ in range(3):
            self.send(rng.normal(size=machines))
        heat = self.server._api.shared.heat  # what the rows of a day would have left there
        for cell in range(6 * hours):
            scores = rng.random(machines) ** 0.05 * 0.98
            scores[cell % 7 :: 97] = 0.9995
            heat.add(np.arange(machines), np.full(machines, START - cell * 10 * MINUTE_NS), scores, machines)

    def send(self, values: Any) -> None:
        """A row of every machine, a second after the last."""
        slots = np.arange(len(self.lines))
        times = np.full(len(slots), START + self.sent * SECOND)
        last = np.ones(len(slots), np.bool_)
        scores = self.engine.step(Readings(slots, self.lines, times, np.asarray(values, float), last))
        self.sent += 1
        for listener in self.backend.listeners:
            listener(scores, [])

    @property
    def url(self) -> str:
        """Of its page."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "BigFleet":
        assert self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
