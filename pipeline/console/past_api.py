"""What was: courses of machines, and incidents, open ones too.

Each handler has the name of its route, and runs in a thread of its own.
"""

from starlette.requests import Request
from starlette.responses import Response

from pipeline.console import incident_records, past, views
from pipeline.console.answers import json, whole
from pipeline.console.labels import sensor_label
from pipeline.console.shared import Shared
from pipeline.engine.level import level_of
from pipeline.identity import identity, machine_of
from pipeline.sinks.history import History


class PastApi:
    """The handlers."""

    def __init__(self, shared: Shared, database: History | None) -> None:
        self._shared, self._past = shared, past.Past(database, shared.events)

    def history(self, request: Request) -> Response:
        """See the route of this name."""
        slot, machine = self._shared.slot(request)
        details = self._shared.details(slot)
        known = [sensor for sensor, _ in details.lines]
        usual = known[: views.SENSORS_SHOWN]
        tags = self._shared.service.engine.fleet.tags[slot]
        asked = past.question(request, tags, known, usual, details.summary.time_ns)
        found = self._past.course(asked, self._shared.open_of(machine, details))
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

    def incidents(self, request: Request) -> Response:
        """See the route of this name."""
        wanted = past.filter_of(request)
        offset, limit = whole(request, "offset", 0, 10**9), whole(request, "limit", past.PAGE, past.MOST_PAGE)
        found, waiting = self._shared.open_now()
        known, records = self._shared.records()
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
        slot, machine = self._shared.slot(request)
        number = past.number_of(request)
        fleet = self._shared.service.engine.fleet
        kind = fleet.rules[slot].kind
        _, records = self._shared.records()
        kin = {identity(machine)}
        if kind is not None:
            slots = {one: fleet.slot(machine_of(one)) for one in {record["id"] for record in records}}
            kin |= {one for one, its in slots.items() if its >= 0 and fleet.rules[its].kind == kind}
        open_now = self._shared.open_of(machine, self._shared.details(slot))
        others = [one for one in records if one["id"] in kin]
        found = self._past.incident(fleet.tags[slot], number, open_now, others)
        blamed = [{**sensor_label(fleet.rules[slot], one["sensor"]), **one} for one in found["blamed"]]
        return json({"kind": kind, **found, "blamed": blamed})
