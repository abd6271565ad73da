"""Three days of fifty machines, Friday to Sunday, as the service would have written them to a store or database.

Machines write every five minutes, press-07 every minute. All is quiet but on Saturday night: at 23:40 a dip in the
supply makes twelve machines of site b alarm within minutes, and at 02:13 the bearing of press-07 begins to run hot.
Anna acknowledges that at 02:20, and labels it in the morning. Of one of press-40 on Friday no end is written.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from machines import SECOND, START
from plants import Plant
from servers import until

from pipeline.engine import incidents
from pipeline.engine.incidents import Incident, News, Part
from pipeline.engine.scoring import Severity
from pipeline.records import Point
from pipeline.sinks.embedded import Embedded

FRIDAY = 1_700_179_200 * SECOND  # 17 November 2023, 00:00 UTC
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
MONDAY = FRIDAY + 3 * DAY
DIP = FRIDAY + DAY + 23 * HOUR + 40 * MINUTE
HOT = FRIDAY + 2 * DAY + 2 * HOUR + 13 * MINUTE  # in the night from Saturday to Sunday
COLD = HOT + 87 * MINUTE
EARLIER = FRIDAY + 9 * HOUR
SENSORS = ("s0", "s1", "s2", "s3")
NAMES = [f"press-{number:02d}" for number in range(1, 51)]


def tags_of(name: str) -> tuple[tuple[str, str], ...]:
    """A machine's tags; its site is one of three."""
    return (("machine", name), ("site", "abc"[NAMES.index(name) % 3]))


def incident(name: str, number: int, begin: int, end: int, severity: int, parts: tuple[Part, ...]) -> list[Point]:
    """The points of an incident from its beginning to its end."""
    tags = tuple(sorted((*tags_of(name), ("id", str(number)))))
    why = f"{parts[0].sensor} 74.2, above the expected 48.1 ... 52.3"
    opened = Incident(number, begin, begin, Severity(1), 0.995, begin, parts, why, False, 0, "", 0.0, False)
    closed = opened._replace(newest_ns=end, severity=Severity(severity), peak=0.99998)
    told = [News(0, begin, "open", opened)]
    if severity > 1:
        told.append(News(0, begin + 3 * MINUTE, "update", closed._replace(newest_ns=begin)))
    told.append(News(0, end + 10 * MINUTE, "close", closed, "calm"))  # once it has been calm for so long
    return [Point("incident", tags, incidents.fields(news), news.time_ns) for news in told]


def command(name: str, time_ns: int, verb: str, argument: str = "") -> Point:
    """Anna says something."""
    return Point("command", tags_of(name), {"verb": verb, "argument": argument, "by": "anna", "via": "http"}, time_ns)


def happened() -> list[Point]:
    """What happened to incidents, and what was said."""
    hot = (Part("s1", 0.81, "high"), Part("s2", 0.19, ""))
    points = [
        *incident("press-07", 3, EARLIER, EARLIER + HOUR, 1, (Part("s1", 0.9, "high"), Part("s0", 0.1, ""))),
        *incident("press-07", 4, HOT, COLD, 2, hot),
        *incident("press-10", 2, EARLIER, EARLIER + 2 * HOUR, 2, (Part("s1", 0.7, "high"), Part("s3", 0.3, "low"))),
        *incident("press-40", 1, EARLIER + 3 * HOUR, EARLIER + 4 * HOUR, 1, (Part("s2", 1.0, "high"),))[:-1],
        command("press-07", HOT + 7 * MINUTE, "ack"),
        command("press-07", COLD + 4 * HOUR, "label", "bearing"),
    ]
    for at, name in enumerate([name for name in NAMES if ("site", "b") in tags_of(name)][:12]):
        points += incident(name, 1, DIP + at * 15 * SECOND, DIP + 20 * MINUTE, 1, (Part("s3", 1.0, "low"),))
    return points


def written(names: list[str] = NAMES) -> Iterator[list[Point]]:
    """All points, machine by machine; of press-07 every ten seconds in its alarm."""
    for name in names:
        rng = np.random.default_rng(NAMES.index(name))
        times = np.arange(FRIDAY, MONDAY, MINUTE if name == "press-07" else 5 * MINUTE)
        if name == "press-07":
            times = np.union1d(times, np.arange(HOT, COLD, 10 * SECOND))
        hot = (times >= HOT) & (times < COLD) & (name == "press-07")
        level = 50 + 8 * np.sin((times - FRIDAY) / DAY * 2 * np.pi)
        scores = np.where(hot, 0.9995, rng.random(len(times)) * 0.9)
        values = level[:, None] + rng.normal(size=(len(times), len(SENSORS)))
        values[:, 1] += np.where(hot, 22.0, 0.0)
        points = []
        for row, (time_ns, score) in enumerate(zip(times.tolist(), scores.tolist(), strict=True)):
            fields = {"score": score, "severity": 2 * int(hot[row]), "state": "ready", "learned": 1.0, "cause": "s1"}
            points.append(Point("machine", tags_of(name), fields, time_ns))
            for sensor, value in zip(SENSORS, values[row].tolist(), strict=True):
                middle = float(level[row])
                band = {"expected": middle, "low": middle - 3.0, "high": middle + 3.0}
                own = {"value": value, "score": min(abs(value - middle) / 24, 1.0), "quality": "good", **band}
                points.append(Point("sensor", tuple(sorted((*tags_of(name), ("sensor", sensor)))), own, time_ns))
        yield points
    yield [point for point in happened() if dict(point.tags)["machine"] in names]


def fill(path: Path) -> int:
    """Write all of it to a store; returns how many points."""
    count = 0
    with closing(Embedded(path)) as store:
        for points in written():
            store.write(points)
            count += len(points)
    return count


def on_monday(plant: Plant, rows: int = 20) -> None:
    """All machines send again, from Monday 00:00 on, a row a second."""
    first = (MONDAY - START) // SECOND
    for name in NAMES:
        table = 50 + np.random.default_rng(NAMES.index(name)).normal(size=(rows, len(SENSORS)))
        plant.publish(f"plant/{dict(tags_of(name))['site']}/{name}", table, first)
    until(lambda: plant.get("/api/machines")[1].get("total") == len(NAMES), "all machines are known", 60)
