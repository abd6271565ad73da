#!/usr/bin/env python3
"""Synthetic machines with what every real plant has beside smooth sensors: constants, states, rhythm, late starts.

Usage
-----
    plant.py OUT_DIR [--seeds 1-8]

writes ``<machine>.csv`` and ``<machine>.json`` (its truth) for twelve machines per seed:
of each family one that is healthy throughout and one with one or two faults in the
second half of life.  The seed gives the kinds in turn and draws all else; a life:
8,000 to 40,000 rows of 5 ms to 1 h.  One to 16 continuous sensors follow one load,
each with noise ("sigma"), lag, gain (to 20 sigmas; to 60 in d and where it goes on
and off, to 200 in c) of its own, and share a slow fluctuation; direct ones (flow)
are still when it is off.

a constants   exactly constant for thousands of rows, then a ``blip`` of one row, a ``few`` rows, ``changed`` for
              good, ``for a day``, a ``valve`` that opens now and then from there on (command and position); or
              ``copies`` of a day/night switch and of a damper, ``inverse`` (1 minus them); with fixed sensors beside
b discrete    ``on/off`` state, ``levels`` (3 to 7), ``codes`` of a recipe, ``quantised`` sensors (5 to 20 levels),
              a rare ``flag``, a ``counter`` (rolls over at 65,536), a ``total`` reset at restart, running ``hours``
c rhythm      ``two shifts``, ``night stop``, ``weekend`` shutdown, ``absent`` (sends nothing when off), ``weather``
              (a smooth day); long lags; the healthy ones have a holiday and a shift an hour late
d cycles      ``sine``, ``batch``, ``charge``, ``kiln``: periods of 250 to 5,000 rows, no two alike
e late start  idle for 150 to 1,500 rows, then ``runs``, goes ``on and off``, or starts from ``exact zeros``;
              ``commissioning``: short starts at several levels first
f fast, slow  ``fast`` (50 to 200 Hz), ``blocks`` of it with pauses between, ``hourly`` for a year

Faults lie 3,000 rows and more after anything unusual and last 100 to 1,500, those of
the clock as long as the shift.  On a continuous sensor: step of 3 to 6 local sigmas
(two levels where quantised), drift (to twice that), stuck, noise (times 4).  On a
discrete one: does not follow its original, contradicts the rest, level never seen,
counter stands still while running.  Of the clock: runs at night, missed start, runs at
the weekend.  What is new yet healthy (first move of a constant, holiday, late shift,
first start) is "odd": nobody's mistake; whatever comes 50 rows later is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
from ageing import _lag, numbers

APART = 3_000  # rows between a fault and anything unusual before it
SECONDS = (1, 2, 5, 10, 30, 60, 300, 900)  # from row to row
SENSORS = (1, 2, 3, 3, 4, 4, 6, 6, 8, 12, 16)


def _wander(rng: np.random.Generator, n: int, memory: float = 50.0) -> np.ndarray:
    """Slow zero-mean fluctuation with unit variance."""
    rate = 1 - np.exp(-1 / memory)
    steps = rng.normal(size=n) * np.where(np.arange(n), np.sqrt((2 - rate) / rate), 1)
    return _lag(steps, np.array([1 / rate]))[:, 0]


def _pieces(rng: np.random.Generator, n: int, values: Sequence[float], shortest: int, longest: int) -> np.ndarray:
    """Values at random, never one twice in a row, each held for a random number of rows."""
    out = [rng.choice(values)]
    while len(out) < n:
        out += [rng.choice([v for v in values if v != out[-1]])] * int(rng.integers(shortest, longest))
    return np.array(out[:n], float)


def _openings(
    rng: np.random.Generator, n: int, first: int, apart: tuple[int, int], rows: tuple[int, int]
) -> np.ndarray:
    """0, and 1 now and then from row ``first`` on."""
    out, at = np.zeros(n), first
    while at < n:
        end = at + int(rng.integers(*rows))
        out[at:end], at = 1.0, end + int(rng.integers(*apart))
    return out


class Machine:
    """A machine while it is made: its family's function sets the load and all that is no continuous sensor."""

    load: np.ndarray

    def __init__(self, seed: int, family: str, faulty: bool):
        make, kinds = FAMILIES[family]
        self.rng = rng = np.random.default_rng([seed, ord(family[0]), faulty])
        self.seed, self.family, self.faulty, self.kind = seed, family, faulty, kinds[(seed - 1) % len(kinds)]
        self.n = int(np.exp(rng.uniform(np.log(17_000 if faulty else 8_000), np.log(40_000))))
        self.step, self.sensors = float(rng.choice(SECONDS)), int(rng.choice(SENSORS))
        self.swing, self.longest_lag = 20.0, 60.0
        self.levels, self.exact = 0, False  # of quantised sensors; whether zero is exactly zero when off
        self.starts = 0  # hour of the first shift
        self.on: np.ndarray | None = None  # rows, or all
        self.sent: np.ndarray | None = None  # rows, or all
        self.pause: np.ndarray | float = 0.0  # seconds without rows before each row
        self.columns: dict[str, np.ndarray] = {}  # discrete sensors ...
        self.follows: dict[str, str] = {}  # ... which of them follows which
        self.counts: dict[str, tuple[np.ndarray, Callable]] = {}  # counters: increments, what makes readings of them
        self.odd: list[dict] = []
        self.faults: list[dict] = []
        make(self)
        self.on, self.sent = (np.ones(self.n, bool) if rows is None else rows for rows in (self.on, self.sent))

    def strange(self, kind: str, start: int, end: int = 0) -> None:
        self.odd.append({"kind": kind, "start": int(start), "end": int(end or start + 1)})

    def day(self) -> int:
        """Always runs, day by day alike, with a fluctuation; returns the rows of a day (or other cycle)."""
        rows = int(np.clip(86_400 / self.step, 60, 1440))
        usual = 0.5 + 0.35 * np.sin(2 * np.pi * np.arange(self.n) / rows)
        self.load = usual + _wander(self.rng, self.n, rows / 4) / 10
        return rows

    def runs(self, first: int = 0) -> None:
        """Goes on and off, from row ``first`` on."""
        low, high = sorted(self.rng.integers(60, 900, 2))
        self.load = _pieces(self.rng, self.n, (0, 1), low, high + 60) * (np.arange(self.n) >= first)
        self.on, self.swing = self.load > 0, 60.0

    def place(self, rows: int, after: int) -> int:
        """First row of a fault: in the second half, far from all else, where it runs; ``after`` rows come later."""
        apart = int(APART / self.sent.mean())
        low = max([self.n // 2, *(x["end"] + apart for x in [*self.odd, *self.faults])])
        high = self.n - 400 - rows if not after else (low + self.n - 400 - rows - after) // 2
        tries = self.rng.integers(low, max(low + 1, high), 40)
        return int(max(tries, key=lambda at: min(self.on[at : at + rows].sum(), 0.8 * rows)))

    def fault(self, kind: str, start: int, end: int, *causes: str) -> bool:
        self.faults.append({"kind": str(kind), "start": int(start), "end": int(end), "causes": causes})
        return True

    def discrete_fault(self, start: int, end: int) -> bool:
        """The fault of this machine's discrete sensor, from ``start`` to ``end`` or near; false if there is none."""
        rows, state = slice(start, end), self.columns.get("state")
        if self.follows:  # held while the command goes on, from one of its changes to the next
            name, command = list(self.follows.items())[self.rng.integers(len(self.follows))]
            edges = np.append(np.flatnonzero(np.diff(self.columns[command])) + 1, self.n)
            for change, following in pairwise(edges):
                if change >= start and following - change >= 100:
                    until = min(following, change + 1500)
                    self.columns[name][change:until] = self.columns[name][change - 1]
                    return self.fault("does not follow", change, until, name, command)
        for name, (increments, _) in self.counts.items():
            increments[rows] = 0
            return self.fault("stands still", start, end, name)
        if self.kind == "on/off":
            state[rows] = 1 - state[rows]
            return self.fault("contradicts", start, end, "state")
        if state is not None:
            state[rows] = 120 if self.kind == "levels" else next(v for v in range(99) if v not in state)
            return self.fault("new level", start, end, "state")
        return False

    def clock_fault(self, after: int) -> None:
        """Runs when it should not, or does not when it should, on the first fitting day ``after`` this row."""
        day, night, start, weekend = int(86_400 / self.step), "runs at night", "missed start", "runs at the weekend"
        kinds = {"two shifts": (night, weekend, start), "weekend": (weekend, start), "absent": (weekend, night)}
        fitting = kinds.get(self.kind, (night, start))
        kind = fitting[(self.seed - 1) // 5 % len(fitting)]
        weekday, hour, hours = {night: (3, -0.5, 5), start: (0, self.starts - 0.5, 6), weekend: (5, 6, 16)}[kind]
        first = after // day + 1
        date = first + (weekday - first) % 7  # days count from a Monday
        rows = slice(int((date * 24 + hour) * day / 24), int((date * 24 + hour + hours) * day / 24))
        usual, off = self.load[rows].copy(), 0.05 if self.kind == "weather" else 0.0
        self.load[rows] = np.minimum(usual, off) if kind == start else np.maximum(usual, self.rng.uniform(0.85, 1.0))
        self.on[rows] = self.load[rows] > 0.1
        self.sent[rows] |= self.on[rows]
        changed = rows.start + np.flatnonzero(np.abs(self.load[rows] - usual) > 0.2)
        self.fault(kind, changed[0], changed[-1] + 1)

    def continuous(self) -> np.ndarray:
        """The continuous sensors, with the faults; those of the other sensors are placed here, too."""
        rng, n, k = self.rng, self.n, self.sensors
        bounds = ((6, self.swing), (0.4, 1.2))
        swing, coupling = (np.exp(rng.uniform(*np.log(b), k)) * rng.choice([-1, 1], k) for b in bounds)
        direct = rng.random(k) < 0.5
        lags = np.where(direct, rng.uniform(1, 3, k), self.longest_lag ** rng.random(k))
        noise = _wander(rng, n)[:, None] * coupling + rng.normal(size=(n, k))
        value, loud = _lag(self.load, lags) * swing, np.zeros((n, k))
        if k > 2:
            spread = np.sqrt(1 + coupling**2)
        else:  # of few, what is usual within 200 rows
            pieces = (value + noise)[: n // 200 * 200].reshape(-1, 200, k)
            spread = np.quantile(pieces.std(axis=1), 0.25, axis=0)
        quantum = np.ptp(value + noise, axis=0) / self.levels if self.levels else np.zeros(k)
        last_ones = (True,) if self.kind == "hourly" else (False, True)  # a year of hours has room for one
        for last in last_ones if self.faulty else ():
            kind = rng.choice(["step", "drift", "noise"] + ["stuck"] * (not self.levels))
            column = int(rng.integers(k))
            rows = int(np.exp(rng.uniform(np.log(600 if kind == "drift" else 100), np.log(1500))))
            start = self.place(rows, 0 if last else 1500 + APART)
            end = start + rows
            size = rng.choice([-1, 1]) * max(rng.uniform(3, 6) * spread[column], 2 * quantum[column])
            if self.family[0] == "c" and not last:
                self.clock_fault(n // 2 + int(rng.integers(n // 10)))
                value = _lag(self.load, lags) * swing
            elif end < n and not (last and self.discrete_fault(start, end)):
                if kind == "stuck" and self.on[start:end].mean() < 0.5:
                    kind = "step"  # nobody sees that what stands still is stuck
                self.fault("new level" if self.levels and last else kind, start, end, f"s{column + 1:02d}")
                loud[start:end, column] = 4.0 if kind == "noise" else 0.0
                moved = {"step": size, "drift": 2 * size * np.linspace(0, 1, rows)}
                value[start:end, column] += moved.get(kind, 0)
        value += noise * np.maximum(np.where(self.on[:, None] | ~direct, 1.0, 0.0 if self.exact else 0.1), loud)
        value += 0 if self.exact else rng.uniform(40, 200, k)
        for f in self.faults:
            if f["kind"] == "stuck" or (f["kind"] == "new level" and self.levels):
                rows, column = slice(f["start"], f["end"]), int(f["causes"][0][1:]) - 1
                new = value[:, column].max() + 2 * quantum[column]
                value[rows, column] = value[rows.start - 1, column] if f["kind"] == "stuck" else new
        grain = np.maximum(quantum, 0.1)  # a converter's step
        return np.round(np.round(value / grain) * grain * 10.0 ** rng.integers(-1, 3, k), 3)

    def finish(self) -> tuple[pd.DataFrame, dict]:
        """(table with a ``time`` column, truth)."""
        table = pd.DataFrame(self.continuous(), columns=[f"s{i + 1:02d}" for i in range(self.sensors)])
        counters = {name: readings(increments) for name, (increments, readings) in self.counts.items()}
        for name, column in (self.columns | counters).items():
            table[name] = column
        after = np.round((np.arange(self.n) * self.step + self.pause) * 1000)
        stamps = pd.Timestamp("2026-01-05") + pd.to_timedelta(after, unit="ms")  # a Monday
        table.insert(0, "time", stamps.strftime("%Y-%m-%dT%H:%M:%S.%f"))
        row = np.append(0, np.cumsum(self.sent))
        for x in [*self.odd, *self.faults]:
            x["start"], x["end"] = int(row[x["start"]]), int(row[x["end"]])
        return table[self.sent].reset_index(drop=True), {
            "family": self.family,
            "kind": self.kind,
            "step_s": self.step,
            "sensors": table.shape[1] - 1,
            "faults": self.faults,
            "odd": self.odd,
        }


def _constants(m: Machine) -> None:
    rng, n, m.step = m.rng, m.n, min(m.step, 300.0)  # so that a night has 100 rows
    day, move = m.day(), int(rng.integers(int(0.18 * n), max(n // 2 - 4600, int(0.18 * n) + 200)))
    if m.kind == "valve":
        command = _openings(rng, n, move, (200, 1500), (5, 60))
        m.columns, m.follows = {"command": command, "position": command.copy()}, {"position": "command"}
        m.strange("first move", move)
    elif m.kind in ("copies", "inverse"):
        occupied = (np.abs(np.arange(n) % day / day - 0.5) < 0.25).astype(float)
        damper = occupied * np.repeat(rng.choice([0.4, 0.4, 0.6, 0.75, 1.0], n // day + 1), day)[:n]  # weather
        m.load = 0.3 * m.load + 0.4 * occupied + 0.4 * damper
        fan, exhaust = (x.copy() if m.kind == "copies" else 1 - x for x in (occupied, damper))
        m.columns = {"occupied": occupied, "fan": fan, "damper": damper, "exhaust": exhaust}
        m.follows, m.sensors = {"fan": "occupied", "exhaust": "damper"}, min(m.sensors, 12)
    else:
        usual, other = rng.choice([0.0, 0.5, 20.0, 55.0, 100.0, 1500.0], 2, replace=False)
        rows = {"blip": 1, "few": int(rng.integers(2, 20)), "changed": n, "for a day": max(day, 200)}[m.kind]
        setpoint = np.full(n, usual)
        setpoint[move : move + rows] = other if rng.random() < 0.5 else usual * 1.01 + 0.5  # or a little
        m.columns["setpoint"] = setpoint
        m.strange("first move", move)
        if m.kind == "for a day":
            m.strange("moves back", move + rows)
    for i in range(int(rng.integers(0, 3))):
        m.columns[f"fixed{i + 1}"] = np.full(n, rng.choice([0.0, 1.0, 72.5]))


def _discrete(m: Machine) -> None:
    rng, n = m.rng, m.n
    m.day()
    if m.kind in ("levels", "codes"):
        count = int(rng.integers(3, 8))
        level = _pieces(rng, n, range(count), 80, 600).astype(int)
        codes = rng.choice(np.arange(1, 20), count, replace=False)
        m.load = np.linspace(0.2, 1, count)[level]
        m.columns["state"] = (np.round(m.load * 100) if m.kind == "levels" else codes[level]).astype(float)
    elif m.kind == "quantised":
        m.levels, m.sensors = int(rng.integers(5, 21)), int(rng.choice([1, 1, 3, 4]))
    elif m.kind == "flag":
        m.columns["flag"] = _openings(rng, n, int(rng.integers(1000, 4000)), (1500, 4000), (5, 50))
        m.strange("first move", np.flatnonzero(m.columns["flag"])[0])
    else:
        m.runs()
        least, most = sorted(rng.integers(3, 20, 2))
        made, hour = rng.integers(least, most + 2, n).astype(float), max(m.step, 60.0) / 3600
        m.step = hour * 3600 if m.kind == "hours" else m.step
        start = np.maximum.accumulate(np.where(np.diff(m.load, prepend=0) > 0, np.arange(n), 0))  # of this run
        readings = {
            "counter": lambda x: (np.cumsum(x) + 50_000) % 65_536,
            "total": lambda x: np.cumsum(x) - (np.cumsum(x) - x)[start],
            "hours": lambda x: np.floor(np.cumsum(x > 0) * hour * 10 + 12_000) / 10,
        }
        if m.kind == "on/off":
            m.columns["state"] = m.on.astype(float)
        else:
            m.counts[m.kind] = (made * m.on, readings[m.kind])


def _rhythm(m: Machine) -> None:
    rng, m.step = m.rng, float(m.rng.choice([60, 120, 300]))
    day = int(86_400 / m.step)
    days = int(np.clip(m.n // day, 21, 40_000 // day)) * (2 if m.kind == "absent" else 1)
    m.n, m.starts, m.exact = days * day, int(rng.integers(5, 8)), rng.random() < 0.5
    m.longest_lag, m.swing = day / 8, 200.0  # three hours
    workdays = [d for d in range(days // 2, days - 1) if d % 7 < 4]
    holiday, late = (-1, -1) if m.faulty else rng.choice(workdays, 2, False)
    late -= late % 7 if m.kind == "weekend" and late > 0 else 0  # it starts on Mondays only
    h, weather, parts = np.arange(day) * 24 / day, _wander(rng, m.n, 1.5 * day).reshape(days, day), []
    for d in range(days):
        w, early, level = d % 7, rng.normal(0, 0.1, 2), 1 + rng.normal(0, 0.03)
        begin, end = m.starts + early[0] + (d == late), m.starts + early[1] + (12 if m.kind == "night stop" else 16)
        if m.kind == "weather":
            curve = np.exp(-(((h - 13 - (d == late)) / 4) ** 2)) * (1 if w < 5 and d != holiday else 0.5)
            parts.append(0.05 + curve * (1 + 0.1 * weather[d]))
        elif m.kind == "weekend":
            works = ((w > 0) | (h >= begin)) * ((w < 4) | (h < 18 + early[1])) * (w < 5 and d != holiday)
            parts.append(level * works)
        else:
            works = (h >= begin) & (h < end) & ((w < 5) | (m.kind == "night stop")) & (d != holiday)
            parts.append(level * works * np.where((h < m.starts + 8) | (m.kind == "night stop"), 1.0, 0.8))
    m.load = np.concatenate(parts).astype(float)
    m.on, m.sent = m.load > 0.01, m.load > 0.01 if m.kind == "absent" else None
    for kind, d in () if m.faulty else (("holiday", holiday), ("late shift", late)):
        m.strange(kind, d * day, (d + 1) * day + m.starts * day // 24 + 1)


def _cycles(m: Machine) -> None:
    rng, period = m.rng, np.exp(m.rng.uniform(np.log(250), np.log(5000)))
    m.n = int(np.clip(6 * period, m.n, 40_000))
    rough, holds, parts = rng.uniform(0.02, 0.08, 2), rng.uniform(0.3, 1.0, 3), []
    while sum(map(len, parts)) < m.n:
        at = np.linspace(0, 1, int(period * (1 + rough[0] * rng.normal())), endpoint=False)
        shape = {
            "sine": 0.5 - 0.5 * np.cos(2 * np.pi * at),
            "batch": np.interp(at, [0, 0.2, 0.6, 0.85, 1], [0, 1, 1, 0, 0]),
            "charge": np.where(at < 0.6, 1 - np.exp(-at / 0.15), np.clip(1 - (at - 0.6) / 0.35, 0, 1)),
            "kiln": np.interp(at, [0, 0.1, 0.3, 0.35, 0.55, 0.6, 0.8, 1], [0, *np.repeat(holds, 2), 0]),
        }[m.kind]
        parts.append(shape * (1 + rough[1] * rng.normal()))
    m.load, m.swing = np.concatenate(parts)[: m.n], 60.0


def _late_start(m: Machine) -> None:
    idle, m.exact = int(np.exp(m.rng.uniform(np.log(150), np.log(1500)))), m.kind == "exact zeros"
    if m.kind == "on and off":
        m.runs(idle)
        m.strange("first start", np.flatnonzero(m.on)[0])
        return
    m.day()
    trial = _pieces(m.rng, idle, (0, 0.3, 0.6, 1.0), 10, 80) * (np.arange(idle) > idle // 8)
    m.load[:idle] = trial if m.kind == "commissioning" else 0.0
    if m.kind == "commissioning":
        m.strange("commissioning", 0, idle)
    else:
        m.strange("first start", idle)
    m.on = (np.arange(m.n) >= idle) | (m.load > 0)


def _fast(m: Machine) -> None:
    rng, m.n = m.rng, 8760 if m.kind == "hourly" else max(m.n, 20_000)
    if m.kind == "hourly":
        m.step, m.longest_lag, hour = 3600.0, 6.0, np.arange(m.n)
        shift = ((hour % 24 >= 6) & (hour % 24 < 20) & (hour // 24 % 7 < 5)) * (1 + 0.03 * rng.normal(size=m.n))
        season = np.sin(2 * np.pi * (hour / 8760 - 0.25)) + 0.2 * _wander(rng, m.n, 72)
        m.load = 0.15 + shift * rng.uniform(0.6, 1) + 0.25 * season
        return
    m.step, m.sensors = 1 / float(rng.choice([50, 100, 200])), int(rng.choice([2, 3, 4, 6]))
    period, seconds = rng.uniform(2, 8), np.arange(m.n) * m.step
    if m.kind == "blocks":
        block = np.arange(m.n) // int(rng.integers(1000, 4000))
        m.pause = block * float(rng.choice([300, 600, 1800]))
        seconds = seconds + block * rng.uniform(0.2, 0.9) * period  # each block meets another moment of the cycle
    slow, quick = np.sin(2 * np.pi * seconds / period), np.sin(2 * np.pi * seconds * rng.uniform(3, 9))
    m.load = 0.5 + 0.4 * slow + 0.2 * quick


FAMILIES: dict[str, tuple[Callable[[Machine], None], tuple[str, ...]]] = {
    "a constants": (_constants, ("blip", "few", "changed", "for a day", "valve", "copies", "inverse")),
    "b discrete": (_discrete, ("on/off", "levels", "codes", "quantised", "flag", "counter", "total", "hours")),
    "c rhythm": (_rhythm, ("two shifts", "night stop", "weekend", "absent", "weather")),
    "d cycles": (_cycles, ("sine", "batch", "charge", "kiln")),
    "e late start": (_late_start, ("runs", "on and off", "exact zeros", "commissioning")),
    "f fast, slow": (_fast, ("fast", "blocks", "hourly")),
}


def machines(seeds: Iterable[int]) -> Iterator[tuple[str, pd.DataFrame, dict]]:
    """(name, table with a ``time`` column, truth) of every machine of the given seeds."""
    for seed, family, faulty in product(seeds, FAMILIES, (False, True)):
        yield f"plant{seed:03d}-{family[0]}{1 + faulty}", *Machine(seed, family, faulty).finish()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("--seeds", type=numbers, default=numbers("1-8"))
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for name, table, truth in machines(a.seeds):
        table.to_csv(a.out / f"{name}.csv", index=False)
        (a.out / f"{name}.json").write_text(json.dumps(truth, indent=1) + "\n")
        print(name, truth["kind"], len(table), *[f"{x['kind']} {x['start']}" for x in truth["odd"] + truth["faults"]])


if __name__ == "__main__":
    main()
