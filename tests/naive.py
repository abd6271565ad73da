"""The network of one machine in plain Python: the referee of the one in C.

Written from the equations of docs/network.md, one class per population; it shares no line with the product. It
promises the values of that page for any rows and step times, and to be readable; it does not promise speed. What the
others expect of a channel comes from `naive_expectation.py`, and raises no alarm of its own here. The steps are:
1 range, 2 value, 3 activity and silence, 4 encoder, 5 evolving populations, 6 persistence and the channel's baseline,
7 coupling, 8 condition, 9 dendrite and output.

Sums run left to right in explicit loops, because the built-in `sum`
compensates its rounding since Python 3.12 and C does not.

Symbols: x a reading, q the readings its channel had before, e the elapsed time of a channel in its usual steps
(1.0 when readings are regular), `a` a surprise as -log10 of its tail probability.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from naive_counts import ONE, Competition, Delay, faded, full, lessons, time_of
from naive_expectation import NaiveExpectation

# The table of populations: name, weight in the dendrite, innate counts of its rank neuron (per mille).
TABLE = (
    ("range", 1.0, (993, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)),
    ("value", 1.0, (28, 2, 4, 6, 9, 18, 29, 44, 87, 119, 186, 234, 152, 55, 17, 6, 2, 1, 1, 1, 1, 0, 0, 1)),
    ("activity", 1.0, (29, 2, 4, 6, 12, 20, 30, 44, 70, 114, 178, 241, 190, 52, 7, 1, 1, 1, 0, 0, 1, 0, 0, 0)),
    ("silence", 2.0, (900, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 47, 17, 13, 9, 6, 4, 2, 1, 1, 0, 0, 0)),
    ("levels", 1.0, (63, 3, 5, 9, 13, 28, 80, 222, 366, 172, 30, 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("pattern", 1.0, (61, 3, 5, 12, 32, 96, 273, 367, 131, 17, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("changes", 1.0, (73, 5, 10, 18, 37, 87, 196, 301, 215, 47, 8, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("persistence", 1.0, (1, 1, 1, 2, 3, 5, 6, 11, 33, 329, 478, 110, 20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("coupling", 3.0, (79, 2, 3, 6, 10, 15, 19, 28, 42, 81, 164, 232, 183, 86, 28, 11, 5, 4, 2, 0, 0, 0, 0, 0)),
    ("context 3", 0.25, (0, 0, 0, 0, 0, 7, 19, 50, 171, 264, 276, 174, 36, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("context 10", 1.0, (0, 0, 0, 0, 0, 2, 15, 42, 139, 272, 322, 187, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ("context 40", 1.0, (0, 0, 0, 0, 0, 0, 4, 18, 117, 232, 497, 122, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
)
# Innate counts of the context's four units.
CONTEXT_UNITS = (
    (5, 0, 2, 16, 18, 19, 40, 89, 146, 182, 185, 121, 56, 62, 39, 21, 0, 0, 0, 0, 0, 0, 0, 0),
    (1, 0, 0, 2, 2, 8, 10, 27, 70, 119, 131, 168, 193, 168, 78, 22, 0, 0, 0, 0, 0, 0, 0, 0),
    (12, 1, 5, 8, 14, 23, 27, 111, 175, 190, 156, 123, 81, 58, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    (13, 2, 3, 7, 14, 20, 23, 44, 110, 206, 176, 171, 131, 52, 22, 5, 0, 0, 0, 0, 0, 0, 0, 0),
)
POPULATIONS = tuple(name for name, _, _ in TABLE)
WEIGHTS = tuple(weight for _, weight, _ in TABLE)
COUPLING = POPULATIONS.index("coupling")
CONTEXT = COUPLING + 1  # the first of the optional ones

WARM = 100  # readings before any output
START = 20  # readings before the evolving populations run
SETTLE = 500  # readings before the gate may close
SLOW = 8000.0  # memory of slow means
SQUASH = 5.0  # knee of the logarithmic compression
EVENT_UNIT, EVENT_UNIT_OF_MANY = 1.6, 2.0  # surprise that maps to a score of 0.99, of one channel and of several
ALONE = 5.35  # times its state, a single channel has the surprise of a coupling


def leak(tau: float, e: float = 1.0) -> float:
    """Leak of a membrane of time constant `tau` over e usual steps: 1 - exp(-e/tau)."""
    return 1.0 - math.exp(-e / tau)


def leaned(a: float, b: float, k: float) -> float:
    """`a <-k- b`."""
    return a + k * (b - a)


def averaged(a: float, b: float, n: float, e: float = 1.0) -> float:
    """`a <-1/n- b`; over e usual steps the leak 1/n becomes 1 - (1 - 1/n)^e, and a leak of 1 stays 1."""
    if e == 1.0 or n == 1.0:
        return a + (b - a) / n
    return leaned(a, b, 1.0 - (1.0 - 1.0 / n) ** e)


def compressed(z: float) -> float:
    """Logarithmic compression, odd, slope 1 at 0."""
    return math.copysign(SQUASH, z) * math.log1p(abs(z) / SQUASH)


def clipped(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def cube(a: float) -> float:
    return a * a * a


def fourth(a: float) -> float:
    return (a * a) * (a * a)


def score_of(units: float) -> float:
    """Maps [0, inf) to [0, 1): one unit is 0.99, one and a half are 0.999."""
    return 1.0 - 10.0 ** (-2.0 * units)


def short_of_alarm(state: float) -> float:
    """What a state counts that may not raise an alarm."""
    return state / (1.0 + 2.0 * state)


@dataclass
class Moments:
    """A slow mean and the variance around it."""

    mean: float = 0.0
    variance: float = 0.0

    def deviation(self) -> float:
        """The root of the variance, kept off zero: every `sqrt v` of the page except the activity's."""
        return math.sqrt(self.variance) + 1e-6 * abs(self.mean) + 1e-12

    def learn(self, x: float, k: float, spread: bool = True) -> None:
        """Moves the mean by the leak k, and the variance too if there is a `spread` to speak of."""
        d = x - self.mean
        self.mean += k * d
        if spread:
            self.variance += k * (d * (x - self.mean) - self.variance)


