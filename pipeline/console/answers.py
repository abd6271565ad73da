"""Answers of the console: as JSON, and given again for a while so that many who ask cost as much as one."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

ANSWERS = 64  # that are kept for a while
REST = 20  # times as long as it took, an answer is good at least: many points on a small computer cost it no more
T = TypeVar("T")


class Briefly:
    """Answers that are given again for a while, so that many who ask cost as much as one. One question at a time."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def __call__(self, key: Hashable, find: Callable[[], T]) -> T:
        with self._lock:
            known = self._known.get(key)
            if known is not None and self._clock() - known[0] < self._seconds:
                found: T = known[1]
                return found
            found = find()
            self._known[key] = (self._clock(), found)
            self._known.move_to_end(key)
            while len(self._known) > ANSWERS:
                self._known.popitem(last=False)
            return found

    def forget(self) -> None:
        """Something was changed: look again."""
        with self._lock:
            self._known.clear()


class Latest(Generic[T]):
    """The newest answer to one question. Whoever asks while it is being found gets the one before, and at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._known: tuple[T] | None = None
        self._until = 0.0

    def __call__(self, find: Callable[[], tuple[T, float]]) -> T:
        """`find` gives the answer, and for how many seconds it is good."""
        known = self._known
        if known is not None and (self._clock() < self._until or not self._turn.acquire(blocking=False)):
            return known[0]
        if known is None:
            self._turn.acquire()
        try:
            begun = self._clock()
            found, seconds = find()
            ended = self._clock()
            self._known, self._until = (found,), ended + max(seconds, REST * (ended - begun))
            return found
        finally:
            self._turn.release()

    def forget(self) -> None:
        """Something was changed: look again."""
        self._until = 0.0


def json(content: object, status: int = 200) -> Response:
    """An answer."""
    return Response(
        msgspec.json.encode(content),
        status,
        {"content-type": "application/json", "cache-control": "no-store"},
    )


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A number that was asked with."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise HTTPException(400, f"{name} is not a whole number")
    return min(int(text), most)


async def content_of(request: Request, kind: type[T], most: int) -> T:
    """The JSON body of a request, of at most so many bytes, as a `kind`."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(400, "the body must be JSON (content-type: application/json)")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise HTTPException(413, f"the body has more than {most} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the body was cut off") from None
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise HTTPException(400, str(error)) from None


def failed(request: Request, error: Exception) -> Response:
    """What went wrong, as JSON."""
    status = error.status_code if isinstance(error, HTTPException) else 503
    detail = error.detail if isinstance(error, HTTPException) else "the service is starting or busy; try again"
    return json({"error": detail}, status)
