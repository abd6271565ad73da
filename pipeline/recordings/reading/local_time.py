"""Local times without a zone to Unix time, through the nights in which clocks change.

In autumn an hour comes twice and its times alone say nothing: the order of rows does, for time runs on. In spring an
hour does not exist; a time in it is read as if the clock had not been put forward yet.
"""

import numpy as np

from pipeline.config.calendars import CalendarError, offsets
from pipeline.recordings.reading.choices import Found, TableError, counted
from pipeline.records import Ints


def unix_of_local(local_ns: Ints, zone: str, found: Found) -> Ints:
    """Unix nanoseconds of local ones, rows in order of time; raises TableError for a zone that is none."""
    try:
        begins, ahead = offsets(zone)
    except CalendarError as error:
        raise TableError(f"--time-zone: {error}") from None
    begin, offset = np.array(begins, np.int64)[1:], np.array(ahead, np.int64)
    before, after = offset[:-1], offset[1:]
    early = offset[np.searchsorted(begin + np.maximum(before, after), local_ns, side="right")]
    late = offset[np.searchsorted(begin + np.minimum(before, after), local_ns, side="right")]
    chosen = early.copy()
    twice = np.flatnonzero(early > late)
    for run in np.split(twice, np.flatnonzero(np.diff(twice) > 1) + 1) if len(twice) else ():
        chosen[run[_second_pass(local_ns, run, early, late) :]] = late[run[-1]]
    if len(twice):
        found.fact(f"{counted(len(twice), 'time', 'times')} in the hour that comes twice read in the order of rows")
    never = int(np.count_nonzero(early < late))
    if never:
        found.fact(f"{counted(never, 'time', 'times')} in an hour that spring leaves out, read as if it did not")
    return local_ns - chosen


def _second_pass(local_ns: Ints, run: Ints, early: Ints, late: Ints) -> int:
    """How many rows of a run within the hour that comes twice belong to its first coming."""
    steps = np.diff(local_ns[run])
    back = np.flatnonzero(steps < 0)
    if len(back):
        return int(back[0]) + 1
    hour = int(early[run[0]] - late[run[0]])
    to_run = int(local_ns[run[0]] - local_ns[run[0] - 1]) if run[0] > 0 else None
    from_run = int(local_ns[run[-1] + 1] - local_ns[run[-1]]) if run[-1] + 1 < len(local_ns) else None
    if from_run is not None and from_run < 0:  # the next row is of the second coming, and already past the hour
        return len(run)
    first = max(to_run or 0, (from_run or 0) + hour)
    second = max((to_run or 0) + hour, from_run or 0)
    return len(run) if first <= second else 0