@dataclass
class RankNeuron:
    """Remembers how often a surprise of each size occurred; answers with -log10 of the tail probability."""

    tails: list[int]  # counts of a bin and all above

    BINS = 24
    LOWEST, WIDTH = -6.0, 0.5  # of ln s
    INNATE = 200.0
    MEMORY = 10_000.0

    @classmethod
    def of(cls, population: str) -> "RankNeuron":
        return cls.born(TABLE[POPULATIONS.index(population)][2])

    @classmethod
    def born(cls, per_mille: Sequence[int]) -> "RankNeuron":
        tails: list[int] = []
        above = 0.0
        for count in reversed(per_mille):
            above += count / 1000
            tails.insert(0, math.floor(cls.INNATE * above * ONE + 0.5))
        return cls(tails)

    def step(self, s: float, learn: bool) -> float:
        """Ranks surprise s among those before it, then counts it."""
        b = int(clipped((math.log(s + 1e-9) - self.LOWEST) / self.WIDTH, 0, self.BINS - 1))
        tail = sum(self.tails[b : b + 2]) / 2
        a = -math.log10((tail + 0.5 * ONE) / (self.tails[0] + ONE))
        if learn:
            self.tails = [count + ONE if k <= b else count for k, count in enumerate(self.tails)]
            if self.tails[0] >= full(self.MEMORY):
                self.tails = faded(self.tails)
        return a


@dataclass
class Range:
    """Step 1: overflow of everything seen so far."""

    lo: float = 0.0
    hi: float = 0.0
    rank: RankNeuron = field(default_factory=lambda: RankNeuron.of("range"))

    def begin(self, x: float) -> None:
        self.lo = self.hi = x

    def step(self, x: float, learn: bool) -> float:
        o = max(x - self.hi, self.lo - x, 0.0)
        width = self.hi - self.lo
        s = 0.0
        if o > 0:
            s = 20.0 * o / width if width > 0 else 20.0
        a = self.rank.step(s, learn)
        if learn:
            self.lo, self.hi = min(self.lo, x), max(self.hi, x)
        return a if s > 0 else 0.0


@dataclass
class Value:
    """Step 2: distance from the slow mean. Keeps the signed distance zv, which the coupling listens to."""

    moments: Moments = field(default_factory=Moments)
    zv: float = 0.0
    rank: RankNeuron = field(default_factory=lambda: RankNeuron.of("value"))

    def begin(self, x: float) -> None:
        self.moments.mean = x

    def step(self, x: float, q: int, learn: bool) -> float:
        self.zv = (x - self.moments.mean) / self.moments.deviation()
        a = self.rank.step(abs(self.zv), learn)
        if learn:
            self.moments.learn(x, 1.0 / min(q + 1.0, SLOW), spread=q > 0)
        return a


@dataclass
class DeltaBank:
    """Step 3, its senses: send-on-delta neurons whose steps double, from a share of the mean absolute change."""

    previous: float = 0.0
    change: float = 0.0  # adx, the slow mean of |x - previous|
    references: list[float] = field(default_factory=list)

    NEURONS = 10
    SMALLEST = 1 / 32

    def begin(self, x: float) -> None:
        self.previous = x
        self.references = [x] * self.NEURONS

    def step(self, x: float, q: int, learn: bool) -> int:
        """How many of the neurons spike."""
        if q > 0 and learn:
            self.change = averaged(self.change, abs(x - self.previous), min(q, SLOW))
        self.previous = x
        spikes = 0
        for j, reference in enumerate(self.references):
            threshold = 2.0**j * (self.SMALLEST * self.change)
            if threshold > 0 and abs(x - reference) >= threshold:
                self.references[j] = x
                spikes += 1
        return spikes


@dataclass
class Activity:
    """Step 3: how busy the bank is, against how busy it usually is."""

    act: float = 0.0
    usual: Moments = field(default_factory=Moments)
    rank: RankNeuron = field(default_factory=lambda: RankNeuron.of("activity"))

    TAU, TAU_USUAL = 16.0, 4000.0

    def step(self, spikes: int, q: int, e: float, learn: bool) -> float:
        self.act = averaged(self.act, spikes, min(q + 1.0, self.TAU), e)
        a = self.rank.step(abs(self.act - self.usual.mean) / (math.sqrt(self.usual.variance) + 0.05), learn)
        if learn:
            self.usual.learn(self.act, 1.0 / min(q + 1.0, self.TAU_USUAL))
        return a


