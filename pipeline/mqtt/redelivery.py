"""Which messages the broker sends a second time, told without trusting its word.

A QoS 1 message that was committed, but whose acknowledgement never reached the broker, comes again at the beginning
of a later connection: with the packet id it had, in the order it had (MQTT 5, 4.4 and 4.6), before anything new. So
what comes first on a connection is held against what was committed before: while each message has packet id, topic
and payload of a committed one, and they go forward in the order of committing, they are the same messages. The first
that is not ends it until the next connection.

A packet id alone says little, and the DUP flag may be missing after the broker was restarted. Hence:

1. Where the broker has forgotten our session (`Message.session` changes), nothing is a repetition: ids begin anew.
2. A broker that has been seen to count its ids upwards, as most do, needs no DUP flag: among the newest 32,767
   messages an id, its topic and its payload come together a second time only if it is the same message. (Ids come
   round after 65,535; whatever the broker drops moves them on, so an id half a round away may be a new one.)
3. A broker that gives the lowest free id, or has not been seen for long enough, might send the same reading of a
   calm sensor as id 1 again and again. From it only a message with DUP is a repetition; one without may be new, and a
   reading that counts twice is better than one that is lost.

Pure: the window is written down by whoever uses this, 6 bytes a message, and given back after a restart.
"""

from collections.abc import Iterable, Sequence
from zlib import crc32

import numpy as np

from pipeline.records import Message

WINDOW = 65_534  # messages; with all 65,535 packet ids the oldest would have that of the next new one
PROOF = 16  # steps upwards, and none back, until a broker is believed to count; judgement
ENTRY = np.dtype([("mid", "<u2"), ("check", "<u4")])
# Entries with id 0, which no message has: what begins there.
CONNECTION, SESSION = 0, 1


class Redelivery:
    """Tells messages that were committed before from new ones. Messages must be given in order of arrival."""

    def __init__(self, seen: Iterable[bytes] = ()) -> None:
        """`seen`: what `sift` packed and the caller committed, oldest first."""
        self._connection = 0  # no connection has this number
        self._session = 0  # the one that `seen` is of
        self._forget()
        self.redelivered = 0
        for entries in seen:
            self._load(np.frombuffer(entries, ENTRY))

    def sift(self, messages: Sequence[Message]) -> tuple[Sequence[Message], bytes]:
        """The messages that are new, and what to commit with them. All of them are to be acknowledged."""
        known: set[int] = set()
        packed: list[bytes] = []
        certain = [(place, message) for place, message in enumerate(messages) if message.qos]
        begin = 0
        while begin < len(certain):
            first = certain[begin][1]
            if first.connection != self._connection:
                packed.append(self._begin(first))
            end = len(certain)
            if certain[-1][1].connection != first.connection:  # numbers of connections only rise
                end = next(n for n in range(begin, end) if certain[n][1].connection != first.connection)
            run = [message for _, message in certain[begin:end]]
            checks = [crc32(message.payload, crc32(message.topic.encode())) for message in run]
            again = self._again(run, checks)
            known.update(place for place, _ in certain[begin : begin + again])
            entries = np.empty(len(run) - again, ENTRY)
            entries["mid"] = [message.mid for message in run[again:]]
            entries["check"] = checks[again:]
            self._remember(entries)
            packed.append(entries.tobytes())
            begin = end
        if not known:
            return messages, b"".join(packed)
        self.redelivered += len(known)
        return [message for place, message in enumerate(messages) if place not in known], b"".join(packed)

    def _forget(self) -> None:
        self._place = np.full(65_536, -1 - WINDOW, np.int64)  # by id: where the newest message with it stands
        self._check = np.zeros(65_536, np.uint32)  # by id: of topic and payload
        self._count = 0
        self._matched = -1  # where the newest repetition of this connection stands
        self._aligning = False
        self._previous = 0  # id of the newest message of this connection; 0 before the first
        self._steps = 0  # upwards, so far
        self._reuses = False

    def _begin(self, first: Message) -> bytes:
        """A connection begins; returns the entry that says so."""
        self._connection = first.connection
        kind = CONNECTION
        if first.session != self._session:
            self._session = first.session
            kind = SESSION
        entry = np.array([(0, kind)], ENTRY)
        self._load(entry)
        return entry.tobytes()

    def _load(self, entries: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        marks = np.flatnonzero(entries["mid"] == 0).tolist()
        for begin, end in zip([-1, *marks], [*marks, len(entries)], strict=True):
            if begin >= 0:
                if entries["check"][begin] == SESSION:
                    self._forget()
                self._previous = 0
                self._matched = -1
                self._aligning = True
            self._remember(entries[begin + 1 : end])

    def _again(self, run: Sequence[Message], checks: Sequence[int]) -> int:
        """How many at the beginning of a connection's messages were committed before."""
        if not self._aligning:
            return 0
        counts = not self._reuses and self._steps >= PROOF
        mids = [message.mid for message in run]
        places, known = self._place[mids].tolist(), self._check[mids].tolist()
        for number, (message, check) in enumerate(zip(run, checks, strict=True)):
            place = places[number]
            age = self._count - place  # in messages; the newest is 1
            told = age <= WINDOW if message.dup else counts and age <= WINDOW // 2
            if place <= self._matched or not told or known[number] != check:
                self._aligning = False
                return number
            self._matched = place
        return len(run)

    def _remember(self, entries: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        """Messages of one connection that are new."""
        if not len(entries):
            return
        mids = entries["mid"].astype(np.int64)
        steps = np.diff(mids, prepend=self._previous or int(mids[0]) - 1) % 65_536
        self._reuses = self._reuses or bool(((steps == 0) | (steps > 32_767)).any())
        self._steps += len(mids) - (self._previous == 0)
        self._previous = int(mids[-1])
        self._place[mids] = np.arange(self._count, self._count + len(mids))
        self._check[mids] = entries["check"]
        self._count += len(mids)
