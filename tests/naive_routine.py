"""The routine of a machine, written down as its page has it: a dictionary of the alarms of the week."""

from dataclasses import dataclass, field

HOUR_NS = 3_600_000_000_000
MORE, LONGER, FADE, LONGEST = 1.5, 1.5, 0.8, 72.0
DUE, DUE_HOURS = 1.25, 4.0


@dataclass
class NaiveRoutine:
    """Sizes in alarms, times in hours since 1970."""

    known: dict[int, tuple[float, int, int]] = field(default_factory=dict)  # hour of the week: size, hours, week
    begun: int | None = None  # nanoseconds
    hour: int = 0
    last: int = 0
    largest: float = 0.0
    usual: float = 0.0
    until: float = 0.0

    def step(self, hour: int, time_ns: int, size: float, due: bool, frozen: bool = False) -> float:
        if self.begun is not None and time_ns - self.last > HOUR_NS:
            if not frozen:
                self._remember()
            self.begun = None
        if self.begun is None:
            if size < 1.0:
                return 1.0
            self._begin(hour, time_ns, due)
        assert self.begun is not None
        if size >= 1.0:
            self.last, self.largest = time_ns, max(self.largest, size)
        return max(self.usual, 1.0) if time_ns - self.begun <= self.until * HOUR_NS else 1.0

    def _remember(self) -> None:
        assert self.begun is not None
        lasted = (self.last - self.begun) / HOUR_NS
        if lasted > LONGEST:
            return
        week, hour = divmod(self.hour + 72, 168)
        eighths = 8.0 * self.largest
        if hour in self.known:
            size, hours, seen = self.known[hour]
            eighths = max(eighths, 8 * size * FADE ** (week - seen))
            lasted = max(lasted, hours * FADE ** (week - seen))
        self.known[hour] = int(min(eighths, 255)) / 8, int(min(lasted + 1.0, 255)), week

    def _begin(self, hour: int, time_ns: int, due: bool) -> None:
        self.begun, self.hour, self.largest = time_ns, hour, 0.0
        self.usual, self.until = (DUE, DUE_HOURS) if due else (0.0, 0.0)
        for near in (hour - 1, hour, hour + 1):
            week, of_week = divmod(near + 72, 168)
            size, hours, seen = self.known.get(of_week, (0.0, 0, week))
            if seen != week:
                self.usual = max(self.usual, MORE * size * FADE ** (week - seen - 1))
                self.until = max(self.until, LONGER * hours * FADE ** (week - seen - 1) + 1.0)
