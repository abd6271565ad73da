"""Recognition: from a few incidents that a person has named to the class of later ones. No retraining, no forgetting.

While an incident is in alarm, what the network says of each of its sensors is gathered row by row: how often and how
strongly each population fired, which membrane spoke, how far the sensor was off its expectation, and how that moved.
What was gathered of the sensor most to blame makes the *signature*: the spike pattern of the fault, in counts of what
is usual for that sensor, so that neither units nor which sensor was hit matter.

A person's word stores the signature as an example of a class. A later incident has the class of the example next to
it, if that is near enough: nearer than such examples lie to each other, with something to spare. Examples are kept as
they are, so a new class changes none of the others; they are few, and all bounds are below.

An incident that is still open is held against what the examples were when they were as young: signatures are kept of
several stages. Only rows in alarm are gathered, in order: batch borders change nothing. Scales and limits are from
synthetic machines that no reported figure is from; see `docs/decisions.md`.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.commands import CLASS_LENGTH
from pipeline.network._core import lib
from pipeline.network.binding import Records
from pipeline.records import Floats, Ints

LEAST = 3  # examples from which on a class is named
KEPT = 10  # newest examples of a class and machine
CLASSES = 32  # of one machine
COMPARED = 50  # newest examples of a class, of all machines of a kind
FAR = 300.0  # usual distances off the expectation beyond which all are alike
OPEN_AT = 0.6  # level from which another sensor counts as off, too
FIRST = 3.0  # rows in which the onset is looked for
YOUNG = (4, 16, 64, 256)  # rows in alarm at which a signature is kept; the last stage is the whole incident
WHOLE = len(YOUNG)

# What is gathered of a line: sums over the rows of an incident in alarm, unless it says otherwise.
# fmt: off
(ROWS, SHARE, OFF, SQUARE, RISE, STEP, TURNS, ONSET, PEAK, PEAK_AT, STILL, OTHERS, LEVEL, HIGHEST, SIGMAS, DENDRITE,
 NEWEST_OFF, NEWEST_VALUE) = range(18)
# fmt: on
WITNESS = 18  # first of the membranes'
SPIKES = WITNESS + lib.SW_MEMBRANES  # first of the populations'
POPULATIONS = lib.SW_CONTEXT  # the optional ones are left out: a memory outlives a change of wiring
GATHERED = SPIKES + POPULATIONS

# A signature's features, each with a difference between two incidents that is worth noticing.
# Distances are those off the expectation in usual distances, through asinh: logarithms with a sign.
FEATURES = {
    "length": 0.6,  # half the logarithm of the rows in alarm
    "still": 0.1,  # share of rows with the value of the one before
    "distance": 0.4,  # root mean square
    "one side": 0.15,  # size of the mean, as a share of it
    "restless": 0.35,  # root mean square from row to row
    "rough": 0.25,  # the same as a share of the distance
    "rising": 0.2,  # correlation of the distance with time
    "onset": 0.55,  # largest distance in the first rows
    "peak": 0.5,  # largest distance
    "peak at": 0.15,  # when that was, as a share of the rows
    "others": 0.1,  # sensors that were off too, logarithm
    "level": 0.25,  # mean, logarithm
    "highest": 0.3,  # level, logarithm
    "sigmas": 0.4,  # mean distance from the baseline, asinh
    "dendrite": 0.3,  # mean surprise
    "blame": 0.1,  # the sensor's share in the machine's scores
    "turns": 0.1,  # share of rows on the other side of the expectation than the one before
}
SHARE_OF_MEMBRANES = (0.2, 0.1, 0.2, 0.15)  # then the share of each membrane in the levels ...
RARITY = 0.4  # ... and the mean rarity of each population
SCALE = np.array([*FEATURES.values(), *SHARE_OF_MEMBRANES, *(RARITY,) * POPULATIONS])
TRUST = 30.0  # examples that the scales above count for, against the spread of the examples themselves
APART = 0.7  # distance between examples of a class, before there are any ...
APART_TRUST = 5.0  # ... and how many examples that counts for
NEAR = 2.5  # times that distance from which on an incident is none of a class
SHARPNESS = 0.3  # of the confidence: difference of squared distances that makes one class e times likelier
SURE = 0.99  # highest confidence; 1 is a person's

Labels = NDArray[np.str_]
Array = NDArray[Any]
PREFIX = "classes."  # begins the names of the memory's arrays in a snapshot


class Lines(NamedTuple):
    """One row per line: what was gathered of the newest incident of its machine."""

    gathered: Floats  # (lines, GATHERED)


class Machines(NamedTuple):
    """One entry (or row) per machine: the newest incident that has closed, so that it can be named afterwards."""

    number: Ints  # 0 where there is none
    started_ns: Ints  # 0 once another has begun, which leaves nothing of this one but its signatures
    closed_ns: Ints
    closed: Floats  # (slots, stages, features), its signatures
    begun: Floats  # the same of the newest that has begun, as far as it has come


def fresh_lines(lines: int) -> Lines:
    """State of lines that had no part in anything."""
    return Lines(np.zeros((lines, GATHERED)))


def fresh_machines(slots: int) -> Machines:
    """State of machines that had no incident."""
    shape = (slots, WHOLE + 1, len(SCALE))
    number, started_ns, closed_ns = np.zeros((3, slots), np.int64)
    return Machines(number, started_ns, closed_ns, np.zeros(shape), np.zeros(shape))


def begin(machines: Machines, slot: int, lines: Lines, own: Ints) -> None:
    """An incident begins on the machine, which has these lines."""
    machines.started_ns[slot] = 0
    lines.gathered[own] = 0.0


def gather(lines: Lines, entries: Records, share: Floats) -> None:
    """Take in a row in alarm: its entries of the account, each with its share in the row's score."""
    own = lines.gathered[entries["line"]]
    distance = np.array(list(map(distance_of, *(entries[name].tolist() for name in ("value", "expected", "usual")))))
    far, level = np.abs(distance), entries["level"]
    row, open_ = own[:, ROWS].copy(), level > OPEN_AT
    later = row > 0.0
    own[:, STEP] += later * (distance - own[:, NEWEST_OFF]) ** 2
    own[:, TURNS] += later & (distance * own[:, NEWEST_OFF] < 0.0)
    own[:, STILL] += later & (entries["value"] == own[:, NEWEST_VALUE])
    own[:, ONSET] = np.where(row < FIRST, np.maximum(own[:, ONSET], far), own[:, ONSET])
    higher = far > own[:, PEAK]
    own[higher, PEAK], own[higher, PEAK_AT] = far[higher], row[higher]
    own[:, ROWS] += 1.0
    own[:, SHARE] += share
    own[:, OFF] += distance
    own[:, SQUARE] += distance * distance
    own[:, RISE] += row * distance
    own[:, OTHERS] += np.count_nonzero(open_) - open_
    own[:, LEVEL] += level
    own[:, HIGHEST] = np.maximum(own[:, HIGHEST], level)
    own[:, SIGMAS] += np.minimum(np.abs(entries["sigmas"]), FAR)
    own[:, DENDRITE] += entries["dendrite"]
    own[np.arange(len(own)), WITNESS + entries["witness"]] += level
    own[:, SPIKES:] += entries["rarity"][:, :POPULATIONS]
    own[:, NEWEST_OFF], own[:, NEWEST_VALUE] = distance, entries["value"]
    lines.gathered[entries["line"]] = own


