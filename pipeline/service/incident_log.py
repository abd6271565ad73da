"""Every opening and closing of an incident is a line in the log, whoever else is told."""

import logging
from collections.abc import Iterable

from pipeline.engine.scoring import Severity
from pipeline.records import Point

log = logging.getLogger("spikewatch.incidents")


def say(points: Iterable[Point]) -> None:
    """Of points that were committed."""
    for point in points:
        fields = point.fields
        if point.measurement != "incident" or fields.get("phase") not in ("open", "close"):
            continue
        named = " ".join(f"{key}={value}" for key, value in point.tags)
        severity = Severity(int(fields["severity"])).name.lower()
        if fields["phase"] == "open":
            log.warning('incident.open %s severity=%s why="%s"', named, severity, fields["why"])
        else:
            lasted_s = (int(fields["ended"]) - int(fields["started"])) / 1e9
            reason = fields.get("reason", "")
            log.info("incident.close %s severity=%s reason=%s lasted_s=%.0f", named, severity, reason, lasted_s)