@dataclass
class Silence:
    """Step 3: time without any spike of the bank; speaks only far beyond the typical quiet run."""

    quiet: float = 0.0
    usual: float = 0.0  # aq
    rank: RankNeuron = field(default_factory=lambda: RankNeuron.of("silence"))

    LONG = 5.0

    def step(self, spikes: int, q: int, e: float, learn: bool) -> float:
        self.quiet = 0.0 if spikes > 0 else self.quiet + min(e, 1.0)
        a = self.rank.step(self.quiet, learn)
        heard = self.quiet > self.LONG * (1.0 + self.usual)
        if learn:
            self.usual = averaged(self.usual, self.quiet, min(q + 1.0, SLOW))
        return a if heard else 0.0


@dataclass
class Encoder:
    """Step 4: the value in units of its own noise, log-compressed, as spikes into a cascade of leaky traces."""

    declared: tuple[float, float] | None = None
    med: float = 0.0  # fast baseline
    sc: float = 0.0  # noise scale
    clo: float = 0.0
    chi: float = 0.0
    R: list[float] = field(default_factory=lambda: [0.0] * len(Encoder.TAUS))
    V: list[float] = field(default_factory=lambda: [0.0] * len(Encoder.TAUS_V))

    STEP = 0.2
    COARSE, COARSE_DECLARED, TAU_RANGE = 0.02, 0.05, 10000.0
    TAU_SCALE, SCALE_CAP = 2000.0, 2.0
    WALK, WALK_EARLY = 0.02, 0.1
    # of R_0..R_5; R_0 is the sum of the spikes and does not leak
    TAUS = (0.0, 1.5, 1.5 * 1.9, 1.5 * 1.9 * 1.9, 1.5 * 1.9 * 1.9 * 1.9, 1.5 * 1.9 * 1.9 * 1.9 * 1.9)
    TAUS_V = (4.0, 16.0)

    def begin(self, x: float) -> None:
        self.med = x
        self.clo, self.chi = self.declared or (x, x)

    def step(self, x: float, q: int, e: float, learn: bool) -> int:
        """Moves the traces; how many spikes were sent."""
        y = self._compress(x)
        if learn:
            self._adapt(x, q, e)
        if q == 0:
            self.R = [y] * len(self.TAUS)
        return self._send(y, q, e)

    def _compress(self, x: float) -> float:
        coarse = self.COARSE_DECLARED if self.declared else self.COARSE
        u = self.sc + coarse * (self.chi - self.clo)
        if u <= 0:
            u = abs(x - self.med) or 1.0
        return compressed((x - self.med) / u)

    def _adapt(self, x: float, q: int, e: float) -> None:
        if not self.declared:
            self.clo = min(self.clo + (self.med - self.clo) / self.TAU_RANGE, x)
            self.chi = max(self.chi - (self.chi - self.med) / self.TAU_RANGE, x)
        r = abs(x - self.med)
        if q > 50 and self.sc > 0:
            r = min(r, self.SCALE_CAP * self.sc)
        self.sc = leaned(self.sc, r, max(1.0 / (q + 1.0), 1.0 / self.TAU_SCALE))
        stride = (self.WALK if q > 100 else self.WALK_EARLY) * self.sc * e  # a speed: the product's own choice
        self.med = min(self.med + stride, x) if x > self.med else max(self.med - stride, x)

    def _send(self, y: float, q: int, e: float) -> int:
        d = y - self.R[0]
        spikes = math.floor(abs(d) / self.STEP)
        self.R[0] += math.copysign(1.0, d) * spikes * self.STEP
        start = 1.0 / (q + 1.0)
        for k in range(1, len(self.R)):
            self.R[k] = leaned(self.R[k], self.R[k - 1], max(leak(self.TAUS[k], e), start))
        rough = abs(self.R[0] - self.R[2])
        self.V = [leaned(v, rough, max(leak(tau, e), start)) for v, tau in zip(self.V, self.TAUS_V, strict=True)]
        return spikes

    def levels(self) -> list[float]:
        return list(self.R)

    def pattern(self) -> list[float]:
        return [self.R[4], 0.9 * math.log(self.V[0] + 0.05), 0.9 * math.log(self.V[1] + 0.05)]

    def changes(self) -> list[float]:
        return [self.R[i] - self.R[i + 1] for i in range(4)]


@dataclass
class Resonator:
    """One neuron of an evolving population: it fires soonest when the input times match its delays."""

    delays: list[Delay]
    born: float  # cycle

    WORST = 77  # of 256

    def lateness(self, times: Sequence[int]) -> float:
        misses = [abs(time - delay.time()) for delay, time in zip(self.delays, times, strict=True)]
        parts = (256 - self.WORST) * sum(misses) + self.WORST * len(times) * max(misses)
        return parts / (256 * 256 * len(times))