def distance_of(value: float, expected: float, usual: float) -> float:
    """How far a reading is off its expectation, in usual distances, through asinh; 0 where nothing is expected."""
    if not (usual > 0.0 and math.isfinite(expected) and math.isfinite(usual)):
        return 0.0
    return math.asinh(min(max((value - expected) / usual, -FAR), FAR))


def rows(lines: Lines, own: Ints) -> int:
    """Rows in alarm that the incident of the machine with these lines has had so far."""
    return int(lines.gathered[own, ROWS].max(initial=0.0))


def signature(lines: Lines, own: Ints) -> Floats:
    """Of the newest incident of the machine with these lines, as far as it has come; see FEATURES."""
    gathered = lines.gathered[own]
    shares = float(gathered[:, SHARE].sum())
    one = gathered[int(np.argmax(gathered[:, SHARE]))]
    n = max(float(one[ROWS]), 1.0)
    after = max(n - 1.0, 1.0)
    mean = one[OFF] / n
    distance = math.sqrt(one[SQUARE] / n) + 1e-3
    restless = math.sqrt(one[STEP] / after)
    spread = (one[SQUARE] / n - mean * mean) * (n * n - 1.0) / 12.0  # variance of the distances times that of time
    rising = (one[RISE] / n - mean * (n - 1.0) / 2.0) * np.sign(mean) / math.sqrt(spread) if spread > 1e-9 else 0.0
    found = (
        math.log(n) / 2.0,
        one[STILL] / after,
        distance,
        abs(mean) / distance,
        restless,
        restless / distance,
        rising if n > FIRST else 0.0,
        one[ONSET],
        one[PEAK],
        one[PEAK_AT] / after,
        math.log1p(one[OTHERS] / n),
        math.log1p(one[LEVEL] / n),
        math.log1p(one[HIGHEST]),
        math.asinh(one[SIGMAS] / n),
        one[DENDRITE] / n,
        one[SHARE] / shares if shares > 0.0 else 0.0,
        one[TURNS] / after,
    )
    witness = one[WITNESS:SPIKES] / max(float(one[LEVEL]), 1e-9)
    return np.concatenate((np.array(found), witness, one[SPIKES:] / n))


def stages(machines: Machines, slot: int, lines: Lines, own: Ints) -> Floats:
    """Signatures of a machine's incident at every stage; as it is now at those that it has not reached."""
    found: Floats = machines.begun[slot].copy()
    found[np.searchsorted(YOUNG, rows(lines, own), side="right") :] = signature(lines, own)
    return found


