"""Load for the end-to-end benchmarks: a real Mosquitto with a backlog that waits for one subscriber.

A publisher that runs beside the subscriber competes with it for the processor, so what is measured is neither. Here
the broker first queues everything for a session that is away (MQTT 5, QoS 1), the publisher ends, and only then the
subscriber comes back and drains the backlog as fast as it can.

    python benchmarks/load.py                  what mosquitto_sub drains, one reading and 50 readings a message

The readings depend on the number of messages and on nothing else: every run publishes the same bytes.
"""

import argparse
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SESSION_EXPIRY_S = 3600
START_S = 1_704_067_200  # 2024-01-01T00:00:00Z: time stamp of every machine's first sample
TOPICS = "plant/#"
WINDOW = 20_000  # messages the publisher sends ahead of the broker's acknowledgements
PUT_OFF = 1_000  # messages that go to the socket at once

# Debian's defaults drop everything beyond 1000 queued messages; the in-flight window is then the subscriber's.
SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_inflight_messages 65535
log_type error
"""


class Shape(NamedTuple):
    """What the messages look like."""

    machines: int
    sensors: int
    samples: int  # in one message, each with a value of every sensor; 0: a message is one value of one sensor

    @property
    def readings(self) -> int:
        """In one message."""
        return self.samples * self.sensors or 1


SHAPES = {
    "single": Shape(machines=100, sensors=8, samples=0),  # plant/m-17/s3   21.337
    "batched": Shape(machines=100, sensors=5, samples=10),  # plant/m-17   [{"time":1704067200,"s0":21.337,..},..]
}


def messages(shape: Shape, count: int) -> Iterator[tuple[str, str]]:
    """Topics and payloads: a machine's sensors one after the other, then the next machine's, round and round."""
    values = np.random.default_rng(1).normal(20.0, 1.0, 100_003).round(3).tolist()  # a prime: no machine repeats soon
    at = 0
    if shape.samples == 0:
        topics = [f"plant/m-{m}/s{s}" for m in range(shape.machines) for s in range(shape.sensors)]
        for number in range(count):
            yield topics[number % len(topics)], str(values[number % len(values)])
        return
    for number in range(count):
        turn, machine = divmod(number, shape.machines)
        samples = []
        for sample in range(shape.samples):
            fields = ",".join(f'"s{s}":{values[(at + s) % len(values)]}' for s in range(shape.sensors))
            samples.append(f'{{"time":{START_S + turn * shape.samples + sample},{fields}}}')
            at += shape.sensors
        yield f"plant/m-{machine}", f"[{','.join(samples)}]"


class Broker:
    """A Mosquitto of our own on a free port of loopback, with its files in a temporary folder."""

    def __init__(self) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None or shutil.which("mosquitto_sub") is None:
            raise RuntimeError("mosquitto and mosquitto_sub are needed: apt install mosquitto mosquitto-clients")
        self._program = program

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="spikewatch-load-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        settings = Path(self._folder.name) / "mosquitto.conf"
        settings.write_text(SETTINGS.format(port=self.port))
        self._process = subprocess.Popen([self._program, "-c", str(settings)])
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """To measure what the broker itself uses."""
        return self._process.pid

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("mosquitto did not start") from None
                time.sleep(0.02)

    def subscribe(self, client_id: str) -> None:
        """Let the broker know the session `client_id`, and go away again: from now on it queues for it."""
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
        client.on_connect = lambda *_: client.subscribe(TOPICS, 1)
        client.on_subscribe = lambda *_: client.disconnect()
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        client.connect("127.0.0.1", self.port, clean_start=False, properties=properties)
        client.loop_forever()

    def publish(self, shape: str, count: int) -> float:
        """Publish messages with QoS 1 from a process of their own; seconds until the last was acknowledged."""
        begin = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--publish", shape, str(count), str(self.port)], check=True)
        return time.perf_counter() - begin

    def queue(self, client_id: str, shape: str, count: int) -> None:
        """Leave a backlog of messages for the session `client_id`."""
        self.subscribe(client_id)
        self.publish(shape, count)

    def drain_with_mosquitto_sub(self, client_id: str, count: int) -> float:
        """Seconds mosquitto_sub takes for a backlog, to /dev/null: the bar for any subscriber.

        Its receive maximum is left as it is: 20, 2000 and 65,535 made no difference.
        """
        command = ["mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-c", "-i", client_id, "-x", str(SESSION_EXPIRY_S), "-q", "1", "-t", TOPICS, "-C", str(count)]
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin


def publish(shape: Shape, count: int, port: int) -> None:
    """Publish over a bare socket, several times faster than a client library: MQTT 3.1.1, QoS 1."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text("load")))
        if connection.recv(4, socket.MSG_WAITALL) != b"\x20\x02\x00\x00":
            raise RuntimeError("the broker refused the publisher")
        acknowledged = 0  # bytes: PUBACK has four
        sent: list[bytes] = []
        for number, (topic, payload) in enumerate(messages(shape, count), 1):
            mid = (number - 1) % 65_535 + 1
            sent.append(_packet(0x32, _text(topic) + mid.to_bytes(2, "big") + payload.encode()))
            if len(sent) == PUT_OFF or number == count:
                connection.sendall(b"".join(sent))
                sent.clear()
                while acknowledged < 4 * (count if number == count else number - WINDOW) or _readable(connection):
                    received = connection.recv(65_536)
                    if not received:
                        raise RuntimeError("the broker hung up on the publisher")
                    acknowledged += len(received)
                    if acknowledged == 4 * count:
                        return


def _readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def _packet(kind: int, body: bytes) -> bytes:
    """A control packet; its length is seven bits a byte, the low ones first (MQTT 3.1.1, 2.2.3)."""
    length, left = bytearray(), len(body)
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    length.append(left)
    return bytes((kind,)) + length + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def main() -> None:
    """Measure mosquitto_sub."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--single", type=int, default=300_000, help="messages of one reading")
    parser.add_argument("--batched", type=int, default=60_000, help="messages of 50 readings")
    parser.add_argument("--publish", nargs=3, metavar=("SHAPE", "COUNT", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        shape, count, port = options.publish
        publish(SHAPES[shape], int(count), int(port))
        return
    for shape, count in (("single", options.single), ("batched", options.batched)):
        for _ in range(options.runs):
            with Broker() as broker:
                broker.subscribe("drain")
                filled = broker.publish(shape, count)
                drained = broker.drain_with_mosquitto_sub("drain", count)
            print(
                f"{shape:8} {count:,} messages: queued at {count / filled:,.0f}/s, mosquitto_sub drains"
                f" {count / drained:,.0f}/s ({count * SHAPES[shape].readings / drained:,.0f} readings/s)"
            )


if __name__ == "__main__":
    main()