@dataclass
class EvolvingPopulation:
    """Step 5: neurons recruited for novel input and replaced when unused; the first to fire wins and learns."""

    competition: Competition
    neurons: list[Resonator] = field(default_factory=list)
    rho: float = 0.1  # vigilance

    NOVEL = 0.005
    MOVE = 0.04
    MEMORY = 1500.0

    @classmethod
    def of(cls, size: int) -> "EvolvingPopulation":
        return cls(Competition(size, full(cls.MEMORY), cls.MOVE))

    def step(self, f: Sequence[float], T: float, ripe: float, learn: bool) -> tuple[float, float]:
        """Lateness of the first neuron to fire, and of the first one at least `ripe` cycles old; then learns.

        0 while there is no neuron at all; without a ripe neuron the first of all answers for it.
        """
        heard = [time_of(t) for t in f]
        times = [neuron.lateness(heard) for neuron in self.neurons]
        d = min(times, default=0.0)
        ripe_times = [time for time, n in zip(times, self.neurons, strict=True) if T - n.born >= ripe]
        mature = min(ripe_times, default=d)
        if not learn:
            return d, mature

        novel = not times or d > self.rho
        wanted = self.NOVEL * (1.0 + 9.0 * math.exp(-T / 50.0))
        self.rho *= 1.0 + max(0.02, 1.0 / T) * 0.5 * (novel - wanted)
        self.rho = clipped(self.rho, 0.005, 1.0)
        self._teach(heard, -1 if novel else times.index(d), novel, T)
        return d, mature

    def _teach(self, heard: Sequence[int], nearest: int, novel: bool, T: float) -> None:
        winner, rate, dice = self.competition.settle(nearest, novel)
        if novel:
            fresh = Resonator(delays=[Delay(0)] * len(heard), born=T)
            self.neurons[winner : winner + 1] = [fresh]
        neuron = self.neurons[winner]
        neuron.delays = lessons(neuron.delays, heard, rate, dice)


@dataclass
class RankedEvolvingPopulation:
    """One of a channel's three evolving populations, with the rank neuron that reads its lateness."""

    population: EvolvingPopulation
    rank: RankNeuron

    NEURONS = 64
    FIRST_RANKED = 5  # cycle

    @classmethod
    def of(cls, name: str) -> "RankedEvolvingPopulation":
        return cls(EvolvingPopulation.of(cls.NEURONS), RankNeuron.of(name))

    def step(self, f: Sequence[float], T: float, learn: bool) -> float:
        d, _ = self.population.step(f, T, 0.0, learn)
        return self.rank.step(d, learn) if T >= self.FIRST_RANKED else 0.0


@dataclass
class Persistence:
    """Step 6: a membrane of the surprise of all populations before it."""

    per: float = 0.0
    rank: RankNeuron = field(default_factory=lambda: RankNeuron.of("persistence"))

    TAU = 20.0

    def step(self, surprises: Sequence[float], q: int, learn: bool) -> float:
        total = 0.0
        for a in surprises:
            total += cube(a)
        self.per = averaged(self.per, (total / len(surprises)) ** (1.0 / 3.0), min(q + 1.0, self.TAU))
        return self.rank.step(self.per, learn)


@dataclass
class RateCode:
    """The encoder of the context: the place of three membranes among sixteen triangular fields over the range."""

    declared: tuple[float, float] | None = None
    lo: float = 0.0
    hi: float = 0.0
    y: list[float] = field(default_factory=lambda: [0.0] * len(RateCode.TAUS))

    FIELDS = 16
    TAUS = (1.0, 8.0, 16.0)

    def step(self, x: float, q: int, e: float, learn: bool) -> list[list[float]]:
        """Rates of the sixteen fields on each membrane."""
        if q == 0:
            self.lo, self.hi = self.declared or (x, x)
        if learn and not self.declared:
            self.lo, self.hi = min(self.lo, x), max(self.hi, x)
        self.y = [averaged(y, x, min(q + 1.0, tau), e) for y, tau in zip(self.y, self.TAUS, strict=True)]
        return [self.rates(y) for y in self.y]

    def rates(self, y: float) -> list[float]:
        width = self.hi - self.lo
        p = clipped((y - self.lo) / width, 0.0, 1.0) * (self.FIELDS - 1) if width > 0 else 0.5 * (self.FIELDS - 1)
        return [max(0.0, 1.0 - abs(p - k)) for k in range(self.FIELDS)]


@dataclass
class ContextUnit:
    """One unit of the context: synapses from the fields of a membrane some readings ago to its fields now."""

    membrane: int
    delay: int
    rank: RankNeuron
    W: list[list[float]]
    N: list[float]

    LEAST_RATE, FLOOR = 0.002, 0.001

    @classmethod
    def of(cls, membrane: int, delay: int, per_mille: Sequence[int]) -> "ContextUnit":
        W = [[0.0] * RateCode.FIELDS for _ in range(RateCode.FIELDS)]
        return cls(membrane, delay, RankNeuron.born(per_mille), W, [0.0] * RateCode.FIELDS)

    def step(self, pre: Sequence[float], post: Sequence[float], learn: bool) -> float:
        P = power = 0.0
        for i, before in enumerate(pre):
            for k, now in enumerate(post):
                P += before * self.W[i][k] * now
        for now in post:
            power += now * now
        s = max(-math.log(clipped(P / power, 0.0, 1.0) + self.FLOOR), 0.0)
        a = self.rank.step(s, learn)
        for i, before in enumerate(pre):
            if learn and before > 0:
                self.N[i] += before
                k = max(self.LEAST_RATE, 1.0 / (self.N[i] + 1.0)) * before
                self.W[i] = [leaned(w, now, k) for w, now in zip(self.W[i], post, strict=True)]
        return a


