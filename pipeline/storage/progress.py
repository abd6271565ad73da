"""How far the delivery of the outbox has come, as it tells the journal's writer.

A batch that was offered to the database and whose outcome is not known (the answer is not there yet, or was lost, or
we were killed before it came) may be stored or not. Were it evicted, nobody could say whether its points are missing.
So it stays until its outcome is known; which ones these are is also in a small file beside the journal, for the next
start.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.records import Point

Range = tuple[int, int]  # outbox ids above the one and up to the other


class Progress(NamedTuple):
    """Replaced as a whole, so that what it says fits together."""

    done: tuple[Range, ...] = ()  # delivered or buried
    offered: tuple[Range, ...] = ()  # done, or of unknown outcome: not to be evicted
    left: tuple[tuple[int, Sequence[Point]], ...] = ()  # batches of which a part is done, and what is left of each
    points: int = 0  # how many are done


def union(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same ids in as few ranges as possible, in order."""
    joined: list[Range] = []
    for above, upto in sorted(one for one in ranges if one[0] < one[1]):
        if joined and above <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(upto, joined[-1][1]))
        else:
            joined.append((above, upto))
    return tuple(joined)


def minus(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """What of ranges is not in those that are taken."""
    left = list(ranges)
    for above, upto in taken:
        if above < upto:
            left = [part for begin, end in left for part in ((begin, min(end, above)), (max(begin, upto), end))]
            left = [(begin, end) for begin, end in left if begin < end]
    return union(left)


def remember(path: Path, ranges: Sequence[Range]) -> None:
    """Keep ranges in a file. Not synchronised: it outlives the process, and a power cut may cost the newest."""
    numbers = [number for one in ranges for number in one]
    content = struct.pack(f"<q{len(numbers)}q", len(numbers), *numbers)
    with suppress(OSError):  # a full disk: the counter of dropped points may be too high after a kill
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, struct.pack("<I", zlib.crc32(content)) + content, 0)
        finally:
            os.close(descriptor)


def remembered(path: Path) -> tuple[Range, ...]:
    """What `remember` was given; nothing where that cannot be read."""
    try:
        raw = path.read_bytes()
        crc, count = struct.unpack_from("<Iq", raw)
        if not 0 <= count <= len(raw) // 8 or zlib.crc32(raw[4 : 12 + 8 * count]) != crc:
            return ()
        numbers = struct.unpack_from(f"<{count}q", raw, 12)
    except (OSError, struct.error):
        return ()
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
