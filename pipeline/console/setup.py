"""Handlers that change the configuration: its file, a new start, and the steps of a first one. All need the token."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipeline.config.file import MOST_BYTES
from pipeline.config.settings import ConfigError
from pipeline.console.answers import content_of, json
from pipeline.console.editing import EditError, Editor

TEXT_BYTES = 3 * MOST_BYTES  # of a body with a text in JSON, which escapes some characters
STEP_BYTES = 262_144  # of a body with what was said so far, with up to 256 sensors
Step = Callable[[bytes], Mapping[str, Any]]


class Edited(msgspec.Struct, forbid_unknown_fields=True):
    """A text, and the tag of the one that was edited."""

    text: str
    tag: str = ""


class Wizard(Protocol):
    """Answers the steps of a first configuration, each asked with JSON.

    Raises MsgspecError for what is no question, ConfigError and OSError with the reason why something cannot be.
    """

    port: int | None  # of the console, where that is not the usual one

    def broker(self, asked: bytes) -> Mapping[str, Any]:
        """Whether a broker lets us in."""

    def listen(self, asked: bytes) -> Mapping[str, Any]:
        """Begin to hear it."""

    def heard(self) -> Mapping[str, Any]:
        """What was heard and understood so far."""

    def database(self, asked: bytes) -> Mapping[str, Any]:
        """Whether a database takes a point."""

    def draft(self, asked: bytes) -> Mapping[str, Any]:
        """The configuration that all of it makes."""


class Changing(NamedTuple):
    """What the configuration can be changed by, besides its file."""

    restart: Callable[[], None] | None = None  # end in order and start anew; None where nobody would start it
    token_file: str = ""  # where the token lies, for those who have no service to say it
    wizard: Wizard | None = None  # where there is no configuration yet


class SetupApi:
    """The handlers."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], changing: Changing) -> None:
        """`path`: the file, which need not be there; None where the service runs without one."""
        self._editor = None if path is None else Editor(path, environ)
        self._changing = changing

    @property
    def _file(self) -> Editor:
        if self._editor is None:
            raise HTTPException(404, "the service runs without a configuration file")
        return self._editor

    async def setup_open(self, request: Request) -> Response:
        """See the route of this name."""
        return await _answered(self._file.opened)

    async def setup_check(self, request: Request) -> Response:
        """See the route of this name."""
        edited = await content_of(request, Edited, TEXT_BYTES)
        return await _answered(lambda: self._file.checked(edited.text))

    async def setup_save(self, request: Request) -> Response:
        """See the route of this name."""
        edited = await content_of(request, Edited, TEXT_BYTES)
        return await _answered(lambda: self._file.saved(edited.text, edited.tag))

    async def setup_restart(self, request: Request) -> Response:
        """See the route of this name."""
        restart = self._changing.restart
        if restart is None:
            raise HTTPException(404, "it cannot be restarted from here")

        def begin() -> dict[str, bool]:
            self._file.startable()
            restart()
            return {"restarting": True}

        return await _answered(begin)

    async def setup_broker(self, request: Request) -> Response:
        """See the route of this name."""
        return await self._step(request, lambda wizard: wizard.broker)

    async def setup_listen(self, request: Request) -> Response:
        """See the route of this name."""
        return await self._step(request, lambda wizard: wizard.listen)

    async def setup_heard(self, request: Request) -> Response:
        """See the route of this name."""
        return await self._step(request, lambda wizard: lambda asked: wizard.heard())

    async def setup_database(self, request: Request) -> Response:
        """See the route of this name."""
        return await self._step(request, lambda wizard: wizard.database)

    async def setup_draft(self, request: Request) -> Response:
        """See the route of this name."""
        return await self._step(request, lambda wizard: wizard.draft)

    async def _step(self, request: Request, step: Callable[[Wizard], Step]) -> Response:
        wizard = self._changing.wizard
        if wizard is None:
            raise HTTPException(404, "there is a configuration already; edit that")
        asked = await content_of(request, msgspec.Raw, STEP_BYTES)
        return await _answered(lambda: step(wizard)(bytes(asked)))


async def _answered(work: Callable[[], Any]) -> Response:
    """What work that may wait for the disk finds; 409 with the reason where it cannot be done."""
    try:
        return json(await run_in_threadpool(work))
    except msgspec.MsgspecError as error:
        raise HTTPException(400, str(error)) from None
    except (EditError, ConfigError) as error:
        raise HTTPException(409, str(error)) from None
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise HTTPException(409, why) from None