@dataclass
class Context:
    """Which level follows which; surprised where the present fields were not predicted."""

    code: RateCode
    past: list[list[list[float]]] = field(default_factory=list)  # rates of every reading so far
    units: list[ContextUnit] = field(
        default_factory=lambda: [
            ContextUnit.of(*unit) for unit in zip((0, 0, 1, 2), Context.DELAYS, CONTEXT_UNITS, strict=True)
        ]
    )
    membranes: list[float] = field(default_factory=lambda: [0.0] * len(Context.TAUS))
    ranks: list[RankNeuron] = field(default_factory=lambda: [RankNeuron.of(name) for name in POPULATIONS[CONTEXT:]])

    DELAYS = (1, 16, 8, 32)
    TAUS = (3.0, 10.0, 40.0)

    def step(self, x: float, q: int, e: float, learn: bool) -> list[float]:
        """Surprises of the three membranes."""
        self.past.append(self.code.step(x, q, e, learn))
        total = 0.0
        for unit in self.units:
            if q >= unit.delay:
                total += cube(unit.step(self.past[q - unit.delay][unit.membrane], self.past[q][unit.membrane], learn))
        if q < max(self.DELAYS):
            return [0.0] * len(self.TAUS)
        S = (total / len(self.units)) ** (1.0 / 3.0)
        taus = zip(self.membranes, self.TAUS, strict=True)
        self.membranes = [averaged(membrane, S, min(q + 1.0, tau), e) for membrane, tau in taus]
        return [rank.step(membrane, learn) for rank, membrane in zip(self.ranks, self.membranes, strict=True)]


@dataclass
class Baseline:
    """Step 6, last line: a channel's smoothed value against a reference that learns through the gate; and what its
    past is worth as an argument that a distance from it is unusual."""

    ly: float = 0.0
    reference: Moments = field(default_factory=Moments)  # lm, lv
    z: float = 0.0
    spread: float = 0.0  # variance of readings about the reference, and of ly
    wander: float = 0.0
    noise: float = 0.0
    turns: int = 0
    side: int = 0
    worth: float = 0.0  # independent readings
    apart: float = 0.0  # of ly, what the other channels do not let expect
    before: float = 0.0  # the reading before

    TAU = 20.0
    NOISE, SIDE, TURN = 200.0, 1.5, 0.5
    WHITE, FADE = 3.0, 1.5

    def begin(self, x: float) -> None:
        self.ly = self.reference.mean = self.before = x

    def step(self, x: float, q: int, e: float, learn: bool) -> None:
        self.ly = averaged(self.ly, x, min(q + 1.0, self.TAU), e)
        self.z = self.off() / self.reference.deviation() if q > 20 else 0.0
        if q > 0 and learn:
            self._listen(x, q)
            self._turn()
            self._value_the_past(q)
        self.before = x

    def off(self) -> float:
        return self.ly - self.reference.mean

    def _listen(self, x: float, q: int) -> None:
        square = (x - self.before) ** 2 / 2.0
        if q > self.TAU:
            square = min(square, 9.0 * self.noise + 0.01 * self.spread)
        self.noise = averaged(self.noise, square, min(q, self.NOISE))

    def _turn(self) -> None:
        """Has the smoothed value gone from one side of its reference to the other?"""
        limit = self.SIDE * math.sqrt(self.wander)
        side = self.side
        if abs(self.off()) > limit:
            side = 1 if self.off() > 0 else -1
        if side * self.side == -1:
            self.turns += 1
        self.side = side

    def _value_the_past(self, q: int) -> None:
        """Rises at once, falls slowly."""
        independent = self.TURN * self.turns
        if self.spread > 0:
            white = self.spread / (2.0 * self.TAU - 1.0)  # variance of ly, were the readings without memory
            memory = max(self.wander / white, 1.0)
            independent += q * memory**-self.WHITE
        self.worth = max(independent, self.worth * (1.0 - min(self.FADE / (q + 1.0), 1.0)))

    def compare(self, residual: float) -> None:
        self.apart = averaged(self.apart, residual, self.TAU)

    def learn(self, x: float, gate: float, q: int) -> None:
        """q: the readings before x."""
        d = self.off()
        self.reference.learn(self.ly, gate / min(q + 1.0, SLOW), spread=q > 0)
        if q >= self.TAU:
            k = gate / min(q + 1.0 - self.TAU, SLOW)
            self.wander = leaned(self.wander, d * self.off(), k)
            self.spread = leaned(self.spread, (x - self.reference.mean) ** 2, k)

    def is_elsewhere(self) -> bool:
        return abs(self.off()) > 7.0 * math.sqrt(self.noise)

    def accept(self) -> None:
        self.reference.mean = self.ly
        self.z = 0.0


