"""Why the machines of a fleet have their scores: what `explanation.py` says, by their weights, names and units."""

import math
from typing import Any

import numpy as np

from pipeline.engine import explanation
from pipeline.engine.explanation import Quoted
from pipeline.engine.fleet import Fleet
from pipeline.engine.scores import Scores
from pipeline.network._core import lib
from pipeline.network.parameters import Params
from pipeline.records import Ints


class Reasons:
    """Why each reading counts, in bits and in words."""

    def __init__(self, fleet: Fleet, params: Params) -> None:
        self._fleet = fleet
        self._weights = (params.weights, params.weights_alone)

    def of(self, entry: Any, voice: int, lines: int) -> int:
        """The reasons for which a reading, an entry of the account, has its part in the score of a row.

        `lines`: of the machine when the row closed.
        """
        alone = lines == 1
        share = explanation.populations(self._weights[alone], entry["rarity"].tolist())
        clear = float(entry["dendrite"]) >= explanation.CLEAR
        return explanation.reasons(voice, int(entry["witness"]), share, clear, alone)

    def sentence(self, line: int, quoted: Quoted) -> str:
        """Why a line is blamed."""
        return explanation.why(self._fleet.lines[line][1], quoted, self._fleet.sensor(line).unit or "")

    def why(self, scores: Scores, rows: Ints) -> list[str]:
        """Why the score of some rows is what it is: a sentence each, about its cause."""
        told, entry = scores.explain(rows), scores.entries(rows)[0]
        blamed = np.flatnonzero(told.line == scores.cause[rows][told.row])
        found = dict(zip(told.row[blamed].tolist(), blamed.tolist(), strict=True))
        said = []
        columns = (scores.cause[rows], scores.voice[rows], scores.lasted_ns[rows], scores.lines[rows])
        for row, (cause, voice, lasted_ns, lines) in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
            one = found.get(row)
            if one is None:  # no line with a reading is to blame
                nothing, reasons = math.nan, explanation.reasons(voice, lib.SW_LONG)
                quoted = Quoted(nothing, nothing, nothing, reasons, lasted_ns)
            else:
                value, low, high = (float(column[one]) for column in (told.value, told.low, told.high))
                quoted = Quoted(value, low, high, self.of(scores.account[entry[one]], voice, lines), lasted_ns)
            said.append(self.sentence(cause, quoted))
        return said
