"""The service itself: how it does, its configuration as it is, its counters, and the description of the API.

Each handler has the name of its route, and runs in a thread of its own.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipeline.console import configuration, overview, routes
from pipeline.console.answers import json
from pipeline.console.backend import NotifyTest, Status
from pipeline.console.setup import Changing
from pipeline.console.shared import Shared


class ServiceApi:
    """The handlers."""

    def __init__(
        self,
        shared: Shared,
        status: Callable[[], Status] | None,
        config_path: Path | None,
        environ: Mapping[str, str],
        notify_test: NotifyTest | None,
        metrics_machines: int,
        changing: Changing,
    ) -> None:
        """`status`: None in safe mode. `metrics_machines`: how many machines Prometheus is told of."""
        self._started = time.time()
        self._shared, self._status, self._notify_test = shared, status, notify_test
        self._config_path, self._environ, self._changing = config_path, environ, changing
        self._metrics_machines = metrics_machines
        self.connections: Callable[[], dict[str, int]] = dict  # counters of the server

    def health(self, request: Request) -> Response:
        """See the route of this name."""
        if self._status is None:
            without = {"safe_mode": True, "setup": self._changing.wizard is not None}
            return json({**without, "started": self._started, "token_file": self._changing.token_file})
        status = self._shared.briefly("health", self._status)
        figures = {**status.figures, **self._own_figures()}
        return json({"safe_mode": False, "started": self._started, **status._asdict(), "figures": figures})

    def _own_figures(self) -> dict[str, int]:
        return {**(self._shared.recent.counters() if self._shared.recent else {}), **self.connections()}

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
            return configuration.described(self._config_path, self._environ, self._shared.running, may_edit)

        return json(self._shared.briefly("configuration", find))

    def openapi(self, request: Request) -> Response:
        """See the route of this name."""
        return json(routes.described())

    def healthz(self, request: Request) -> Response:
        """See the route of this name."""
        self._shared.briefly("healthz", lambda: self._shared.ask(lambda engine: True))
        return json({"ok": True})

    def readyz(self, request: Request) -> Response:
        """See the route of this name."""
        if self._status is None:
            return json({"ready": False, "why": "safe mode"}, 503)
        status = self._shared.briefly("health", self._status)
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
        status = self._shared.briefly("health", self._status)

        copy, arranged = self._shared.arranged(overview.Asked())
        machines, slots = (
            self._shared.service.engine.fleet.machines,
            arranged.slots[: self._metrics_machines].tolist(),
        )
        figures = {**status.figures, **self._own_figures()}
        upstream = None if status.upstream is None else bool(status.figures["upstream_connected"])
        reached = {"broker": status.broker_reached, "database": status.database_away is None}
        if upstream is not None:
            reached["upstream"] = upstream
        told = [overview.figures(copy, machines[slot], slot) for slot in slots]
        text = metrics.exposition(figures, arranged.counts, reached, told)
        return Response(text, 200, {"content-type": metrics.CONTENT_TYPE})
