"""What the handlers of all subjects share: the service, its machines by their ids, answers that are given again."""

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pipeline.console import incident_records, overview, views, wear
from pipeline.console.answers import Briefly, Latest
from pipeline.console.backend import Backend
from pipeline.console.events import Events, Known
from pipeline.console.heat import Heat
from pipeline.console.recent import Recent
from pipeline.console.setup import Changing
from pipeline.engine.engine import Engine
from pipeline.engine.scores import Scores
from pipeline.identity import machine_of
from pipeline.records import Machine, Point
from pipeline.sinks.history import History

BRIEFLY_S, SLOWLY_S = 1.0, 60.0  # for which an answer is given again
ASK_S = 2.0  # for which a question waits for the main thread
T = TypeVar("T")


class Shared:
    """What is known, and what is remembered of it."""

    def __init__(self, backend: Backend | None, database: History | None, changing: Changing) -> None:
        """`backend`: None in safe mode."""
        self._backend, self._changing = backend, changing
        self.running = backend is not None
        self.briefly = Briefly(BRIEFLY_S)
        self._unsettled: Latest[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = Latest()
        self._records: Latest[tuple[Known, list[dict[str, Any]]]] = Latest()
        self._wear: Latest[wear.Wear] = Latest()
        self.events = Events(database)
        self.recent = Recent(backend.engine) if backend is not None else None
        self.names = overview.Names(backend.engine.fleet) if backend is not None else None
        self.heat = Heat()

    def take(self, scores: Scores, points: list[Point]) -> None:
        """A batch is committed. Runs on the main thread."""
        if self.recent is not None:
            self.recent.take(scores)
            self.heat.take(scores, len(self.service.engine.fleet.machines))
        self.events.take(points)

    @property
    def service(self) -> Backend:
        """Where there is one; 503 in safe mode."""
        if self._backend is None:
            why = (
                "there is no configuration yet"
                if self._changing.wizard
                else "safe mode: the configuration has mistakes"
            )
            raise HTTPException(503, f"{why}, nothing else runs")
        return self._backend

    def ask(self, question: Callable[[Engine], T]) -> T:
        """What the question finds. Not waited for long: whoever comes next waits behind it."""
        return self.service.ask(question, ASK_S)

    def slot(self, request: Request) -> tuple[int, Machine]:
        """The machine of the address."""
        try:
            machine = machine_of(request.path_params["id"])  # as it was sent: see `Door`
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        slot = self.service.engine.fleet.slot(machine)
        if slot < 0:
            raise HTTPException(404, "there is no such machine")
        return slot, machine

    def arranged(self, asked: overview.Asked) -> tuple[overview.Copy, overview.Arranged]:
        """All machines as they are, and those that were asked for; what many ask for is found once."""
        copy = self.briefly("fleet", lambda: self.ask(overview.copied))
        names = self.names
        assert names is not None  # noqa: S101  # for the type checker: there is a service
        return self.briefly(("arranged", asked), lambda: (copy, names.arranged(copy, asked)))

    def details(self, slot: int) -> views.Details:
        """One machine, as the main thread gave it a moment ago."""
        return self.briefly(("machine", slot), lambda: self.ask(lambda engine: views.details(engine, slot)))

    def worn(self) -> wear.Wear:
        """All sensors of all machines, measured once in a while for all who ask."""
        engine = self.service.engine
        return self._wear(lambda: (wear.wear(engine, self.ask), SLOWLY_S))

    def open_of(self, machine: Machine, details: views.Details) -> list[dict[str, Any]]:
        """The open incident of a machine, if there is one."""
        incident = views.told(details.summary.incident, details.rule)
        if incident is None:
            return []
        return [{**views.named(machine), "incident": incident}]

    def open_now(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Open and unconfirmed incidents of all machines."""

        def find() -> tuple[tuple[list[dict[str, Any]], list[dict[str, Any]]], float]:
            return (views.open_incidents(self.ask), views.unconfirmed(self.ask)), BRIEFLY_S

        return self._unsettled(find)

    def records(self) -> tuple[Known, list[dict[str, Any]]]:
        """What is known of the incidents of all machines."""

        # Both are answers that are given again, and how long they took says nothing of how long it is to join them.
        stored, (open_now, _) = self.events.stored(), self.open_now()

        def find() -> tuple[tuple[Known, list[dict[str, Any]]], float]:
            known = self.events.all(stored)
            return (known, incident_records.records(known.points, open_now)), BRIEFLY_S

        return self._records(find)

    def forget(self) -> None:
        """A command has changed something: look again."""
        for answers in (self.briefly, self._unsettled, self._records, self._wear):
            answers.forget()
