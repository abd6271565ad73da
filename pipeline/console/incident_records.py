"""Incidents as people look for them: one record of each, made of all points that tell of it. Pure.

A record has what `views.past` says of its newest point, with `state` (open, closed, or unknown where the engine does
not have it open and no point says that it closed) and `group`: the number of incidents that began within minutes on
several machines, since one cause often stops many of them.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pipeline.console import views
from pipeline.engine.incidents import Part, sentence
from pipeline.records import Point

Record = dict[str, Any]
TOGETHER_S = 300.0  # within which incidents began that are one group
LEAST_MACHINES = 3  # of a group
SIMILAR = 8  # incidents that are named
ALIKE = 0.3  # from which overlap of their sensors on
AFTER_S = 7 * 86_400.0  # for so long after an incident what is said to its machine is about it
STATES = ("open", "unacknowledged", "unconfirmed", "closed")
_PART = re.compile(r"(?:^|, )(.+?) (\d+) %(?: (high|low))?(?=, |$)")


class Filter(NamedTuple):
    """Which incidents are wanted; what is empty asks for nothing."""

    machine: str = ""  # part of the name
    tags: tuple[tuple[str, str], ...] = ()
    label: str = ""  # class
    severity: str = ""
    state: str = ""

    def takes(self, one: Record) -> bool:
        """Whether a record is wanted."""
        unacknowledged = one["state"] == "open" and not one["acknowledged"]
        in_state = {"unacknowledged": unacknowledged, "unconfirmed": one["unconfirmed"], "": True}
        return (
            self.machine.casefold() in one["machine"].casefold()
            and all(one["tags"].get(key) == value for key, value in self.tags)
            and self.label in ("", one["class"])
            and self.severity in ("", one["severity"])
            and in_state.get(self.state, one["state"] == self.state)
        )


def records(points: Iterable[Point], open_now: Iterable[Record]) -> list[Record]:
    """All incidents, newest first, from points in order of time.

    `open_now`: those that are open, as the engine has them, which is right where points say otherwise.
    """
    found: dict[tuple[str, str], Record] = {}
    for point in points:
        if point.measurement != "incident":
            continue
        one = views.past(point)
        key = one["id"], one["number"]
        known = found.get(key)
        if one["phase"] == "update" and one["reason"]:  # answered after it had closed
            if known is None:
                continue  # nothing else is known of it
            one = {**known, "reason": one["reason"], "unconfirmed": False}
        found[key] = {**one, "state": "closed" if one["phase"] == "close" else "unknown"}
    for item in open_now:
        one = opened(item)
        found[one["id"], one["number"]] = one
    grouped(found.values())
    return sorted(found.values(), key=lambda one: (-one["started_s"], one["id"]))


def opened(item: Record) -> Record:
    """The record of an incident that is open, from `views.open_incidents`."""
    now = item["incident"]
    return {
        **{key: item[key] for key in ("machine", "id", "tags")},
        **{key: now[key] for key in ("started_s", "severity", "peak", "peak_level", "why", "class", "confidence")},
        **{key: now[key] for key in ("acknowledged", "unconfirmed")},
        "number": str(now["number"]),
        "time_s": now["newest_s"],
        "ended_s": None,
        "phase": "open",
        "state": "open",
        "reason": "",
        "cause": now["sensors"][0]["sensor"] if now["sensors"] else "",
        "sensors": sentence(tuple(Part(one["sensor"], one["share"], one["direction"]) for one in now["sensors"])),
    }


def awaited(item: Record) -> Record:
    """The record of an unconfirmed incident of which only its machine and number are known."""
    unknown = {"class": "", "severity": "", "state": "closed", "acknowledged": False, "unconfirmed": True}
    return {**{key: item[key] for key in ("machine", "id", "tags")}, **unknown}


def grouped(found: Iterable[Record]) -> None:
    """Give each record its group: from the first that began on, all within TOGETHER_S; None for one by itself."""
    waiting: list[Record] = []
    number = 0
    for one in [*sorted(found, key=lambda one: one["started_s"]), None]:
        if one is not None and (not waiting or one["started_s"] - waiting[0]["started_s"] <= TOGETHER_S):
            waiting.append(one)
            continue
        together = len({each["id"] for each in waiting}) >= LEAST_MACHINES
        number += together
        for each in waiting:
            each["group"] = number if together else None
        waiting = [] if one is None else [one]


def groups(found: Sequence[Record], shown: Sequence[Record]) -> list[Record]:
    """The groups that incidents which are shown belong to."""
    wanted = {one["group"] for one in shown} - {None}
    members: dict[int, list[Record]] = {}
    for one in found:
        if one["group"] in wanted:
            members.setdefault(one["group"], []).append(one)
    return [
        {
            "group": number,
            "incidents": len(its),
            "machines": len({one["id"] for one in its}),
            "from_s": min(one["started_s"] for one in its),
            "to_s": max(one["started_s"] for one in its),
            "tags": dict(set.intersection(*(set(one["tags"].items()) for one in its))),
            "open": sum(one["state"] == "open" for one in its),
        }
        for number, its in sorted(members.items())
    ]


def blamed(record: Record) -> list[Record]:
    """Sensor, share and direction, from the sentence that a point has of them.

    >>> blamed({"sensors": "flow 62 % high, temp 38 %"})[0]
    {'sensor': 'flow', 'share': 0.62, 'direction': 'high'}
    """
    return [
        {"sensor": sensor, "share": int(share) / 100, "direction": direction}
        for sensor, share, direction in _PART.findall(record["sensors"])
    ]


def alike(one: Record, other: Record) -> float:
    """From 0 to 1: how much of the blame is on the same sensors in the same direction; 1 for the same class."""
    if one["class"] and one["class"] == other["class"]:
        return 1.0
    own = {(part["sensor"], part["direction"]): part["share"] for part in blamed(one)}
    its = {(part["sensor"], part["direction"]): part["share"] for part in blamed(other)}
    return float(sum(min(share, its.get(key, 0.0)) for key, share in own.items()))


def similar(one: Record, others: Iterable[Record]) -> list[Record]:
    """Those most like it, with how much; of equals the newest first."""
    found = [
        {**other, "alike": round(alike(one, other), 2)}
        for other in others
        if (other["id"], other["number"]) != (one["id"], one["number"])
    ]
    near = [other for other in found if other["alike"] >= ALIKE]
    return sorted(near, key=lambda other: (-other["alike"], -other["started_s"]))[:SIMILAR]


def timeline(one: Record, points: Iterable[Point], next_s: float | None) -> list[Record]:
    """What happened to an incident and what was said to its machine, in order; `next_s`: when its next one began."""
    found: list[Record] = []
    before: Record = {}
    until_s = float("inf") if one["ended_s"] is None else one["ended_s"] + AFTER_S
    until_s = min(until_s, float("inf") if next_s is None else next_s)
    for point in points:
        if point.measurement == "command":
            told = views.said(point)
            if told["id"] == one["id"] and one["started_s"] <= told["time_s"] < until_s:
                found.append({"kind": "command", **told})
            continue
        now = views.past(point)
        if (now["id"], now["number"]) == (one["id"], one["number"]):
            found.append({"kind": "incident", "time_s": now["time_s"], "says": _change(before, now)})
            before = now
    return found


def _change(before: Record, now: Record) -> str:
    """What a point says that the one before it did not."""
    if now["phase"] == "close":
        return {"calm": "closed, alarm cleared", "": "closed"}.get(now["reason"], f"closed: {now['reason']}")
    if not before:
        return f"opened as {now['severity']}"
    if now["reason"]:
        return f"answered: {now['reason']}"
    news = [
        now["severity"] != before["severity"] and f"severity is now {now['severity']}",
        now["acknowledged"] != before["acknowledged"]
        and ("acknowledged" if now["acknowledged"] else "no longer acknowledged"),
        now["class"] != before["class"] and f"class {now['class'] or 'unknown'}",
        now["unconfirmed"] and not before["unconfirmed"] and "unconfirmed: accepted as normal, nobody has said so",
    ]
    return ", ".join(text for text in news if text) or "goes on"


def answers(one: Record, machine_open: bool, newest: bool) -> list[str]:
    """Commands that are about this incident: what is said to a machine is about its open one, or else the newest."""
    if one["state"] == "open":
        return ["ack", "snooze", "normal", "label", "repaired"]
    if machine_open:
        return []
    return [*(["normal", "repaired"] if one["unconfirmed"] else []), *(["label"] if newest else [])]
