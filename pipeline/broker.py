"""The embedded broker: for trying out, on loopback only. The only file that imports amqtt.

A plant uses a real broker: this one speaks MQTT 3.1.1, takes a few thousand messages a second, keeps nothing across a
restart and can lose what a publisher sent last before it hung up.
"""

import asyncio
import logging
import socket
import threading

from amqtt.broker import Broker

log = logging.getLogger("spikewatch.broker")

PORT = 1883
SHUTDOWN_S = 3.0


class EmbeddedBroker:
    """A broker in a thread of its own."""

    def __init__(self, port: int = PORT) -> None:
        """`port` is a wish: where it is taken, a free one is used."""
        self._wish = port
        self._loop = asyncio.new_event_loop()
        self._broker: Broker | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)

    def start(self) -> int:
        """Listen; returns the port. Raises OSError where loopback has no free port."""
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        port = free_port(self._wish)
        if port != self._wish:
            log.warning("broker.port_taken port=%d using=%d", self._wish, port)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(port), self._loop).result(timeout=30.0)
        return port

    async def _start(self, port: int) -> None:
        self._broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 100}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            },
            loop=self._loop,
        )
        await self._broker.start()

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._broker is not None:
            closing = asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop)
            try:
                closing.result(timeout=SHUTDOWN_S)
            except TimeoutError:  # it waits for clients that have not hung up; they notice when we are gone
                closing.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=SHUTDOWN_S)
        if not self._loop.is_running():
            self._loop.close()


def free_port(wish: int) -> int:
    """`wish` if nobody listens there on loopback, else a port that is free now."""
    for port in (wish, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")
