"""What Mosquitto itself loses when it is killed: messages that it had acknowledged to their publisher.

    python benchmarks/faults/broker.py [--kills 5] [--seed 1]

Nothing that subscribes can mend this loss, so it has to be told from one of ours, and an operator has to know of it.
A publisher sends numbered messages, a subscriber takes them without acknowledging any (it is killed, too), the broker
is killed and started again, and what the subscriber's session then holds is counted.
"""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from publisher import NumberedPublisher
from victims import DURABLE, Mosquitto, until

from pipeline.mqtt import Broker, Receiver

TOPIC = "numbered"
SETTINGS = {
    "Mosquitto's default (every 30 minutes)": "log_type error",
    "autosave_interval 1 (deploy/mosquitto/mosquitto.conf)": "autosave_interval 1\nlog_type error",
    "autosave_on_changes true, autosave_interval 1": DURABLE,
}


class Loss(NamedTuple):
    """Of one killed broker."""

    acknowledged: int  # messages whose publisher was told that the broker has them
    lost: int  # of those
    lost_sure: int  # of those that the publisher of our other experiments takes for saved


def kill_once(folder: Path, settings: str, seconds: float, per_second: float) -> Loss:
    """Kill a broker after so many seconds of traffic, subscriber and all, and count what is left."""
    broker = Mosquitto(folder, extra=settings, persistence=True)
    session = Broker.of(broker.url, client_id="subscriber", receive_maximum=60_000)
    broker.start()
    subscriber = Receiver(session, [(TOPIC, 1)], queue_messages=10**6)
    subscriber.start()
    until(lambda: subscriber.connected, "connected")
    time.sleep(0.1)  # the subscription is on its way
    broker.stop()  # in order, so that the session itself is saved, as it is in every plant after the first day
    broker.start()
    until(lambda: subscriber.reconnects, "connected again")
    publisher = NumberedPublisher(broker.port, ((TOPIC, b"%d" % n) for n in itertools.count()), per_second)
    publisher.start()
    time.sleep(seconds)
    broker.kill()
    acknowledged, sure = publisher.acknowledged, publisher.sure
    subscriber.stop()
    publisher.end()
    broker.start()
    heir = Receiver(session, [(TOPIC, 1)], queue_messages=10**6)
    heir.start()
    until(lambda: heir.connected, "connected after the kill")
    held: set[int] = set()
    while messages := heir.take(100_000, 1.0):
        held |= {int(message.payload) for message in messages}
        heir.ack(messages)
    heir.stop()
    broker.stop()
    return Loss(acknowledged, acknowledged - len(held & set(range(acknowledged))), len(set(range(sure)) - held))


def main() -> None:
    """A table; 1 where a message was lost that our publisher takes for saved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-second", type=float, default=1000.0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    broken = False
    print(f"{'':46} {'acknowledged':>12} {'lost':>7} {'share':>6}   lost although sure")
    for name, settings in SETTINGS.items():
        losses = []
        for _ in range(options.kills):
            with tempfile.TemporaryDirectory(prefix="spikewatch-broker-") as folder:
                losses.append(kill_once(Path(folder), settings, rng.uniform(1.0, 5.0), options.per_second))
        acknowledged, lost, lost_sure = (sum(column) for column in zip(*losses, strict=True))
        durable = settings == DURABLE
        broken |= durable and lost_sure > 0
        print(
            f"{name:46} {acknowledged:12,} {lost:7,} {lost / acknowledged:6.1%}"
            + (f" {lost_sure:8,}" if durable else f" {'':>5} -"),
            flush=True,
        )
    print("BROKEN" if broken else "all promises kept")
    sys.exit(broken)


if __name__ == "__main__":
    main()
