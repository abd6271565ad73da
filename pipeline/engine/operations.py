"""What people say to a machine, done: to its network, to its incident, and to the memory of faults.

Done between two rows, or not at all. `normal`, `repaired` and `rollback` end the open incident first; they and
`label` are the answers to one that is unconfirmed.
"""

import numpy as np

from pipeline.engine import incidents, recognition
from pipeline.engine.commands import Command, CommandError, audit, block_of, checked, snooze_ns
from pipeline.engine.fleet import Fleet, NoBaselineError
from pipeline.engine.points import Points
from pipeline.engine.scores import Scores
from pipeline.engine.tracking import Tracker
from pipeline.network import device_block
from pipeline.network.block import BlockError
from pipeline.records import Point


class Operations:
    """What can be done to the machines of a fleet."""

    def __init__(self, fleet: Fleet, tracker: Tracker, points: Points) -> None:
        self._fleet = fleet
        self._tracker = tracker
        self._points = points

    def freeze(self, slot: int) -> None:
        """Have a machine learn nothing from now on, so that a fault does not become its new normal.

        It goes on being scored against what it knows. Holds for sensors that appear later, and in snapshots.
        """
        self._fleet.freeze(slot, True)

    def resume(self, slot: int) -> None:
        """Have a frozen machine learn again."""
        self._fleet.freeze(slot, False)

    def normal(self, slot: int) -> None:
        """What this machine does now is fine: alarms end, and it is normal from here on, even if it is frozen.

        Said of a changed machine, it confirms the change. What differs from now on is found as ever.
        """
        if self._fleet.lines_of(slot):
            self._fleet.block(slot)
            self._fleet.core.confirm(slot)

    def repaired(self, slot: int) -> Scores:
        """Maintenance is done: the machine learns anew from here, and its old baseline is kept for `rollback`.

        One is kept per machine, the newest. Names, numbers, thresholds, declared ranges and patience stay, a frozen
        machine learns again, and a prior of its kind is not given again. The old network judges the row that is open,
        if there is one, and its score is returned.
        """
        scores = self._tracker.close(slot)
        self._fleet.repair(slot)
        return scores

    def rollback(self, slot: int) -> Scores:
        """Return a machine to the baseline it had before it was `repaired`; what it is now is kept in its place.

        So a second rollback undoes the first. Whether it is frozen, its thresholds and its patience stay. Returns the
        score of the row that is open, as `repaired` does. Raises NoBaselineError where none was kept.
        """
        self._fleet.baseline(slot)  # before anything is changed
        scores = self._tracker.close(slot)
        self._fleet.exchange(slot)
        return scores

    def apply(self, command: Command) -> list[Point]:
        """Do what somebody says to a machine, between two rows; returns the points that tell of it.

        Raises CommandError, and changes nothing, where it cannot be done.
        """
        checked(command)
        slot = self._fleet.slot(command.machine)
        if slot < 0:
            raise CommandError(f"no machine {command.machine.name!r} is known")
        now_ns = int(self._fleet.core.look(slot, slot + 1)["closed_ns"][0])
        points = []
        match command.verb:
            case "normal":
                points = self._end_incident(slot, now_ns, command.verb)
                self.normal(slot)
            case "repaired":
                points = self._end_incident(slot, now_ns, command.verb)
                points += self._points.of(self.repaired(slot))
            case "rollback":
                try:
                    self._fleet.baseline(slot)
                except NoBaselineError as error:
                    raise CommandError(str(error)) from None
                points = self._end_incident(slot, now_ns, command.verb)
                points += self._points.of(self.rollback(slot))
            case "import":
                points = self._import(slot, block_of(command), now_ns)
            case "freeze":
                self.freeze(slot)
            case "resume":
                self.resume(slot)
            case "ack":
                points = [self._acknowledge(slot, now_ns)]
            case "snooze":
                points = [self._acknowledge(slot, now_ns, now_ns + snooze_ns(command))]
            case "label":
                points = self._label(slot, command.argument, now_ns)
        return [*points, audit(command, self._fleet.tags[slot])]

    def _import(self, slot: int, stored: bytes, now_ns: int) -> list[Point]:
        """Let a machine go on with what a device has learned; what it knew is kept for `rollback`."""
        try:
            block = device_block.of_device(self._fleet.core.params, stored, self._fleet.signature(slot))
        except BlockError as error:
            raise CommandError(f"import: {error}") from None
        points = self._end_incident(slot, now_ns, "import")
        points += self._points.of(self._tracker.close(slot))
        self._fleet.take_over(slot, block)
        return points

    def _acknowledge(self, slot: int, now_ns: int, until_ns: int = 0) -> Point:
        """Someone works on the open incident; `until_ns`: when it is to be said again, 0 for never."""
        machines = self._fleet.state.incident_machines
        if not machines.open[slot]:
            raise CommandError(f"{self._fleet.machines[slot].name} has no open incident")
        machines.acknowledged[slot], machines.snoozed_ns[slot] = True, until_ns
        return self._updated(slot, now_ns)

    def _end_incident(self, slot: int, now_ns: int, reason: str) -> list[Point]:
        """Close the open incident, if there is one, because of what somebody said; none is unconfirmed after that."""
        machines = self._fleet.state.incident_machines
        points = self._settle(slot, reason, now_ns)
        if machines.open[slot]:
            points.append(self._points.incident(self._tracker.closes(slot, now_ns, reason)))
        incidents.forget(machines, slot)
        return points

    def _label(self, slot: int, label: str, now_ns: int) -> list[Point]:
        """A person names the open incident, or else the newest; returns the points that say so."""
        machines, newest = self._fleet.state.incident_machines, self._fleet.state.recognition_machines
        is_open = bool(machines.open[slot])
        if not is_open and not newest.number[slot]:
            raise CommandError(f"{self._fleet.machines[slot].name} has had no incident yet")
        number, patterns = int(newest.number[slot]), newest.closed[slot]
        if is_open:
            number, patterns = int(machines.number[slot]), self._tracker.signatures(slot)
        try:
            self._fleet.memory.store(slot, number, label, patterns)
        except recognition.TooManyClassesError as error:
            raise CommandError(str(error)) from None
        known = is_open or bool(newest.started_ns[slot])
        if known:
            machines.label[slot], machines.confidence[slot] = label, 1.0
        if number == machines.unconfirmed[slot]:
            points = self._settle(slot, "label", now_ns)
            if not is_open:
                return points
        if is_open:
            return [self._updated(slot, now_ns)]
        return [self._closed_again(slot)] if known else []

    def _settle(self, slot: int, answer: str, now_ns: int) -> list[Point]:
        """Somebody has answered: no incident is unconfirmed any more; the point that says so, if it had closed."""
        state = self._fleet.state
        machines, newest = state.incident_machines, state.recognition_machines
        lines = np.array([line for _, line in self._fleet.lines_of(slot)], np.int64)
        number = incidents.settle(machines, slot, state.incident_lines, lines)
        if not number or (machines.open[slot] and number == machines.number[slot]):
            return []
        if number == newest.number[slot] and newest.started_ns[slot]:
            return [self._closed_again(slot, answer)]
        return [self._points.answered(slot, number, answer, now_ns)]  # another has begun since

    def _updated(self, slot: int, now_ns: int) -> Point:
        """The open incident, as it is now."""
        return self._points.incident(self._tracker.news(slot, now_ns, "update"))

    def _closed_again(self, slot: int, reason: str = "") -> Point:
        """The newest incident, which has closed: in place of the point that said so."""
        newest = self._fleet.state.recognition_machines
        news = self._tracker.news(slot, int(newest.closed_ns[slot]), "close", reason)
        started = news.incident._replace(started_ns=int(newest.started_ns[slot]))
        return self._points.incident(news._replace(incident=started))
