"""Answers of the console: as JSON, and given again for a while so that many who ask cost as much as one."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

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
        self._since = object()  # another one after every change
        self._known: OrderedDict[Hashable, tuple[float, object, Any]] = OrderedDict()

    def __call__(self, key: Hashable, find: Callable[[], T]) -> T:
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[1] is self._since and self._clock() - known[0] < self._seconds:
                answer: T = known[2]
                return answer
            since = self._since
            found = find()
            self._known[key] = (self._clock(), since, found)
            self._known.move_to_end(key)
            while len(self._known) > ANSWERS:
                self._known.popitem(last=False)
            return found

    def forget(self) -> None:
        """Something was changed: look again. Waits for nobody, so it may be said where all requests wait."""
        self._since = object()


class _Answer(NamedTuple, Generic[T]):
    """What was found, and how long it is good."""

    found: T
    since: object  # the change after which it was looked for
    until: float


class Latest(Generic[T]):
    """The newest answer to one question, found by one who asks at a time.

    Whoever asks meanwhile gets the one before, and at once; where there is none, or something was changed since, what
    is being found, or why it cannot be.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # held for a few assignments
        self._since = object()  # another one after every change
        self._known: _Answer[T] | None = None
        self._finding: tuple[object, Future[T]] | None = None

    def __call__(self, find: Callable[[], tuple[T, float]]) -> T:
        """`find` gives the answer, and for how many seconds it is good."""
        with self._lock:
            since, known = self._since, self._known
            if known is not None and known.since is not since:
                known = None
            if known is not None and self._clock() < known.until:
                return known.found
            awaited = self._finding[1] if self._finding is not None and self._finding[0] is since else None
            if awaited is None:
                own: Future[T] = Future()
                self._finding = since, own
            elif known is not None:
                return known.found
        return awaited.result() if awaited is not None else self._found(find, since, own)

    def _found(self, find: Callable[[], tuple[T, float]], since: object, own: Future[T]) -> T:
        begun = self._clock()
        try:
            found, seconds = find()
        except BaseException as error:
            self._done(own, None)
            own.set_exception(error)
            raise
        ended = self._clock()
        self._done(own, _Answer(found, since, ended + max(seconds, REST * (ended - begun))))
        own.set_result(found)
        return found

    def _done(self, own: Future[T], answer: _Answer[T] | None) -> None:
        with self._lock:
            if self._finding is not None and self._finding[1] is own:  # or else something was changed, and more
                self._finding = None
            if answer is not None and answer.since is self._since:
                self._known = answer

    def forget(self) -> None:
        """Something was changed: look again."""
        self._since = object()


class LatestOf(Generic[T]):
    """The same for many questions: of each the newest answer. Those that nobody asks any more are forgotten."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: answers that are kept."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()  # held for a few assignments
        self._known: OrderedDict[Hashable, Latest[T]] = OrderedDict()

    def __call__(self, key: Hashable, find: Callable[[], tuple[T, float]]) -> T:
        """See `Latest`."""
        with self._lock:
            latest = self._known.setdefault(key, Latest(self._clock))
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return latest(find)


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
