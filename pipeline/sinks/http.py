"""HTTP requests whose answers are bounded, in bytes and in time, whatever the other side sends.

A time limit for each read is not enough: a byte every few seconds never runs into it. So the whole exchange, from the
connection to the last byte of the answer, has a deadline, after which its socket is shut down. No redirect is
followed, no request is repeated, no proxy of the environment is used.
"""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

MOST_BYTES = 1 << 16  # of an answer's body; its headers are bounded by the standard library


class Answer(NamedTuple):
    """What was answered; `data` is the beginning of the body where that was longer or came too slowly."""

    status: int
    reason: str
    data: bytes
    headers: Mapping[str, str]


class Exchange:
    """The socket of the request under way, to be shut down from another thread when time is up."""

    def __init__(self) -> None:
        self.expired = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def uses(self, used: socket.socket | None) -> None:
        """Remember a connection's socket by a copy, which stays good when TLS takes the original over."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None if used is None else socket.socket(fileno=socket.dup(used.fileno()))
            if self.expired and self._socket is not None:
                self._shut()

    def expire(self) -> None:
        """End whatever waits for this socket."""
        with self._lock:
            self.expired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the other side was faster
                self._socket.shutdown(socket.SHUT_RDWR)


class Http:
    """Sends requests one at a time, from one thread; connections are kept for the next one."""

    def __init__(self, timeout_s: float, deadline_s: float, most_bytes: int = MOST_BYTES) -> None:
        """`timeout_s`: of each read and write. `deadline_s`: of a whole exchange. `most_bytes`: of an answer."""
        import urllib3

        self._timeout, self._deadline_s, self._most_bytes = urllib3.Timeout(timeout_s), deadline_s, most_bytes
        self._exchange = Exchange()
        self._pools = urllib3.PoolManager(retries=False)
        self._pools.pool_classes_by_scheme = _watched(lambda used: self._exchange.uses(used))

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One exchange; raises OSError, in a few words, where there was no answer or none in time."""
        from urllib3.exceptions import HTTPError

        exchange = self._exchange = Exchange()
        timer = threading.Timer(self._deadline_s, exchange.expire)
        timer.daemon = True
        timer.start()
        try:
            response = self._pools.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=self._timeout,
                preload_content=False,
                redirect=False,
            )
            try:
                if exchange.expired:  # to the standard library, headers that break off are complete
                    raise TimeoutError
                return Answer(
                    response.status, response.reason or "", _beginning(response, self._most_bytes), response.headers
                )
            finally:
                # Whoever sends more than is read may not speak to us again over this connection.
                response.close() if response.length_remaining != 0 else response.release_conn()
        except (HTTPError, OSError) as error:
            if exchange.expired:
                raise TimeoutError(f"no whole answer within {self._deadline_s:g} s") from None
            raise ConnectionError(_short(error)) from None
        finally:
            timer.cancel()
            exchange.uses(None)

    def clear(self) -> None:
        """Close all connections."""
        self._pools.clear()


def _beginning(response: Any, most: int) -> bytes:
    """At most `most` bytes of the body, as they come; what came of one that breaks off."""
    from urllib3.exceptions import HTTPError

    parts, size = [], 0
    with suppress(HTTPError, OSError):
        while size < most and (part := response.read1(most - size, decode_content=False)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _watched(uses: Any) -> dict[str, Any]:
    """Connection pools that tell which socket a request is about to use."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Watched:
        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            uses(made)
            return made

        def request(self, *given: Any, **named: Any) -> None:
            if self.sock is not None:  # type: ignore[attr-defined]
                uses(self.sock)  # type: ignore[attr-defined]
            super().request(*given, **named)  # type: ignore[misc]

    class Plain(Watched, HTTPConnection):
        pass

    class Secure(Watched, HTTPSConnection):
        pass

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _short(error: BaseException) -> str:
    """A connection's failure in a few words, without the object addresses urllib3 puts into it."""
    text = str(getattr(error, "reason", None) or error)
    return text.split(">: ")[-1].split("object at 0x")[-1].split(": ", 1)[-1][:200]
