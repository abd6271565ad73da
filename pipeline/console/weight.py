"""Answers as light as whoever asks can take them: compressed, and not sent again where he has them already.

Stands between the door and the routes. Files of the page are compressed once, at the start.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Send], Awaitable[None]]

LEAST_BYTES = 600  # below it nothing is won
LARGE_BYTES = 32_768  # from which it takes a millisecond or more
LEVEL = 4  # of compression: a third of the time of the usual one, for a tenth more bytes
GZIP = 16 + zlib.MAX_WBITS
SMALL = (b"application/json", b"text/")  # kinds that compress


def compressed(content: bytes, level: int = LEVEL) -> bytes:
    """As gzip; the same for the same content."""
    packer = zlib.compressobj(level, zlib.DEFLATED, GZIP)
    return packer.compress(content) + packer.flush()


def takes_gzip(accepted: str) -> bool:
    """Whether a header Accept-Encoding names gzip, and does not rule it out.

    >>> takes_gzip("gzip, deflate, br"), takes_gzip("br;q=1, gzip;q=0"), takes_gzip("")
    (True, False, False)
    """
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def tag_of(content: bytes) -> str:
    """By which somebody knows that he has it already. Weak: it is the same for every encoding."""
    return f'W/"{hashlib.blake2b(content, digest_size=10).hexdigest()}"'


def has(known: str, tag: str) -> bool:
    """Whether a header If-None-Match names this tag.

    >>> has('W/"a", "b"', 'W/"b"'), has("*", 'W/"b"')
    (True, False)
    """
    return tag.removeprefix("W/") in {one.strip().removeprefix("W/") for one in known.split(",")}


class Light:
    """Around the routes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        """One request. Only an answer 200 to GET that comes in one piece is touched."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        begun: Message | None = None

        async def lighter(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and message["status"] == 200:
                begun = message
                return
            if begun is not None:
                first, begun = begun, None
                if not message.get("more_body", False):
                    if len(message.get("body", b"")) < LARGE_BYTES:
                        message = _light(asked, first, message)
                    else:  # all other requests would wait for it
                        message = await asyncio.to_thread(_light, asked, first, message)
                await send(first)
            await send(message)

        await self._app(scope, receive, lighter)


def _light(asked: dict[bytes, str], start: Message, body: Message) -> Message:
    """Changes the start of an answer, and returns its body as it is sent."""
    headers = {name.lower(): value for name, value in start["headers"]}
    content = body.get("body", b"")
    if b"content-encoding" in headers or not headers.get(b"content-type", b"").startswith(SMALL):
        return body
    tag = headers.setdefault(b"etag", tag_of(content).encode())
    headers[b"vary"] = b"accept-encoding"
    if has(asked.get(b"if-none-match", ""), tag.decode("latin-1")):
        start["status"], content = 304, b""
        headers.pop(b"content-length", None)
        headers.pop(b"content-type", None)
    elif len(content) >= LEAST_BYTES and takes_gzip(asked.get(b"accept-encoding", "")):
        content = compressed(content)
        headers[b"content-encoding"] = b"gzip"
        headers[b"content-length"] = str(len(content)).encode()
    start["headers"] = list(headers.items())
    return {**body, "body": content}
