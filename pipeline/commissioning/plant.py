"""A simulated plant: machines that age, change their mode, and break on request.

For trying out and for tests; the recordings in `sample_data` are what is real. A machine's sensors follow its load,
each with its own lag, and share what varies in the process; so each can be told from the others, as in reality. All
is drawn from the seed and the machine's number: the same seed gives the same readings, and those of a machine do not
depend on how many others there are. Pure; the caller knows what time it is.
"""

import numpy as np

from pipeline.commissioning.faults import Fault, Kind
from pipeline.records import Floats

SENSORS = ("vibration", "temperature", "current", "pressure", "flow", "speed", "level", "torque")
NOISE = (0.05, 0.2, 0.1, 0.02, 0.3, 2.0, 0.5, 0.4)  # one sigma, in mm/s, degC, A, bar, l/min, 1/min, %, Nm
SIGMAS_A_DAY = 0.2  # at most, that the one sensor of a machine moves which ages
SPELL_ROWS = (10, 30)  # a machine idles or runs for so many rows
PROCESS_ROWS = 20.0  # the process forgets what it was within so many
CREEP_ROWS = 600.0  # in which a fault that grows has reached its size


def sensor_names(count: int) -> list[str]:
    """Names of a machine's sensors; those beyond the known ones are numbered."""
    return [SENSORS[number] if number < len(SENSORS) else f"sensor-{number + 1}" for number in range(count)]


def machine_names(count: int) -> list[str]:
    """press-01, press-02, ..."""
    return [f"press-{number + 1:02d}" for number in range(count)]


class Plant:
    """Machines of one kind, row by row; `next` gives the readings of all of them."""

    def __init__(self, machines: int, sensors: int, row_s: float, seed: int, faults: tuple[Fault, ...] = ()) -> None:
        """`row_s`: seconds of the data from row to row, in which they age. ValueError for a fault nobody can have."""
        names = sensor_names(sensors)
        for fault in faults:
            needed = {Kind.BEARING: ("vibration",), Kind.LEAK: ("pressure",)}.get(fault.kind, ())
            for name in needed:
                if name not in names:
                    raise ValueError(f"{fault.kind} needs at least {SENSORS.index(name) + 1} sensors, one is {name}")
            if not 0 <= fault.machine < machines or not 0 <= (fault.sensor or 0) < sensors:
                raise ValueError(f"there is no such machine or sensor to have a {fault.kind}")
        self._machines = [
            _Machine(
                np.random.default_rng([seed, number]), names, row_s, [one for one in faults if one.machine == number]
            )
            for number in range(machines)
        ]

    def next(self) -> Floats:
        """The next row of every machine, (machines, sensors); NaN where a sensor sends nothing."""
        return np.array([machine.next() for machine in self._machines])


class _Machine:
    """One machine; everything in sigmas until the end."""

    def __init__(self, rng: np.random.Generator, names: list[str], row_s: float, faults: list[Fault]) -> None:
        count = len(names)
        self._rng, self._names, self._faults = rng, names, faults
        self._unit = np.resize(NOISE, count)
        self._base = rng.uniform(60.0, 120.0, count)
        # Two machines of a kind differ in size, not in what depends on what.
        self._swing = rng.uniform(5.0, 12.0, count)
        self._coupling = rng.uniform(2.0, 4.0, count)
        self._lag = np.exp(rng.uniform(0.0, np.log(4.0), count))
        self._ageing = np.zeros(count)  # sigmas a row
        self._ageing[rng.integers(count)] = rng.uniform(0.5, 1.0) * SIGMAS_A_DAY * row_s / 86_400.0
        self._following = np.zeros(count)
        self._process = float(rng.normal())
        self._load = 0.0
        self._until = 0  # row in which the mode ends
        self._row = 0
        self._sent = np.full(count, np.nan)

    def next(self) -> Floats:
        rng, count = self._rng, len(self._names)
        if self._row >= self._until:
            self._load = 1.0 - self._load
            self._until = self._row + int(rng.integers(*SPELL_ROWS))
        keep = np.exp(-1.0 / PROCESS_ROWS)
        self._process = keep * self._process + rng.normal(0.0, np.sqrt(1.0 - keep**2))
        self._following += (self._load - self._following) / self._lag
        noise = rng.normal(size=count)
        knocks = rng.random() < 0.2  # drawn for every row, so that a fault changes nothing but what it breaks
        value = self._base + self._swing * self._following + self._coupling * self._process + self._ageing * self._row
        silent = np.zeros(count, np.bool_)
        stuck = np.zeros(count, np.bool_)
        for fault in self._faults:
            age = self._row - fault.row
            if age < 0:
                continue
            crept, own = min(age / CREEP_ROWS, 1.0), fault.sensor or 0
            match fault.kind:
                case Kind.BEARING:
                    self._add(value, "vibration", 16.0 if knocks else 8.0)
                    self._add(value, "temperature", 10.0 * crept)
                case Kind.LEAK:
                    self._add(value, "pressure", -12.0 * crept)
                    self._add(value, "flow", -12.0 * crept)
                case Kind.STUCK:
                    stuck[own] = True
                case Kind.DROPOUT:
                    silent[own] = True
                case Kind.OFFSET:
                    value[own] += 10.0
                case Kind.DRIFT:
                    value[own] += 15.0 * crept
                case Kind.NOISE:
                    noise[own] *= 12.0
        self._row += 1
        sent: Floats = (value + noise) * self._unit
        sent[stuck & ~np.isnan(self._sent)] = self._sent[stuck & ~np.isnan(self._sent)]
        self._sent = sent.copy()
        sent[silent] = np.nan
        return sent

    def _add(self, value: Floats, sensor: str, sigmas: float) -> None:
        if sensor in self._names:
            value[self._names.index(sensor)] += sigmas
