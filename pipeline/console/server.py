"""The console's own thread: a small HTTP server on a port that may be taken, which stops nobody else."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from pipeline.config.settings import Console
from pipeline.console.answers import failed
from pipeline.console.api import Api
from pipeline.console.backend import Backend, NotifyTest, Status
from pipeline.console.connection import Connection, Room
from pipeline.console.door import Door
from pipeline.console.setup import Changing
from pipeline.console.weight import Light
from pipeline.sinks.history import History

log = logging.getLogger("spikewatch.console")

BACKLOG = 256  # connections that the system holds until they are taken
UNREAD_BYTES = 131_072  # that the system holds of an answer
SHUTDOWN_S = 2
COMPLAINTS = 20  # that are told, of different causes


class OneByOne(uvicorn.Server):
    """Takes connections one at a time, so that none is open that has not been counted.

    asyncio takes as many in one go as may be waiting. It does so also where the process has no descriptor left, with
    an error and a further try for each.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)  # of each connection that it takes
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """The console."""

    def __init__(
        self,
        settings: Console,
        token: str,
        environ: Mapping[str, str],
        config_path: Path | None = None,
        backend: Backend | None = None,
        status: Callable[[], Status] | None = None,
        store: Path | None = None,
        notify_test: NotifyTest | None = None,
        database: History | None = None,
        changing: Changing = Changing(),  # noqa: B008  # immutable
    ) -> None:
        """Without a `backend` it is in safe mode: only the configuration is there.

        `token`: empty where nothing may be written.
        """
        self._settings = settings
        most = settings.metrics_machines
        self._api = Api(backend, status, store, config_path, environ, notify_test, database, most, changing)
        handled = {HTTPException: failed, TimeoutError: failed}
        app = Starlette(routes=self._api.router().routes, exception_handlers=handled)
        app.router.redirect_slashes = False  # each thing has one address
        room = Room()
        self._api.service.connections = room.counters
        self._complaints: set[str] = set()
        self._server = OneByOne(
            uvicorn.Config(
                Door(Light(app), settings.host, token),
                log_config=None,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                http=cast(type[asyncio.Protocol], partial(Connection, room)),
                loop="asyncio",
                backlog=1,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._socket: socket.socket | None = None
        if backend is not None:
            backend.listeners.append(self._api.shared.take)

    @property
    def url(self) -> str:
        """Where it answers."""
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def port(self) -> int:
        """The port at which it answers."""
        found: int = self._settings.port if self._socket is None else self._socket.getsockname()[1]
        return found

    def start(self, any_port: bool = False) -> bool:
        """Begin to answer; False, and a warning, where the port cannot be had.

        `any_port`: another one will do where the configured one is taken.
        """
        host, port = self._settings.host, self._settings.port
        try:
            try:
                self._socket = listening(host, port)
            except OSError:
                if not any_port:
                    raise
                self._socket = listening(host, 0)
        except OSError as error:
            log.warning(
                'console.away host=%s port=%d reason="%s" key=console.port', host, port, error.strerror or error
            )
            return False
        self._thread.start()
        if self._api.filling is not None:
            self._api.filling.start()
        return True

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:  # whatever it is, the service is worth more than its page
            log.exception("console.failed")

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._complain)
        await self._server.serve(sockets=[self._socket] if self._socket else None)

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """One line per cause: whoever can make it happen once can make it happen a thousand times a second."""
        reason = str(context.get("exception") or context["message"])
        if reason not in self._complaints and len(self._complaints) < COMPLAINTS:
            self._complaints.add(reason)
            log.warning('console.trouble what="%s" reason="%s" note="logged once"', context["message"], reason)

    def stop(self) -> None:
        """Answer no more."""
        if self._api.filling is not None:
            self._api.filling.stop()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(SHUTDOWN_S + 3.0)
        if self._socket is not None:
            self._socket.close()
