"""Whole numbers of the naive twin: counts that fade, spike times and delays, and who wins how often."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

ONE = 6  # what an event counts


def mixed(number: int) -> int:
    """A number of 32 bits that looks like chance."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        number = (number ^ number >> shift) * factor % 2**32
    return number ^ number >> 16


def full(memory: float) -> int:
    """What counts add up to when they lose an eighth."""
    return ONE * round(8.0 * math.log(8.0 / 7.0) * memory)


def faded(counts: Sequence[int]) -> list[int]:
    """Counts less an eighth, all rounded by the same chance."""
    dice = 0
    for count in counts:
        dice = (dice * 31 + count) % 2**32
    return [(7 * count + mixed(dice) % 8) // 8 for count in counts]


def time_of(t: float) -> int:
    """A spike's time in 256ths."""
    return math.floor(min(max(t * 256.0, -4096.0), 4096.0) + 0.5)


class Delay(int):
    """A delay, in sixteenths; it stands for the middle of its step."""

    def time(self) -> int:
        return 16 * self + 8

    def moved(self, time: int, rate: int, dice: int) -> "Delay":
        """Nearer to a time by so many of 2^16 parts, rounded up more often the nearer the upper neighbour is."""
        step = 16 * 2**16
        wanted = self.time() * 2**16 + (time - self.time()) * rate
        return Delay(min(max((wanted - step // 2 + dice % step) // step, -128), 127))


@dataclass
class Competition:
    """Who has won how often; the weakest makes room for what is new."""

    size: int
    full: int
    move: float  # least rate of a winner
    strengths: list[int] = field(default_factory=list)
    inputs: int = 0

    def settle(self, winner: int, novel: bool) -> tuple[int, int, int]:
        """Who learns, at which of 2^16 rates, and a number that looks like chance."""
        if novel and len(self.strengths) < self.size:
            winner = len(self.strengths)
            self.strengths.append(0)
        elif novel:
            winner = self.strengths.index(min(self.strengths))
            self.strengths[winner] = 0
        self.strengths[winner] += ONE
        wins, total = self.strengths[winner], sum(self.strengths)
        rate = 2**16 if novel else max(2**16 * ONE // wins, int(self.move * 2**16))
        if total >= self.full:
            unborn = [0] * (self.size - len(self.strengths))
            self.strengths = faded(self.strengths + unborn)[: len(self.strengths)]
        self.inputs += 1
        return winner, rate, mixed((self.inputs - 1 ^ total << 16) % 2**32)


def lessons(
    delays: Sequence[Delay], times: Sequence[int], rate: int, dice: int, order: Sequence[int] | None = None
) -> list[Delay]:
    """Delays moved towards times, each rounded for itself, in the order in which they are learned."""
    turns = {synapse: turn for turn, synapse in enumerate(order or range(len(delays)))}
    return [
        delay.moved(time, rate, mixed((dice + turns.get(k, 0)) % 2**32))
        for k, (delay, time) in enumerate(zip(delays, times, strict=True))
    ]
