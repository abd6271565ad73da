"""The embedded broker: for trying out, on loopback only. The only file that imports amqtt.

A plant uses a real broker: this one speaks MQTT 3.1.1, takes a few thousand messages a second, keeps nothing across a
restart and can lose what a publisher sent last before it hung up. A gateway has no use for it: amqtt,
which is of the extra `demo`, is imported only when this broker starts.
"""

import asyncio
import errno
import importlib.util
import logging
import socket
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from pipeline.config.extras import install

if TYPE_CHECKING:
    from amqtt.broker import Broker

log = logging.getLogger("spikewatch.broker")

START_S = 30.0
SHUTDOWN_S = 3.0
TRIES = 5  # ports, where others take them at the same moment


class NotInstalled(Exception):
    """There is no embedded broker here."""


def need() -> None:
    """Raises NotInstalled, with what to do, where amqtt is missing."""
    if importlib.util.find_spec("amqtt") is None:
        raise NotInstalled(
            "mqtt.url is not set, and the embedded broker, for trying out, is not installed: "
            f"set mqtt.url to that of your broker (mqtt.url: mqtt://HOST:1883), or run: {install('demo')}"
        )


class EmbeddedBroker:
    """A broker in a thread of its own."""

    def __init__(self, port: int) -> None:
        """`port` is a wish: where it is taken, a free one is used. Raises NotInstalled."""
        need()
        self._wish = port
        self._port: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> int:
        """Listen; returns the port. Raises OSError where loopback has no free port."""
        for name in ("amqtt", "transitions"):  # what it says of clients that hang up, and of a port that is taken
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        port = self._port.result(timeout=START_S)
        if self._wish not in {0, port}:
            log.warning(
                'broker.port_taken port=%d using=%d note="simulate, tap and replay find it; where the other is your '
                'broker, set mqtt.url: mqtt://127.0.0.1:%d"',
                *(self._wish, port, self._wish),
            )
        return port

    def _run(self) -> None:
        """One life; `asyncio.run` ends every task that the broker has left behind."""
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._port.done():
                raise
            self._port.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        # It hangs up on clients in the middle of what they do, and every such task would tell its end.
        self._loop.set_exception_handler(lambda loop, context: log.debug("broker.task %s", context.get("message")))
        broker, port = await listening(self._wish)
        self._port.set_result(port)
        await self._over.wait()
        # It waits for clients that have not hung up; they notice when we are gone.
        await asyncio.wait({asyncio.ensure_future(broker.shutdown())}, timeout=SHUTDOWN_S)

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._thread.ident is None:
            return
        wait([self._port], SHUTDOWN_S)  # where it is told to stop while it begins
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(timeout=2 * SHUTDOWN_S)


async def listening(wish: int) -> "tuple[Broker, int]":
    """A broker that listens, and its port: `wish`, or a free one. Raises OSError where there is none."""
    from amqtt.broker import Broker
    from amqtt.errors import BrokerError

    for _ in range(TRIES):
        port = free_port(wish)
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 100}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            },
            loop=asyncio.get_running_loop(),
        )
        try:
            await broker.start()
        except BrokerError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
                raise OSError(f"the embedded broker cannot listen on 127.0.0.1:{port}: {error}") from error
            wish = 0  # somebody was quicker
        else:
            return broker, port
    raise OSError("the embedded broker found no free port on loopback")


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
