"""Connections to the console, bounded in number and in time: idle ones shut nobody out.

Where there is no room for a new one, the one that has been idle longest is closed, of the address that has most. So a
flood from one address closes its own connections first, and a request that comes at once is always answered.
"""

import asyncio
import logging
import resource
import socket
import struct
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("spikewatch.console")

CONNECTIONS = 100  # at a time
REQUEST_S = 10.0  # in which a request is to come, whole, and an answer to be read on


class Room:
    """The connections that are open; only the console's own thread changes it."""

    def __init__(self, most: int = 0) -> None:
        """`most`: connections; unless told, a hundred, and no more than a quarter of what the process may open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = CONNECTIONS if soft == resource.RLIM_INFINITY else min(CONNECTIONS, soft // 4)
        self.most = most or max(allowed, 2)
        self.most_of_one = max(self.most // 2, 1)  # of one address
        self._open: dict[Connection, str] = {}
        self._turned_away = 0

    def counters(self) -> dict[str, int]:
        """How many are open, and how many were closed for want of room."""
        return {"connections": len(self._open), "connections_closed": self._turned_away}

    def enter(self, connection: "Connection", address: str) -> None:
        """Make room for a connection; where every other is being answered, it is itself closed."""
        count = Counter(self._open.values())
        crowded = address if count[address] >= self.most_of_one else ""
        if not crowded and len(self._open) >= self.most:
            [(crowded, _)] = count.most_common(1)
        self._open[connection] = address
        if crowded:
            idle = [one for one, its in self._open.items() if its == crowded and one is not connection and one.idle]
            leaving = min(idle, key=lambda one: one.idle_since_s, default=connection)
            self.leave(leaving)
            leaving.hang_up()
            if not self._turned_away:
                note = "the longest idle ones are closed; further ones are only counted (connections_closed)"
                log.warning('console.crowded address=%s limit=%d note="%s"', crowded, self.most, note)
            self._turned_away += 1

    def leave(self, connection: "Connection") -> None:
        """It is closed."""
        self._open.pop(connection, None)


class Connection(H11Protocol):
    """One connection. It is closed when no whole request has come, or no answer was read on, for REQUEST_S."""

    def __init__(self, room: Room, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._room = room
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes, when it was last looked at
        self.idle_since_s = self.loop.time()

    @property
    def idle(self) -> bool:
        """Whether it waits for its client: to ask, or to read what it was answered."""
        answered = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        return answered or self.flow.write_paused

    def hang_up(self) -> None:
        """Close it now, whatever is still to be sent."""
        if self.transport.get_write_buffer_size():  # nobody reads it: the system is not to keep what it holds, either
            at_once = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is open."""
        super().connection_made(transport)
        self._wait()
        self._room.enter(self, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._room.leave(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request may come."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        self.idle_since_s = self.loop.time()
        self._look_later()

    def _look_later(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(REQUEST_S, self._look)

    def _look(self) -> None:
        """Whoever reads a long answer slowly is left in peace while he reads on."""
        reads_on = 0 < self.transport.get_write_buffer_size() < self._unsent
        if self.idle and not reads_on:
            self.hang_up()
        else:
            self._look_later()