@dataclass
class Channel:
    """Steps 1 to 6: one sensor signal and its table of populations."""

    encoder: Encoder
    readings: int = 0
    spikes: int = 0  # of the latest reading
    range: Range = field(default_factory=Range)
    value: Value = field(default_factory=Value)
    bank: DeltaBank = field(default_factory=DeltaBank)
    activity: Activity = field(default_factory=Activity)
    silence: Silence = field(default_factory=Silence)
    levels: RankedEvolvingPopulation = field(default_factory=lambda: RankedEvolvingPopulation.of("levels"))
    pattern: RankedEvolvingPopulation = field(default_factory=lambda: RankedEvolvingPopulation.of("pattern"))
    changes: RankedEvolvingPopulation = field(default_factory=lambda: RankedEvolvingPopulation.of("changes"))
    persistence: Persistence = field(default_factory=Persistence)
    baseline: Baseline = field(default_factory=Baseline)
    context: Context | None = None

    def step(self, x: float, e: float, learn: bool) -> list[float]:
        """The surprise of every population, in the order of the table; coupling is not a channel's to say."""
        q = self.readings
        if q == 0:
            for part in (self.range, self.value, self.bank, self.encoder, self.baseline):
                part.begin(x)
        a_range = self.range.step(x, learn)
        a_value = self.value.step(x, q, learn)
        bank_spikes = self.bank.step(x, q, learn)
        a_activity = self.activity.step(bank_spikes, q, e, learn)
        a_silence = self.silence.step(bank_spikes, q, e, learn)
        self.spikes = bank_spikes + self.encoder.step(x, q, e, learn)
        own = [a_range, a_value, a_activity, a_silence]
        evolving, a_persistence = self._evolve(own, q, learn)
        self.baseline.step(x, q, e, learn)
        context = self.context.step(x, q, e, learn) if self.context else [0.0] * len(POPULATIONS[CONTEXT:])
        self.readings += 1
        return [*own, *evolving, a_persistence, 0.0, *context]

    def _evolve(self, before: Sequence[float], q: int, learn: bool) -> tuple[list[float], float]:
        if q < START:
            return [0.0, 0.0, 0.0], 0.0
        T = q - START + 1.0
        surprises = []
        for population, f in (
            (self.levels, self.encoder.levels()),
            (self.pattern, self.encoder.pattern()),
            (self.changes, self.encoder.changes()),
        ):
            surprises.append(population.step(f, T, learn))
            self.spikes += len(f) + 1  # one per synapse, and the winner's
        return surprises, self.persistence.step([*before, *surprises], q, learn)


@dataclass
class Coupling:
    """Step 7: every channel predicted from the traces of the others by a normalised delta rule."""

    xt: list[float]
    W: list[list[float]]
    xe: list[float]
    xv: list[float]
    ranks: list[RankNeuron]

    TAU_TRACE, TAU_ERROR, TAU_VARIANCE = 4.0, 10.0, 2000.0
    RATE = 0.05

    @classmethod
    def among(cls, channels: int) -> "Coupling":
        zeros = [0.0] * channels
        ranks = [RankNeuron.of("coupling") for _ in zeros]
        return cls(list(zeros), [list(zeros) for _ in zeros], list(zeros), list(zeros), ranks)

    def trace(self, c: int, zv: float, q: int, e: float) -> None:
        """Moves channel c's trace (the line of step 6)."""
        self.xt[c] = averaged(self.xt[c], clipped(zv, -8.0, 8.0) if q > 20 else 0.0, self.TAU_TRACE, e)

    def step(self, c: int, readings: int, learn: bool) -> float:
        """Surprise of channel c, whose reading of this row was number `readings`; then row c of W learns."""
        others = [j for j in range(len(self.xt)) if j != c]
        predicted = 0.0
        for j in others:
            predicted += self.W[c][j] * self.xt[j]
        error = self.xt[c] - predicted
        e2 = error * error

        felt = min(e2, 25.0 * self.xv[c] + 0.1) if readings > 100 else 0.0
        self.xe[c] = averaged(self.xe[c], felt, self.TAU_ERROR)
        a = self.ranks[c].step(self.xe[c] / (self.xv[c] + 0.001), learn)
        if not learn:
            return a
        self.xv[c] = averaged(self.xv[c], min(e2, 9.0 * self.xv[c] + 1.0), min(readings, self.TAU_VARIANCE))

        rate = self.RATE * clipped(error, -1.0, 1.0) / self._power()
        for j in others:
            self.W[c][j] += rate * self.xt[j]
        return a

    def _power(self) -> float:
        power = 0.001
        for trace in self.xt:
            power += trace * trace + 0.3
        return power


