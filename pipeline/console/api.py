"""All that the console answers, by subject: machines, the past, the service, its setup, and the page.

`routes.py` is the table of addresses, and each handler has the name of its route.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.routing import Route, Router

from pipeline.console import routes
from pipeline.console.backend import Backend, NotifyTest, Status
from pipeline.console.heat_history import Filling
from pipeline.console.machines_api import MachinesApi
from pipeline.console.page import Page
from pipeline.console.past_api import PastApi
from pipeline.console.service_api import ServiceApi
from pipeline.console.setup import Changing, SetupApi
from pipeline.console.shared import Shared
from pipeline.sinks.history import History


class Api:
    """The handlers of all subjects."""

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
        self.shared = Shared(backend, database, changing)
        self.service = ServiceApi(self.shared, status, config_path, environ, notify_test, metrics_machines, changing)
        self.page = Page()
        self._subjects = (
            MachinesApi(self.shared, store),
            PastApi(self.shared, database),
            self.service,
            SetupApi(config_path, environ, changing),
        )
        self.filling: Filling | None = None
        if backend is not None and database is not None:
            self.filling = Filling(self.shared.heat, database, self.shared.ask)

    def router(self) -> Router:
        """All routes, and the page."""
        found = []
        for route in routes.ROUTES:
            [subject] = [subject for subject in self._subjects if hasattr(subject, route.name)]
            found.append(Route(route.path, getattr(subject, route.name), methods=[route.method]))
        found += [
            Route("/", self.page.page, methods=["GET"]),
            Route("/favicon.ico", self.page.icon, methods=["GET"]),
            Route("/assets/{name}", self.page.asset, methods=["GET"]),
        ]
        return Router(found)
