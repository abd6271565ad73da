"""Machines: all of them, one of them, its newest rows, its ageing, and commands to it.

Each handler has the name of its route; those that wait run in threads of their own.
"""

import time
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipeline.console import history, overview, views, wear
from pipeline.console.answers import content_of, json, whole
from pipeline.console.heat import SPANS
from pipeline.console.recent import Table
from pipeline.console.shared import Shared
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.verbs import VERBS

MOST, USUAL, WITH_COURSE = 500, 100, 60  # machines in an answer, and of those the ones whose course is told
COURSE = 60  # scores
SHORT = 60  # machines up to which they are told in full where nobody says how
BODY_BYTES = 1 << 19  # of a block of 16 sensors with their context in base64, and more
SENSORS = 64  # in one answer


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a command."""

    verb: str
    argument: str = ""
    by: str = ""
    via: Literal["http", "cli"] = "http"


class MachinesApi:
    """The handlers."""

    def __init__(self, shared: Shared, store: Path | None) -> None:
        """`store`: the embedded store, where that is the database."""
        self._shared, self._store = shared, store

    def machines(self, request: Request) -> Response:
        """See the route of this name."""
        asked = self._asked(request)
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", USUAL, MOST)
        view, span = request.query_params.get("view", ""), request.query_params.get("cells", "")
        if span and span not in SPANS:
            raise HTTPException(400, f"cells is one of {', '.join(SPANS)}")
        copy, arranged = self._shared.arranged(asked)
        brief = view == "brief" or (view == "auto" and len(copy.rank) > SHORT)

        def find() -> tuple[overview.Copy, overview.Arranged, list[int], list[dict[str, Any]]]:
            slots = arranged.slots[offset : offset + limit].tolist()
            told = self._shared.ask(lambda engine: overview.rows(engine, copy, slots, brief)) if slots else []
            if not brief and self._shared.recent is not None:
                course = self._shared.recent.course(slots[:WITH_COURSE], COURSE)
                told = [{**one, "course": course.get(slot, [])} for slot, one in zip(slots, told, strict=True)]
            return copy, arranged, slots, told

        # All of one answer together, so that it is of one moment.
        copy, arranged, slots, shown = self._shared.briefly(("rows", asked, offset, limit, brief), find)
        if span and brief:
            cells = self._shared.heat.cells(slots, span)
            shown = [{**one, "cells": row} for one, row in zip(shown, cells.machines, strict=True)]
        return json(
            {
                "view": "brief" if brief else "full",
                "total": len(copy.rank),
                "found": len(arranged.slots),
                "attention": arranged.counts,
                "newest_s": arranged.newest_s,
                "quiet": arranged.quiet,
                "groupings": self._shared.names.groupings if self._shared.names else [],
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

    def machine(self, request: Request) -> Response:
        """See the route of this name."""
        return json(views.page(self._shared.details(self._shared.slot(request)[0])))

    def rows(self, request: Request) -> Response:
        """See the route of this name."""
        slot, _ = self._shared.slot(request)
        assert self._shared.recent is not None  # noqa: S101  # for the type checker: there is a service
        tags, details = self._shared.service.engine.fleet.tags[slot], self._shared.details(slot)

        def older() -> Table | None:
            return None if self._store is None else history.stored(self._store, tags, details.lines)

        table, cursor, goes_on = self._shared.recent.look(slot, request.query_params.get("cursor", ""), older)
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
        slot, _ = self._shared.slot(request)
        machines = self._shared.worn().machines
        known = machines[slot] if slot < len(machines) else ()  # else it came after they were looked at
        return json({"sensors": [wear.measured(one) for one in known]})

    def wear(self, request: Request) -> Response:
        """See the route of this name."""
        found = self._shared.worn()
        chosen = wear.searched(found, request.query_params.get("search", "")[:100])
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", USUAL, MOST)
        shown = [wear.told(one) for one in chosen[offset : offset + limit]]
        return json({"total": len(found.sensors), "found": len(chosen), "learning": found.learning, "sensors": shown})

    async def command(self, request: Request) -> Response:
        """See the route of this name."""
        service = self._shared.service
        _, machine = self._shared.slot(request)
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
        self._shared.events.take(points)
        self._shared.forget()
        return json({"done": said.verb, "points": [point._asdict() for point in points]})