@dataclass
class Condition:
    """Step 8: is the machine now in a state it has not been in for long? And the gate that this closes."""

    population: EvolvingPopulation = field(default_factory=lambda: EvolvingPopulation.of(Condition.NEURONS))
    late: float = 0.0
    norm: float = 0.1
    gate: float = 1.0
    alarm: int = 0  # rows in alarm
    elsewhere: int = 0  # of these running, rows in which most channels were far from their references
    quiet: int = 0  # rows without alarm until the state in a new regime may be an alarm

    NEURONS = 48
    AGE_SHARE, AGE_MOST = 0.5, 3000.0
    TAU_LATE, LATE_CAP, Z_CAP = 20.0, 8.0, 12.0
    LEVEL_UNIT, LATE_UNIT, GROWTH = 4.8, 0.9, 2.5
    GATE_AT, FAMILIAR, GATE_LEAST = 1.8, 3.0, 0.02
    ENOUGH, LINES = 5.0, 0.25
    AGREED, AGREED_OVER = 800.0, 1200.0
    REGIME, QUIET, LASTS_FROM = 30, 500, 0.6

    def step(self, baselines: Sequence[Baseline], t: int, e: float, learn: bool) -> float:
        """State of this row, and its gate; t counts the readings of the oldest channel."""
        level = self._level(baselines, t)
        if t > 21:
            T = t - 21.0
            ripe = min(self.AGE_MOST, self.AGE_SHARE * T) if learn else 0.0
            _, d = self.population.step([compressed(each.z) for each in baselines], T, ripe, learn)
            self.late = leaned(self.late, min(d / max(self.norm, 0.02), self.LATE_CAP), leak(self.TAU_LATE, e))
            if learn:
                self.norm = leaned(self.norm, d, max(1.0 / T, 0.001))
        both = min(level, self.FAMILIAR * self.late)
        self.gate = max(self.GATE_LEAST, 1.0 / (1.0 + fourth(both / self.GATE_AT))) if t > SETTLE else 1.0
        growth = 1.0 + self.GROWTH * math.log10(max(t, 1000.0) / 1000.0)
        state = math.sqrt(level / self.LEVEL_UNIT * self.late / self.LATE_UNIT) / growth if t > WARM else 0.0
        return short_of_alarm(state) if self.quiet > 0 else state

    def _level(self, baselines: Sequence[Baseline], t: int) -> float:
        """A distance counts as far as the past of its channel is known, or the other channels do not expect it.

        The latter alone counts once the channels are known for long.
        """
        several = len([each for each in baselines if each.spread > 0]) > 1
        early = 1.0 - clipped((t - self.AGREED) / self.AGREED_OVER, 0.0, 1.0) if several else 1.0
        total = squares = known = 0.0
        for each in baselines:
            z = min(abs(each.z), self.Z_CAP)
            past = early * each.worth / (each.worth + self.ENOUGH)
            alone = min(abs(each.apart / each.off()), 1.0) if several and each.off() else 0.0
            total += fourth(z)
            squares += z * z
            known += z * z * (1.0 - (1.0 - past) * (1.0 - alone))
        level = (total / len(baselines) ** self.LINES) ** 0.25
        if len(baselines) == 1 or squares == 0.0:
            return level
        return level * (known / squares)

    def watch(self, baselines: Sequence[Baseline], state: float) -> None:
        """Accept a new regime: in alarm for a while, and most channels far from where they were."""
        self.alarm = self.alarm + 1 if state >= (self.LASTS_FROM if self.alarm else 1.0) else 0
        far = len([each for each in baselines if each.is_elsewhere()])
        self.elsewhere = self.elsewhere + 1 if self.alarm and far > len(baselines) / 2 else 0
        if self.elsewhere > self.REGIME:
            for each in baselines:
                each.accept()
            for neuron in self.population.neurons:
                neuron.born = -math.inf
            self.late, self.gate, self.alarm, self.elsewhere, self.quiet = 0.0, 1.0, 0, 0, self.QUIET
        if self.quiet > 0 and state < 1.0:
            self.quiet -= 1


@dataclass(frozen=True)
class Dendrite:
    """Step 9: a soft OR of a channel's populations, the root of the weighted mean of cubes."""

    weights: tuple[float, ...]

    CLOCK: ClassVar[float] = 1.0  # weight of the rhythm

    @classmethod
    def among(cls, channels: int, context: bool) -> "Dendrite":
        """A single channel hears its silence less."""
        weights = [w if k < CONTEXT or context else 0.0 for k, w in enumerate(WEIGHTS)]
        if channels == 1:
            weights[POPULATIONS.index("silence")] = 1.0
        return cls(tuple(weights))

    def step(self, surprises: Sequence[float], by_clock: float | None = None) -> float:
        """`by_clock`: the rarity of `naive_rhythm.py`, if the channel has a rhythm."""
        voices = list(zip(self.weights, surprises, strict=True))
        if by_clock is not None:
            voices.append((self.CLOCK, by_clock))
        total = weights = 0.0
        for w, a in voices:
            total += w * cube(a)
            weights += w
        return (total / weights) ** (1.0 / 3.0)


@dataclass
class OutputNeuron:
    """Step 9: spikes make events; its threshold jumps, is held, and decays."""

    th: float = 0.0
    wait: float = 0.0

    RISE, TAU = 1.1, 50.0
    HOLD_SHARE, HOLD_LEAST, HOLD_MOST = 0.06, 20.0, 150.0

    @staticmethod
    def surprise(worst: float, channels: int, t: int) -> float:
        """The worst channel's surprise, with allowances for many channels and for young rank neurons."""
        reach = math.log10(2.0 * (min(t, 1e4) + RankNeuron.INNATE))
        return max(worst - 0.5 * math.log10(channels), 0.0) * (4.3 / reach) ** 0.5

    def step(self, S: float, t: int, e: float) -> float:
        """Size of the event in this row, 0 without one."""
        if self.wait > 0:
            self.wait = max(self.wait - e, 0.0)
        else:
            self.th *= math.exp(-e / self.TAU)
        if self.th >= S:
            return 0.0
        self.th = self.RISE * S
        self.wait = clipped(self.HOLD_SHARE * t, self.HOLD_LEAST, self.HOLD_MOST)
        return S


@dataclass(frozen=True)
class Outputs:
    """What one row says."""

    surprise: float  # S of the machine
    event_raw: float
    state_raw: float
    gate: float
    channel_raw: list[float]  # S_c
    z: list[float]  # distance from the gated baseline; 0 where there is no reading
    cause: int  # channel
    parts: list[list[float]]  # [channel][population]
    learned: float
    event: float
    state: float
    score: float
    channel: list[float]
    spikes: int


def is_missing(x: float | None) -> bool:
    return x is None or math.isnan(x)


def worst_of(values: Sequence[float]) -> int:
    """Index of the largest value, the first one if there are several."""
    return values.index(max(values))


