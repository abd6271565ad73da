"""What the console answers. Each handler has the name of its route; those that wait run in threads of their own."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from pipeline.console import configuration, history, incident_records, overview, past, routes, views, wear
from pipeline.console.answers import Briefly, Latest, content_of, json, whole
from pipeline.console.events import Events, Known
from pipeline.console.heat import SPANS, Heat
from pipeline.console.heat_history import Filling
from pipeline.console.labels import sensor_label
from pipeline.console.recent import Recent, Table
from pipeline.console.setup import Changing, SetupApi
from pipeline.console.weight import compressed, has, tag_of, takes_gzip
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.engine import Engine
from pipeline.engine.level import level_of
from pipeline.engine.scores import Scores
from pipeline.engine.verbs import VERBS
from pipeline.identity import identity, machine_of
from pipeline.records import Machine, Point
from pipeline.sinks.history import History

ASSETS = Path(__file__).parent / "assets"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
BRIEFLY_S, SLOWLY_S = 1.0, 60.0  # for which an answer is given again
ASK_S = 2.0  # for which a question waits for the main thread
MOST, USUAL, WITH_COURSE = 500, 100, 60  # machines in an answer, and of those the ones whose course is told
COURSE = 60  # scores
SHORT = 60  # machines up to which they are told in full where nobody says how
BODY_BYTES = 1 << 18  # of a block of 16 sensors in base64, and more
SETUP = "/api/setup/"
SENSORS = 64  # in one answer
T = TypeVar("T")


class Status(NamedTuple):
    """How the service does."""

    figures: dict[str, float | int | str | bool]  # its counters
    broker: str  # where it is
    broker_reached: bool
    broker_since_s: float  # Unix time since when it is reached, or is not
    database: str
    database_away: str | None  # why it cannot be reached
    database_since_s: float | None  # Unix time since when it cannot
    token_file: str  # where the token for writing lies
    unreadable: list[dict[str, Any]]  # sources of which nothing can be read, and why
    clocks: list[dict[str, Any]]  # machines whose readings arrive later than their times by a steady difference
    upstream: str | None = None  # where the second broker is, if there is one
    upstream_away: str | None = None  # why it takes nothing
    upstream_since_s: float | None = None  # Unix time since when it cannot be reached
    notify: Sequence[Mapping[str, Any]] = ()  # how the channels of notifications do


# Sends a test message to a channel, or to all for ""; why it did not arrive, by channel. KeyError for another name.
NotifyTest = Callable[[str], Mapping[str, str]]


class Backend(Protocol):
    """The service."""

    engine: Engine
    listeners: list[Callable[[Scores, list[Point]], None]]

    def ask(self, question: Callable[[Engine], T], timeout_s: float = 5.0) -> T:
        """What the question finds, run between two batches."""

    def tell(self, command: Command, timeout_s: float = 5.0) -> list[Point]:
        """Have a command done and written down."""


class Asset(NamedTuple):
    """A file of the page."""

    content: bytes
    kind: str
    tag: str  # by which a browser knows that it has it already
    packed: bytes = b""  # the same as gzip; empty where that saves nothing


def assets() -> dict[str, Asset]:
    """All files of the page, by name."""
    found = {}
    for path in ASSETS.iterdir():
        content = path.read_bytes()
        kind = KINDS.get(path.suffix, "text/plain; charset=utf-8")
        packed = compressed(content, level=9)
        found[path.name] = Asset(content, kind, tag_of(content), packed if len(packed) < len(content) else b"")
    return found


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a command."""

    verb: str
    argument: str = ""
    by: str = ""
    via: Literal["http", "cli"] = "http"


