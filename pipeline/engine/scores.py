"""What the engine says of rows: one entry per row in every column, and what each reading had to do with it beside."""

from typing import NamedTuple

import numpy as np

from pipeline.engine import explanation
from pipeline.engine.explanation import Sensors
from pipeline.engine.incidents import News
from pipeline.network.binding import Records, Said
from pipeline.records import Bools, Floats, Ints


class Scores(NamedTuple):
    """One entry per row of a machine that closed, in order."""

    slot: Ints
    time_ns: Ints
    score: Floats  # [0, 1]
    severity: Ints  # see `Severity`
    cause: Ints  # line that explains the score best
    learned: Floats  # share of the warm-up that is done
    gate: Floats  # 1 the baseline learns fully .. 0.02 it is protected
    state: Ints  # see `MachineState`
    changed: Ints  # sensors with a reading in the row whose lasting change was accepted and is not confirmed
    spikes: Ints  # that travelled for this row
    due: Bools  # to be written
    due_sensors: Bools  # with every sensor
    voice: Ints  # see `Voice`
    lasted_ns: Ints  # of rows in alarm: how long their cause has had a part in the incident
    lines: Ints  # of the machine
    masked: Ints  # of them, that have no part in the score from the next row on
    until: Ints  # entry of the account after the row's last one
    account: Records  # `struct sw_entry`, one per reading of the rows
    lost: Records  # `struct sw_lost`, lines that have become missing
    counted: Records  # `struct sw_account` of the machine, up to the row
    news: tuple[News, ...]  # of incidents, in order

    def __len__(self) -> int:
        return len(self.slot)

    @classmethod
    def of(cls, said: Said) -> "Scores":
        """What the networks say, which is not copied; there are no news yet."""
        row = said.row
        return cls(
            slot=row["slot"],
            time_ns=row["time_ns"],
            score=row["score"],
            severity=row["severity"],
            cause=row["cause"],
            learned=row["learned"],
            gate=row["gate"],
            state=row["machine_state"],
            changed=row["changed_lines"],
            spikes=row["spikes"],
            due=row["due"],
            due_sensors=row["due_sensors"],
            voice=row["voice"],
            lasted_ns=np.zeros(len(row), np.int64),
            lines=row["lines"],
            masked=row["masked"],
            until=row["until"],
            account=said.entry,
            lost=said.lost,
            counted=row["account"],
            news=(),
        )

    def with_news(self, news: tuple[News, ...]) -> "Scores":
        """The same, and what has happened to incidents."""
        return Scores(*self[:-1], news)  # `_replace` would count the rows for fields

    def entries(self, rows: Ints) -> tuple[Ints, Ints]:
        """Entries of the account that belong to some rows, and for each which of the rows it is."""
        return explanation.entries(self.until, rows)

    def explain(self, rows: Ints) -> Sensors:
        """Of some rows, what each sensor with a reading had to do with it, and where it was expected."""
        return explanation.sensors(
            self.account, self.until, rows, self.score[rows], self.voice[rows], self.lines[rows]
        )
