"""The console's own thread: a small HTTP server on a port that may be taken, which stops nobody else."""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from pipeline.config import Console
from pipeline.console.api import Api, Backend, Status, failed
from pipeline.console.door import Door

log = logging.getLogger("spikewatch.console")

CONNECTIONS = 100  # at a time; more are told to come back
SHUTDOWN_S = 2


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
    ) -> None:
        """Without a `backend` it is in safe mode: only the configuration is shown, and `token` is empty."""
        self._settings = settings
        self._api = Api(backend, status, store, config_path, environ)
        handled = {HTTPException: failed, TimeoutError: failed}
        app = Starlette(routes=self._api.router().routes, exception_handlers=handled)
        self._server = uvicorn.Server(
            uvicorn.Config(
                Door(app, settings.host, token),
                log_config=None,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                http="h11",
                loop="asyncio",
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._socket: socket.socket | None = None
        if backend is not None:
            backend.listeners.append(self._api.take)

    @property
    def url(self) -> str:
        """Where it answers."""
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._settings.port}"

    def start(self) -> bool:
        """Begin to answer; False, and a warning, where the port cannot be had."""
        settings = self._settings
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            listener.close()
            reason = error.strerror or error
            log.warning(
                'console.away host=%s port=%d reason="%s" key=console.port', settings.host, settings.port, reason
            )
            return False
        self._socket = listener
        self._thread.start()
        return True

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket] if self._socket else None)
        except Exception:  # whatever it is, the service is worth more than its page
            log.exception("console.failed")

    def stop(self) -> None:
        """Answer no more."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(SHUTDOWN_S + 3.0)
        if self._socket is not None:
            self._socket.close()