@dataclass(init=False)
class NaiveMachine:
    """The network of one machine, row by row."""

    channels: list[Channel]
    coupling: Coupling
    condition: Condition
    dendrite: Dendrite
    output: OutputNeuron
    expectation: NaiveExpectation = field(compare=False)  # arrays are not equal or unequal as a whole
    learning: bool  # False freezes what was learned; membranes, traces and spikes go on

    def __init__(
        self,
        channels: int,
        ranges: Sequence[tuple[float, float] | None] | None = None,
        context: bool = False,
    ) -> None:
        """`ranges` has one entry per channel: the sensor's declared (lo, hi), or None to learn it.

        `context`: with the optional population.
        """
        declared = [r if r and r[1] > r[0] else None for r in ranges or [None] * channels]
        if len(declared) != channels:
            raise ValueError(f"{len(declared)} ranges for {channels} channels")
        self.channels = [
            Channel(Encoder(span), context=Context(RateCode(span)) if context else None) for span in declared
        ]
        self.coupling = Coupling.among(channels)
        self.condition = Condition()
        self.dendrite = Dendrite.among(channels, context)
        self.output = OutputNeuron()
        self.expectation = NaiveExpectation(channels, settle=math.inf)
        self.learning = True

    def step(
        self,
        row: Sequence[float | None],
        elapsed: Sequence[float] | None = None,
        machine_elapsed: float = 1.0,
    ) -> Outputs:
        """Scores a row of readings, missing ones None or NaN, then learns from it.

        `elapsed` is each channel's time since its previous reading in its usual steps, `machine_elapsed` the
        machine's since its previous row with a reading.
        """
        count = len(self.channels)
        elapsed = [1.0] * count if elapsed is None else elapsed
        if len(row) != count or len(elapsed) != count:
            raise ValueError(f"{len(row)} readings and {len(elapsed)} elapsed times for {count} channels")
        present = [c for c in range(count) if not is_missing(row[c])]
        parts = [[0.0] * len(TABLE) for _ in self.channels]
        if not present:
            return self._outputs(present, parts, [0.0] * count, 0.0, 0.0, 0.0, 1.0)

        for c in present:
            channel, q = self.channels[c], self.channels[c].readings
            parts[c] = channel.step(row[c], elapsed[c], self.learning)
            self.coupling.trace(c, channel.value.zv, q, elapsed[c])
        t = self._oldest()
        if count > 1:
            for c in present:
                parts[c][COUPLING] = self.coupling.step(c, self.channels[c].readings, self.learning)
        baselines = [channel.baseline for channel in self.channels]
        state = self.condition.step(baselines, t, machine_elapsed, self.learning)
        if count == 1 and t > WARM:
            parts[0][COUPLING] = self.coupling.ranks[0].step(ALONE * state, self.learning)
        self._expect(row, present, machine_elapsed)
        if count > 1 and self.learning:
            self.condition.watch(baselines, state)
        for c in present if self.learning else ():
            baselines[c].learn(row[c], self.condition.gate, self.channels[c].readings - 1)

        channel_raw = [0.0] * count
        for c in present:
            if self.channels[c].readings > WARM:
                channel_raw[c] = self.dendrite.step(parts[c])
        S = self.output.surprise(max(channel_raw), count, t)
        event = self.output.step(S, t, machine_elapsed)
        return self._outputs(present, parts, channel_raw, S, event, state, self.condition.gate)

    def _expect(self, row: Sequence[float | None], present: Sequence[int], e: float) -> None:
        """Let the baselines know what the channels do not let expect of each other."""
        self.expectation.learning = self.learning
        self.expectation.step([math.nan if is_missing(x) else x for x in row], e)
        for c in present:
            self.channels[c].baseline.compare(self.expectation.residual[c] * self.expectation.unit[c])

    def _oldest(self) -> int:
        return max(channel.readings for channel in self.channels)

    def _outputs(
        self,
        present: Sequence[int],
        parts: list[list[float]],
        channel_raw: list[float],
        surprise: float,
        event_raw: float,
        state_raw: float,
        gate: float,
    ) -> Outputs:
        """The state of a single channel raises no alarm."""
        alone = len(self.channels) == 1
        unit = EVENT_UNIT if alone else EVENT_UNIT_OF_MANY
        z = [channel.baseline.z if c in present else 0.0 for c, channel in enumerate(self.channels)]
        event = score_of(event_raw / unit)
        state = score_of(short_of_alarm(state_raw) if alone else state_raw)
        return Outputs(
            surprise=surprise,
            event_raw=event_raw,
            state_raw=state_raw,
            gate=gate,
            channel_raw=channel_raw,
            z=z,
            cause=worst_of(channel_raw if event >= state else [abs(each) for each in z]),
            parts=parts,
            learned=min(self._oldest() / WARM, 1.0),
            event=event,
            state=state,
            score=max(event, state),
            channel=[score_of(S / unit) for S in channel_raw],
            spikes=sum(self.channels[c].spikes for c in present),
        )


def golden_input() -> list[list[float]]:
    """Two coupled channels, a step of channel 1 at row 480, channel 0 stuck from row 560."""
    rows = []
    for i in range(600):
        t = float(i)
        wave = math.sin(2 * math.pi * t / 40)
        x0 = wave + 0.3 * math.sin(0.7 * t * t + 1.0)
        x1 = 20.0 + 5.0 * wave + 1.5 * math.sin(0.3 * t * t + 0.5 * t)
        if i >= 560:
            x0 = rows[559][0]
        if 480 <= i < 520:
            x1 += 12.0
        if 300 <= i < 305:
            x1 = math.nan
        rows.append([x0, x1])
    return rows