class TooManyClassesError(Exception):
    """A machine has as many classes as it may; nothing was stored."""


class Memory:
    """The examples that people have named, of all machines, in the order in which they were."""

    def __init__(self) -> None:
        self.slot: Ints = np.zeros(0, np.int64)
        self.number: Ints = np.zeros(0, np.int64)  # of the machine's incident
        self.label: Labels = np.zeros(0, f"<U{CLASS_LENGTH}")
        self.signature: Floats = np.zeros((0, WHOLE + 1, len(SCALE)))
        self.dropped = 0  # examples that newer ones have replaced

    def store(self, slot: int, number: int, label: str, stages: Floats) -> None:
        """A person says what an incident was, given its signatures. Said of the same again, the last word counts.

        A class keeps the machine's newest examples. Raises TooManyClassesError.
        """
        kept = (self.slot != slot) | (self.number != number)
        own = kept & (self.slot == slot)
        if len({*self.label[own].tolist(), label}) > CLASSES:
            raise TooManyClassesError(f"this machine already has {CLASSES} classes, the most it can have")
        same = np.flatnonzero(own & (self.label == label))
        older = same[: max(len(same) + 1 - KEPT, 0)]
        kept[older] = False
        self.dropped += len(older)
        self.slot = np.append(self.slot[kept], slot)
        self.number = np.append(self.number[kept], number)
        self.label = np.append(self.label[kept], np.array([label], self.label.dtype))
        self.signature = np.concatenate((self.signature[kept], stages[None]))

    def machines(self) -> list[int]:
        """Slots of those with examples."""
        return sorted(set(self.slot.tolist()))

    def examples(self, slots: list[int]) -> dict[str, int]:
        """How many there are of each class, of these machines."""
        labels, count = np.unique(self.label[np.isin(self.slot, slots)], return_counts=True)
        return dict(zip(labels.tolist(), count.tolist(), strict=True))

    def recognise(self, slots: list[int], signature: Floats, stage: int = WHOLE) -> tuple[str, float]:
        """Class and confidence, [0, 1), of an incident by the examples of these machines; ("", 0.0) if it is unknown.

        It is, too, where the nearest class has too few examples to be named.
        """
        own = np.isin(self.slot, slots)
        classes = {
            name: self.signature[np.flatnonzero(own & (self.label == name))[-COMPARED:], stage]
            for name in np.unique(self.label[own]).tolist()
        }
        if not classes:
            return "", 0.0
        inside, degrees = TRUST * SCALE**2, TRUST
        for examples in classes.values():
            inside = inside + ((examples - examples.mean(axis=0)) ** 2).sum(axis=0)
            degrees += len(examples) - 1
        scale = np.sqrt(inside / degrees)
        distance = {name: apart(signature[None], examples, scale).min() for name, examples in classes.items()}
        nearest = min(distance, key=lambda name: distance[name])
        examples = classes[nearest]
        between = apart(examples, examples, scale)
        np.fill_diagonal(between, np.inf)
        closest = between.min(axis=1) if len(examples) > 1 else np.zeros(0)
        limit = NEAR * (APART_TRUST * APART + closest.sum()) / (APART_TRUST + len(closest))
        if distance[nearest] > limit or len(examples) < LEAST:
            return "", 0.0
        # Every class is a rival, and that it is none of them is one more.
        squares = np.array([*distance.values(), limit]) ** 2 - distance[nearest] ** 2
        return nearest, min(float(1.0 / np.exp(-squares / SHARPNESS).sum()), SURE)

    def arrays(self) -> dict[str, Array]:
        """Copies of all there is, for a snapshot; none where nobody has named anything."""
        if not len(self.slot):
            return {}
        names = ("slot", "number", "label", "signature")
        return {PREFIX + name: getattr(self, name).copy() for name in names} | {
            PREFIX + "dropped": np.array([self.dropped])
        }

    @classmethod
    def of(cls, arrays: dict[str, Array]) -> "Memory":
        """The memory whose `arrays` these are, among others; raises ValueError where they are of another version."""
        memory = cls()
        if PREFIX + "slot" not in arrays:
            return memory
        for name in ("slot", "number", "label", "signature"):
            mine, saved = getattr(memory, name), arrays.get(PREFIX + name)
            if saved is None or saved.dtype != mine.dtype or saved.shape[1:] != mine.shape[1:]:
                raise ValueError(f"{PREFIX}{name} is not as this version keeps it")
            setattr(memory, name, saved.copy())
        memory.dropped = int(arrays[PREFIX + "dropped"][0])
        return memory


def apart(some: Floats, others: Floats, scale: Floats) -> Floats:
    """Distance of each signature of `some` from each of `others`: 1 where they differ by `scale` in every feature."""
    distance: Floats = np.sqrt((((some[:, None] - others[None]) / scale) ** 2).mean(axis=2))
    return distance
