"""Who may come in: a token for every write, and no page of somebody else's.

A browser can be made to send requests to loopback by any page it shows. None of those carries our token, and it is
no cookie that a browser would add. So that no page can pose as this one either (by a name of its own that resolves to
loopback), only names of loopback are answered to there, and a write that says it comes from elsewhere is refused.
"""

import hmac
import logging
import os
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from pipeline.config.settings import CONSOLE_TOKEN, Config, read_secret
from pipeline.files import open_to_others, read_bounded

log = logging.getLogger("spikewatch.console")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"manifest-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
OPEN = ("/healthz", "/readyz", "/assets/", "/favicon.ico")  # answers that hold nothing of the plant
COMPLAINTS = 20  # that are told, of different causes
SHORTEST_TOKEN, LONGEST_TOKEN = 16, 4_096


def is_loopback(host: str) -> bool:
    """Whether that host is this computer only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def make_token(path: Path) -> str:
    """The token in that file, which is made where there is none; only its owner may read it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = read_bounded(path, LONGEST_TOKEN).decode("utf-8", "replace").strip()
        if open_to_others(path):
            log.warning(
                'token.open file=%s mode=%o note="other accounts can read it and so send commands; remove'
                ' the file and restart: a new token is made"',
                *(path, path.stat().st_mode & 0o777),
            )
        if len(token) >= SHORTEST_TOKEN:
            return token
        path.unlink()  # what is left of a start that was cut off
        return make_token(path)
    token = token_urlsafe(24)
    with os.fdopen(handle, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token


def token_path(config: Config) -> Path:
    """Where the token lies that is made."""
    return Path(config.data) / CONSOLE_TOKEN


def token_of(config: Config, environ: Mapping[str, str]) -> tuple[str, str]:
    """The token, which is made where none is configured, and where it lies. Raises ConfigError or OSError."""
    if config.console.token is not None:
        return read_secret(config.console.token, environ), "where console.token says"
    path = token_path(config)
    return make_token(path), str(path)


def same_place(origin: str, host: str) -> bool:
    """Whether that origin is this host; what is no origin is not."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


class Door:
    """Stands before the routes; answers by itself what may not come in."""

    def __init__(self, app: App, host: str, token: str) -> None:
        """`token`: empty where nothing can be written, which then nobody may."""
        self._app = app
        self._local = is_loopback(host)
        self._token = token.encode()
        self._complaints: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Its path is taken as it was sent: `%2F` and `%3B` in a name are no `/` and no `;`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": scope["raw_path"].decode("latin-1")}

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        status, why = self._refusal(scope)
        if status:
            body = b'{"error":"' + why + b'"}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            if status == 401:
                headers.append((b"www-authenticate", b"Bearer"))
            await send_with_headers({"type": "http.response.start", "status": status, "headers": headers})
            await send_with_headers({"type": "http.response.body", "body": body})
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            self._complain(error)  # it has been answered with 500

    def _complain(self, error: Exception) -> None:
        """One line per cause: whoever finds a request that fails can send it a thousand times a second."""
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}:{at.lineno}"
        if where not in self._complaints and len(self._complaints) < COMPLAINTS:
            self._complaints.add(where)
            log.error('console.request_failed at=%s reason="%r" note="told once"', where, error)

    def _refusal(self, scope: Scope) -> tuple[int, bytes]:
        """Status and reason; 0 for who may come in."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1")
        try:
            named = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return 400, b"the Host header is no host"
        if self._local and not is_loopback(named):
            return 421, b"only requests to localhost or a loopback address are answered"
        reads = scope["method"] in ("GET", "HEAD")
        if reads and (self._local or scope["path"] == "/" or scope["path"].startswith(OPEN)):
            return 0, b""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and not same_place(origin, host):
            return 403, b"this request comes from another page"
        if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            return 403, b"this request comes from another page"
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        same = hmac.compare_digest(given.strip(), self._token)
        if scheme.lower() != b"bearer" or not self._token or not same:
            return 401, b"the token is missing or wrong (Authorization: Bearer ...)"
        return 0, b""
