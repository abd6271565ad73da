"""The rhythm of one machine in plain Python: the referee of `rhythm.c`, from the equations of its header and page.

Hours are whole numbers of local hours since 1970; the phase of an hour is a pair, (kind of day, hour of the day).
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.network.parameters import Rhythm

HOUR_NS = 3_600_000_000_000
WORK, REST = 0, 1
P = Rhythm()


@dataclass
class Week:
    """What the lines of a machine share: of which kind each hour of the week is, and the local clock."""

    lines: int
    offset_hours: int = 0
    holidays: frozenset[int] = frozenset()
    taste: dict[tuple[int, int], int] = field(
        default_factory=lambda: {(day, hour): 16000 if day >= 5 else -16000 for day in range(7) for hour in range(24)}
    )
    kind: dict[tuple[int, int], int] = field(
        default_factory=lambda: {(day, hour): int(day >= 5) for day in range(7) for hour in range(24)}
    )
    half: int | None = None  # the half hour that was worked out
    phases: list[tuple[int, int]] = field(default_factory=list)  # of the hours before, around and after it

    def day(self, hour: int) -> int:
        return (hour // 24 + 3) % 7

    def phase(self, hour: int) -> tuple[int, int]:
        kind = self.kind[self.day(hour), hour % 24]
        return (REST if hour // 24 in self.holidays else kind), hour % 24

    def look(self, time_ns: int) -> tuple[int, float]:
        """The local hour, and how far it is from the middle of one hour to the next."""
        local = time_ns + self.offset_hours * HOUR_NS
        second = (local // (HOUR_NS // 2) - 1) // 2
        if local // (HOUR_NS // 2) != self.half:
            self.half = local // (HOUR_NS // 2)
            self.phases = [self.phase(second + k) for k in (-1, 0, 1, 2)]
        return local // HOUR_NS, (local - second * HOUR_NS - HOUR_NS // 2) / HOUR_NS

    def vote(self, hour: int, told: float) -> None:
        place = self.day(hour), hour % 24
        taste = self.taste[place]
        taste = int(taste + P.taste / self.lines * (32000 * told - taste))
        self.taste[place] = taste
        if abs(taste) > 3200:
            self.kind[place] = int(taste > 0)


@dataclass
class Line:
    """One line."""

    week: Week
    level: dict[tuple[int, int], float] = field(default_factory=dict)
    visits: dict[tuple[int, int], int] = field(default_factory=dict)
    size: dict[int, float] = field(default_factory=dict)
    kind: dict[tuple[int, int], int] = field(default_factory=dict)
    visit: list[tuple[float, ...]] = field(default_factory=list)
    common: float = 0.0
    drift: float = 0.0
    plain: float = 0.0
    off: float = 0.0
    off_plain: float = 0.0
    predicted: int = 0
    near: float = 0.0
    z: float = 0.0
    slow: float = 0.0
    wide: float = 0.0
    wide_slow: float = 0.0
    asked: bool = False
    known: bool = False
    sure: bool = False
    hour: int = 0

    def __post_init__(self) -> None:
        self.kind = dict(self.week.kind)

    def count(self, phase: tuple[int, int]) -> int:
        return self.visits.get(phase, 0)

    def usual(self, hour: int) -> float:
        own = max(min(self.count((WORK, hour)) + self.count((REST, hour)), P.memory) - 1.0, 0.0)
        return (P.shrink * self.common + own * self.size.get(hour, 0.0)) / (P.shrink + own)

    def step(self, time_ns: int, hours: float, x: float, frozen: bool = False) -> None:
        hour, f = self.week.look(time_ns)
        if hour != self.hour:
            if self.visit and not frozen:
                self.learn()
            self.hour, self.visit = hour, []
        told = self.judge(hour % 24, f, hours, x)
        if not frozen:
            self.visit.append((x, *told))

    def judge(self, hour: int, f: float, hours: float, x: float) -> tuple[float, ...]:
        """Residual, that of the rival, distance, z and slow one; nothing where a neuron has met no visit."""
        phases = self.week.phases
        self.asked = all(self.count(one) >= P.asked for one in phases)
        if any(self.count(one) == 0 for one in phases):
            self.near = self.z = self.slow = 0.0
            return ()
        levels = [self.level[one] for one in phases]
        at = [a + f * (b - a) for a, b in pairwise(levels)]
        size = self.usual(hour) + 0.01 * math.sqrt(self.off_plain)
        without = x - self.drift
        outside = max(without - max(at), 0.0) + min(without - min(at), 0.0)
        if self.predicted >= 24:
            outside = max(min(outside, P.cap * size), -P.cap * size)
        self.near += hours / (hours + P.membrane_hours) * (outside - self.near)
        self.z = self.near / size if size > 0.0 else 0.0
        self.slow += hours / (hours + P.slow_hours) * ((outside / size if size > 0.0 else 0.0) - self.slow)
        return without - at[1], x - self.plain, abs(self.near), abs(self.z), abs(self.slow)

    def learn(self) -> None:
        kind, hour = self.week.phase(self.hour)
        whole = sum(one[0] for one in self.visit) / len(self.visit)
        mean = whole - self.drift
        for day in range(7):  # what a neuron learned from hours that are of another kind now is forgotten
            before, now = self.kind[day, hour], self.week.kind[day, hour]
            if before < now:
                self.visits[WORK, hour] = min(self.count((WORK, hour)), 1)
            if before > now:
                self.visits[REST, hour] = 0
            self.kind[day, hour] = now
        if self.count((WORK, hour)) and self.count((REST, hour)):
            work, rest = abs(mean - self.level[WORK, hour]), abs(mean - self.level[REST, hour])
            if work + rest > 0.0:
                self.week.vote(self.hour, (work - rest) / (work + rest))
        size, visits = self.usual(hour), self.count((kind, hour))
        error = mean - self.level.get((kind, hour), 0.0)
        judged = [one[1:] for one in self.visit if len(one) > 1]
        if judged:
            self.know(hour, judged)
        if visits >= 3:
            error = max(min(error, P.clip * size), -P.clip * size)
        rate = 1.0 / min(visits + 1.0, P.memory) if visits else 1.0
        self.level[kind, hour] = self.level.get((kind, hour), 0.0) + rate * error
        self.visits[kind, hour] = min(visits + 1, 255)
        self.plain += (whole - self.plain) / min(sum(self.visits.values()), P.plain_hours)

    def know(self, hour: int, judged: list[tuple[float, ...]]) -> None:
        n, before, young = len(judged), self.predicted, self.predicted < 24
        left = sum(one[0] for one in judged) / n
        square = sum(one[0] ** 2 for one in judged) / n
        plain = sum(one[1] ** 2 for one in judged) / n
        far = sum(one[2] for one in judged) / n
        widest, slowest = max(one[3] for one in judged) ** 2, max(one[4] for one in judged) ** 2
        size = self.usual(hour)
        if not young:
            far = min(far, P.clip_size * max(size, self.common))
            widest, slowest = min(widest, 9 * self.wide + 1), min(slowest, 9 * self.wide_slow + 1)
            plain, left = min(plain, 9 * self.off_plain), max(min(left, P.clip * size), -P.clip * size)
        visits = self.count((WORK, hour)) + self.count((REST, hour))
        own = self.size.get(hour, 0.0)
        self.size[hour] = own + (far - own) * (1.0 if own == 0.0 else 1.0 / min(max(visits, 1), P.memory))
        rate = 1.0 / min(before + 1.0, 24 * P.memory)
        self.common += rate * (far - self.common)
        self.wide += rate * (widest - self.wide)
        self.wide_slow += rate * (slowest - self.wide_slow)
        self.predicted += 1
        rate = 1.0 / min(before + 1.0, P.proof_hours)
        self.off += rate * (min(square, plain) - self.off)
        self.off_plain += rate * (plain - self.off_plain)
        explained = 1.0 - self.off / self.off_plain if self.off_plain > 0.0 else 1.0
        self.known = explained > P.proof + P.proof_young * 24 / self.predicted
        self.sure = before >= P.sure_hours and explained > (P.stay if self.sure else P.sure)
        self.drift += left / P.drift_hours

    def allowed(self) -> float:
        return 1.0 + P.young * 24 / self.predicted + P.lines * math.log10(self.week.lines)

    def fast(self) -> float:
        return abs(self.z) / max(P.limit, P.wide * math.sqrt(self.wide))

    def rarity(self) -> float | None:
        """What the dendrite hears; None where there is no rhythm."""
        if not (self.known and self.asked):
            return None
        return min(P.rarity * math.sqrt(self.fast()) / self.allowed(), P.rarest)

    def level_of_alarm(self) -> float:
        if not (self.sure and self.asked):
            return 0.0
        limit = max(P.slow_limit, P.wide * math.sqrt(self.wide_slow))
        slow = min(abs(self.slow), 2 * abs(self.z)) / limit
        return math.sqrt(max(self.fast(), slow)) / self.allowed()
