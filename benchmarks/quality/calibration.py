"""Does a score of 0.99 mean the same on every machine?  Healthy streams of all sets together.

A stream is one input file of the board; its healthy rows are those in which the
set's own scorer calls an alarm false.  Per stream two things are counted at the
fixed threshold: episodes per 10,000 healthy rows and the share of healthy rows in
alarm.  How far the streams lie apart is what the table shows.  One definition of
an episode for all sets (pauses under 10 rows are bridged, also in femto), so that
the streams can be compared.

A stream with fewer than 1,000 healthy rows says next to nothing about a rate of a
few per 10,000, so those of a set are pooled to one stream; a pool that is still
shorter is left out and counted as such.  Even so the streams are short for such
rare episodes: the line "by chance" says how far they would lie apart if every
stream had the same rate, the one over all rows, and nothing but luck differed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import ageing as ageing_set
import nab_score
import numpy as np
from metrics import count_episodes, per, rows_of
from scorers import BRIDGE_WARMUP, LEARN, Scored, plant_healthy

ENOUGH = 1000  # healthy rows
TITLE = "calibration: healthy streams"


class Stream(NamedTuple):
    """What one healthy stream, or a pool of short ones, did at the threshold."""

    set_name: str
    name: str
    files: int
    rows: int
    episodes: int
    in_alarm: int


def healthy(set_name: str, s: Scored):
    """Boolean rows of ``s`` in which every alarm is false; None if the file does not count."""
    truth, n = s.unit.truth, s.unit.rows
    row = np.arange(n)
    if set_name == "nab":
        windows = rows_of([(a, b + 1) for a, b in truth["windows"]], n)
        return (row >= nab_score.probation(n)) & ~windows
    if set_name == "skab":
        return (row >= LEARN) & (True if truth["anomaly"] is None else ~truth["anomaly"])
    if set_name in ("femto", "cmapss_fd001"):
        return rows_of([truth["healthy"]], n) if truth["clean"] and truth["healthy"] else None
    if set_name == "gas_turbine":
        if "years" not in truth:
            return None  # the copy with added steps
        return rows_of(truth["years"].values(), n) & (row >= 500)
    if set_name == "hydraulic":
        return rows_of([(a + 30 * 60, b) for a, b in truth["constant"]], n)
    if set_name == "ur3_cobotops":
        return (row >= truth["warmup"]) & ~rows_of(truth["stop"] + truth["grip"], n, before=5, after=5)
    if set_name == "smap_msl":
        return (row >= truth["scored"]) & ~rows_of(truth["anomalies"], n)
    if set_name == "munich_bridge":
        intact = [(p["start"], p["end"]) for p in truth["segments"] if p["scored"] and not p["anomalous"]]
        return rows_of(intact, n) & (row >= BRIDGE_WARMUP)
    if set_name == "plant":
        return plant_healthy(truth, n)
    return ageing_set.healthy(truth)


def streams(set_name: str, items: Iterable[Scored], threshold: float) -> list[Stream]:
    """The streams of one set, short ones pooled at the end."""
    long, short = [], []
    for s in items:
        rows = healthy(set_name, s)
        if rows is None or not rows.any():
            continue
        alarm = s.score >= threshold
        stream = Stream(
            set_name, s.unit.name, 1, int(rows.sum()), count_episodes(alarm, rows), int((alarm & rows).sum())
        )
        (long if stream.rows >= ENOUGH else short).append(stream)
    if short:
        sums = np.sum([stream[2:] for stream in short], axis=0)
        long.append(Stream(set_name, f"{len(short)} short ones", *map(int, sums)))
    return long


def table(found: list[Stream]) -> list[tuple[str, dict]]:
    """One row for all streams, one for what chance would make of them, and one for each set."""
    sets = dict.fromkeys(stream.set_name for stream in found)
    rows = [("this, all sets", _spread(found)), ("one rate everywhere, by chance", _chance(found))]
    return rows + [(f"this, {name}", _spread([x for x in found if x.set_name == name])) for name in sets]


def _chance(group: list[Stream], draws: int = 1000) -> dict:
    """Quantiles over the streams if all had the same rate: means over draws of Poisson numbers of episodes."""
    rows = np.array([stream.rows for stream in group if stream.rows >= ENOUGH])
    if not len(rows):
        return {}
    episodes = sum(stream.episodes for stream in group if stream.rows >= ENOUGH)
    drawn = np.random.default_rng(1).poisson(episodes / rows.sum() * rows, (draws, len(rows)))
    low, middle, high = np.percentile(1e4 * drawn / rows, (10, 50, 90), axis=1).mean(axis=1)
    return {"false/10k q10": low, "false/10k median": middle, "false/10k q90": high}


def _spread(group: list[Stream]) -> dict:
    used = [stream for stream in group if stream.rows >= ENOUGH]
    row = {
        "streams": len(used),
        "pooled files": sum(stream.files for stream in used if stream.files > 1),
        "left out": sum(stream.files for stream in group) - sum(stream.files for stream in used),
        "healthy rows": sum(stream.rows for stream in used),
    }
    if not used:
        return row
    rates = [per(stream.episodes, stream.rows, 1e4) for stream in used]
    shares = [per(stream.in_alarm, stream.rows, 100) for stream in used]
    worst = used[int(np.argmax(shares))]
    low, middle, high = np.percentile(rates, (10, 50, 90))
    return row | {
        "false/10k q10": low,
        "false/10k median": middle,
        "false/10k q90": high,
        "rows % median": float(np.median(shares)),
        "rows % worst": max(shares),
        "worst stream": f"{worst.set_name}/{worst.name}" if max(shares) else "-",
    }