class Api:
    """The handlers, and what they remember."""

    def __init__(
        self,
        backend: Backend | None,
        status: Callable[[], Status] | None,
        store: Path | None,
        config_path: Path | None,
        environ: Mapping[str, str],
        notify_test: NotifyTest | None = None,
        database: History | None = None,
        metrics_machines: int = 0,
        changing: Changing = Changing(),  # noqa: B008  # immutable
    ) -> None:
        """`backend`: None in safe mode. `store`: the embedded store, where that is the database.

        `metrics_machines`: how many machines Prometheus is told of.
        """
        self._started = time.time()
        self._changing = changing
        self._setup = SetupApi(config_path, environ, changing)
        self._notify_test = notify_test
        self._backend, self._status, self._store = backend, status, store
        self._config_path, self._environ = config_path, environ
        self._metrics_machines = metrics_machines
        self._assets = assets()
        self._briefly = Briefly(BRIEFLY_S)
        self._unsettled: Latest[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = Latest()
        self._records: Latest[tuple[Known, list[dict[str, Any]]]] = Latest()
        self._events = Events(database)
        self._past = past.Past(database, self._events)
        self.recent = Recent(backend.engine) if backend is not None else None
        self._names = overview.Names(backend.engine.fleet) if backend is not None else None
        self._heat = Heat()
        self.filling: Filling | None = None
        if backend is not None and database is not None:
            self.filling = Filling(self._heat, database, self._ask)
        self._wear: Latest[wear.Wear] = Latest()
        self.connections: Callable[[], dict[str, int]] = dict  # counters of the server

    def router(self) -> Router:
        """All routes, and the page."""
        found = [
            Route(
                route.path,
                getattr(self._setup if route.path.startswith(SETUP) else self, route.name),
                methods=[route.method],
            )
            for route in routes.ROUTES
        ]
        found += [
            Route("/", self.page, methods=["GET"]),
            Route("/favicon.ico", self.icon, methods=["GET"]),
            Route("/assets/{name}", self.asset, methods=["GET"]),
        ]
        return Router(found)

    def take(self, scores: Scores, points: list[Point]) -> None:
        """A batch is committed. Runs on the main thread."""
        if self.recent is not None:
            self.recent.take(scores)
            self._heat.take(scores, len(self._service.engine.fleet.machines))
        self._events.take(points)

    @property
    def _service(self) -> Backend:
        if self._backend is None:
            why = (
                "there is no configuration yet"
                if self._changing.wizard
                else "safe mode: the configuration has mistakes"
            )
            raise HTTPException(503, f"{why}, nothing else runs")
        return self._backend

    def _ask(self, question: Callable[[Engine], T]) -> T:
        """What the question finds. Not waited for long: whoever comes next waits behind it."""
        return self._service.ask(question, ASK_S)

    def _slot(self, request: Request) -> tuple[int, Machine]:
        try:
            machine = machine_of(request.path_params["id"])  # as it was sent: see `Door`
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        slot = self._service.engine.fleet.slot(machine)
        if slot < 0:
            raise HTTPException(404, "there is no such machine")
        return slot, machine

    async def page(self, request: Request) -> Response:
        """The page; it fetches everything else."""
        return self._asset("index.html", request)

    async def icon(self, request: Request) -> Response:
        """The page's sign."""
        return self._asset("icon.svg", request)

    async def asset(self, request: Request) -> Response:
        """A part of the page."""
        return self._asset(request.path_params["name"], request)

    def _asset(self, name: str, request: Request) -> Response:
        """From memory, since a page of a dozen files should not wait a dozen times for a thread."""
        asset = self._assets.get(name)
        if asset is None:
            raise HTTPException(404, "there is no such file")
        headers = {"cache-control": "no-cache", "etag": asset.tag, "vary": "accept-encoding"}
        if has(request.headers.get("if-none-match", ""), asset.tag):
            return Response(None, 304, headers)
        headers["content-type"] = asset.kind
        if asset.packed and takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(asset.packed, 200, {**headers, "content-encoding": "gzip"})
        return Response(asset.content, 200, headers)

    def machines(self, request: Request) -> Response:
        """See the route of this name."""
        asked = self._asked(request)
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", USUAL, MOST)
        view, span = request.query_params.get("view", ""), request.query_params.get("cells", "")
        if span and span not in SPANS:
            raise HTTPException(400, f"cells is one of {', '.join(SPANS)}")
        copy, arranged = self._arranged(asked)
        brief = view == "brief" or (view == "auto" and len(copy.rank) > SHORT)

        def find() -> tuple[overview.Copy, overview.Arranged, list[int], list[dict[str, Any]]]:
            slots = arranged.slots[offset : offset + limit].tolist()
            told = self._ask(lambda engine: overview.rows(engine, copy, slots, brief)) if slots else []
            if not brief and self.recent is not None:
                course = self.recent.course(slots[:WITH_COURSE], COURSE)
                told = [{**one, "course": course.get(slot, [])} for slot, one in zip(slots, told, strict=True)]
            return copy, arranged, slots, told

        # All of one answer together, so that it is of one moment.
        copy, arranged, slots, shown = self._briefly(("rows", asked, offset, limit, brief), find)
        if span and brief:
            cells = self._heat.cells(slots, span)
            shown = [{**one, "cells": row} for one, row in zip(shown, cells.machines, strict=True)]
        return json(
            {
                "view": "brief" if brief else "full",
                "total": len(copy.rank),
                "found": len(arranged.slots),
                "attention": arranged.counts,
                "newest_s": arranged.newest_s,
                "quiet": arranged.quiet,
                "groupings": self._names.groupings if self._names else [],
                "groups": [group._asdict() for group in arranged.groups],
                "offset": offset,
                "cells": {"begin_s": cells.begin_s, "cell_s": cells.cell_s} if span and brief else None,
                "machines": shown,
            }
        )

    def _asked(self, request: Request) -> overview.Asked:
        asked = request.query_params
        sort = asked.get("sort", "") or "attention"
        if sort.removeprefix("-") not in overview.SORTS:
            raise HTTPException(400, f"sort is one of {', '.join(overview.SORTS)}, or one of them after a -")
        search, attention, group = (asked.get(name, "")[:100] for name in ("search", "attention", "group"))
        return overview.Asked(search, attention, sort, group)

    def _arranged(self, asked: overview.Asked) -> tuple[overview.Copy, overview.Arranged]:
        """All machines as they are, and those that were asked for; what many ask for is found once."""
        copy = self._briefly("fleet", lambda: self._ask(overview.copied))
        names = self._names
        assert names is not None  # noqa: S101  # for the type checker: there is a service
        return self._briefly(("arranged", asked), lambda: (copy, names.arranged(copy, asked)))

    def machine(self, request: Request) -> Response:
        """See the route of this name."""
        return json(views.page(self._details(self._slot(request)[0])))

    def _details(self, slot: int) -> views.Details:
        return self._briefly(("machine", slot), lambda: self._ask(lambda engine: views.details(engine, slot)))

    def rows(self, request: Request) -> Response:
        """See the route of this name."""
        slot, _ = self._slot(request)
        assert self.recent is not None  # noqa: S101  # for the type checker: there is a service
        tags, details = self._service.engine.fleet.tags[slot], self._details(slot)

        def older() -> Table | None:
            return None if self._store is None else history.stored(self._store, tags, details.lines)

        table, cursor, goes_on = self.recent.look(slot, request.query_params.get("cursor", ""), older)
        known = [sensor for sensor, _ in details.lines]
        asked = request.query_params.getlist("sensor")
        order = views.blamed(table, details.lines)
        chosen = [one for one in asked if one in known] if asked else order[: views.SENSORS_SHOWN]
        return json(
            {
                "cursor": cursor,
                "goes_on": goes_on,
                "order": order[:SENSORS],
                **views.chart(table, details.lines, chosen[:SENSORS], details.populations),
            }
        )

    def ageing(self, request: Request) -> Response:
        """See the route of this name."""
        slot, _ = self._slot(request)
        machines = self._worn().machines
        known = machines[slot] if slot < len(machines) else ()  # else it came after they were looked at
        return json({"sensors": [wear.measured(one) for one in known]})

    def _worn(self) -> wear.Wear:
        """All sensors of all machines, measured once in a while for all who ask."""
        engine = self._service.engine
        return self._wear(lambda: (wear.wear(engine, self._ask), SLOWLY_S))

    def wear(self, request: Request) -> Response:
        """See the route of this name."""
        found = self._worn()
        chosen = wear.searched(found, request.query_params.get("search", "")[:100])
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", USUAL, MOST)
        shown = [wear.told(one) for one in chosen[offset : offset + limit]]
        return json({"total": len(found.sensors), "found": len(chosen), "learning": found.learning, "sensors": shown})

    async def command(self, request: Request) -> Response:
        """See the route of this name."""
        service = self._service
        _, machine = self._slot(request)
        said = await content_of(request, Said, BODY_BYTES)
        if said.verb not in VERBS:
            raise HTTPException(400, f"there is no command {said.verb[:40]!r}; there are {', '.join(VERBS)}")
        command = Command(said.verb, machine, said.argument.strip(), said.by.strip(), said.via, time.time_ns())
        try:
            points = await run_in_threadpool(service.tell, command)
        except CommandError as error:
            raise HTTPException(409, str(error)) from None
        except TimeoutError:
            raise HTTPException(
                503, "busy: not known yet whether the command was done; check before you repeat it"
            ) from None
        self._events.take(points)
        for answers in (self._briefly, self._unsettled, self._records, self._wear):
            answers.forget()
        return json({"done": said.verb, "points": [point._asdict() for point in points]})

    def history(self, request: Request) -> Response:
        """See the route of this name."""
        slot, machine = self._slot(request)
        details = self._details(slot)
        known = [sensor for sensor, _ in details.lines]
        usual = known[: views.SENSORS_SHOWN]
        tags = self._service.engine.fleet.tags[slot]
        asked = past.question(request, tags, known, usual, details.summary.time_ns)
        found = self._past.course(asked, self._open_of(machine, details))
        return json(
            {
                "id": identity(machine),
                "warning": details.warning,
                "critical": details.critical,
                "warning_level": level_of(details.warning),
                "critical_level": level_of(details.critical),
                "order": known,
                "labels": {sensor: sensor_label(details.rule, sensor) for sensor in asked.sensors},
                **found,
            }
        )

    def _open_of(self, machine: Machine, details: views.Details) -> list[dict[str, Any]]:
        """The open incident of a machine, if there is one."""
        incident = views.told(details.summary.incident, details.rule)
        if incident is None:
            return []
        return [{**views.named(machine), "incident": incident}]

    def _open(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Open and unconfirmed incidents of all machines."""

        def find() -> tuple[tuple[list[dict[str, Any]], list[dict[str, Any]]], float]:
            return (views.open_incidents(self._ask), views.unconfirmed(self._ask)), BRIEFLY_S

        return self._unsettled(find)

    def _all_records(self) -> tuple[Known, list[dict[str, Any]]]:
        """What is known of the incidents of all machines."""

        # Both are answers that are given again, and how long they took says nothing of how long it is to join them.
        stored, (open_now, _) = self._events.stored(), self._open()

        def find() -> tuple[tuple[Known, list[dict[str, Any]]], float]:
            known = self._events.all(stored)
            return (known, incident_records.records(known.points, open_now)), BRIEFLY_S

        return self._records(find)

    def incidents(self, request: Request) -> Response:
        """See the route of this name."""
        wanted = past.filter_of(request)
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", past.PAGE, past.MOST_PAGE)
        found, waiting = self._open()
        known, records = self._all_records()
        page = past.listed(known, records, wanted, offset, limit)
        groups = {(one["id"], one["number"]): one["group"] for one in records}
        found = [one for one in found if wanted.takes(incident_records.opened(one))]
        waiting = [one for one in waiting if wanted.takes(incident_records.awaited(one))]
        return json(
            {
                "open": [
                    {**one, "group": groups.get((one["id"], str(one["incident"]["number"])))}
                    for one in found[: views.OPEN_SHOWN]
                ],
                "open_found": len(found),
                "unconfirmed": waiting[: views.OPEN_SHOWN],
                "unconfirmed_found": len(waiting),
                **page,
            }
        )

    def incident(self, request: Request) -> Response:
        """See the route of this name."""
        slot, machine = self._slot(request)
        number = past.number_of(request)
        fleet = self._service.engine.fleet
        kind = fleet.rules[slot].kind
        _, records = self._all_records()
        kin = {identity(machine)}
        if kind is not None:
            slots = {one: fleet.slot(machine_of(one)) for one in {record["id"] for record in records}}
            kin |= {one for one, its in slots.items() if its >= 0 and fleet.rules[its].kind == kind}
        open_now = self._open_of(machine, self._details(slot))
        others = [one for one in records if one["id"] in kin]
        return json({"kind": kind, **self._past.incident(fleet.tags[slot], number, open_now, others)})

    def health(self, request: Request) -> Response:
        """See the route of this name."""
        if self._status is None:
            without = {"safe_mode": True, "setup": self._changing.wizard is not None}
            return json({**without, "started": self._started, "token_file": self._changing.token_file})
        status = self._briefly("health", self._status)
        figures = {**status.figures, **self._own_figures()}
        return json({"safe_mode": False, "started": self._started, **status._asdict(), "figures": figures})

    def _own_figures(self) -> dict[str, int]:
        return {**(self.recent.counters() if self.recent else {}), **self.connections()}

    def notify_test(self, request: Request) -> Response:
        """See the route of this name."""
        if self._notify_test is None:
            raise HTTPException(404, "no channel of notifications is configured (key: notify)")
        try:
            found = self._notify_test(request.query_params.get("channel", "")[:100])
        except KeyError:
            raise HTTPException(404, "there is no such channel") from None
        return json({"channels": {name: why or None for name, why in found.items()}})

    def configuration(self, request: Request) -> Response:
        """See the route of this name."""

        def find() -> dict[str, Any]:
            may_edit = bool(self._changing.token_file)
            return configuration.described(self._config_path, self._environ, self._backend is not None, may_edit)

        return json(self._briefly("configuration", find))

    def openapi(self, request: Request) -> Response:
        """See the route of this name."""
        return json(routes.described())

    def healthz(self, request: Request) -> Response:
        """See the route of this name."""
        self._briefly("healthz", lambda: self._ask(lambda engine: True))
        return json({"ok": True})

    def readyz(self, request: Request) -> Response:
        """See the route of this name."""
        if self._status is None:
            return json({"ready": False, "why": "safe mode"}, 503)
        status = self._briefly("health", self._status)
        ready = status.broker_reached and status.database_away is None
        found = {"ready": ready, "broker": status.broker_reached, "database": status.database_away is None}
        return json(found, 200 if ready else 503)

    def token(self, request: Request) -> Response:
        """See the route of this name. Whoever has a wrong one does not come this far."""
        return json({"ok": True})

    def metrics(self, request: Request) -> Response:
        """See the route of this name."""
        from pipeline.console import metrics  # when somebody asks: not every plant has a Prometheus

        if self._status is None:
            raise HTTPException(503, "safe mode")
        status = self._briefly("health", self._status)

        copy, arranged = self._arranged(overview.Asked())
        machines, slots = self._service.engine.fleet.machines, arranged.slots[: self._metrics_machines].tolist()
        figures = {**status.figures, **self._own_figures()}
        upstream = None if status.upstream is None else bool(status.figures["upstream_connected"])
        reached = {"broker": status.broker_reached, "database": status.database_away is None}
        if upstream is not None:
            reached["upstream"] = upstream
        told = [overview.figures(copy, machines[slot], slot) for slot in slots]
        text = metrics.exposition(figures, arranged.counts, reached, told)
        return Response(text, 200, {"content-type": metrics.CONTENT_TYPE})
