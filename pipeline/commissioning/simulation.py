"""A simulated plant as messages, in time: what `spikewatch simulate` publishes and when."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from pipeline.commissioning.plant import Plant

_encode = msgspec.json.Encoder().encode


def due_s(seconds: float, speed: float, history_s: float) -> float:
    """When, in seconds since the beginning, data of so many seconds after its beginning is due.

    History is played `speed` times as fast as life until the present is reached, and from there on as life goes.

    >>> due_s(60.0, 60.0, 3540.0), due_s(3600.0, 60.0, 3540.0), due_s(3610.0, 60.0, 3540.0)
    (1.0, 60.0, 70.0)
    """
    return max(seconds / speed, seconds - history_s)


def messages(
    plant: Plant,
    machines: Sequence[str],
    sensors: Sequence[str],
    topic: str,
    row_s: float,
    begin_ns: int,
    speed: float = 1.0,
    history_s: float = 0.0,
    rows: float = math.inf,
) -> Iterator[tuple[float, str, bytes]]:
    """(seconds since the beginning, topic, payload) of so many rows of every machine, in order.

    A topic with {sensor} gets a number a message, whose time is that of its arrival; one without gets a JSON object a
    row, with its time. The data begins at `begin_ns`.
    """
    own = [topic.replace("{machine}", machine) for machine in machines]
    number = 0
    while number < rows:
        due, time_ns = due_s(number * row_s, speed, history_s), begin_ns + round(number * row_s * 1e9)
        for base, row in zip(own, plant.next().tolist(), strict=True):
            fields = {sensor: round(value, 4) for sensor, value in zip(sensors, row, strict=True) if value == value}
            if "{sensor}" in topic:
                for sensor, value in fields.items():
                    yield due, base.replace("{sensor}", sensor), b"%.4f" % value
            elif fields:
                yield due, base, _encode({"time": time_ns, **fields})
        number += 1
