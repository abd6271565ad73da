"""The spiking network of one machine, in C: a file and a header a part, wired in `network.c`.

`POPULATIONS` is the table of what can surprise a line, in the order of `params.h`. To add a population, write its
file, its number in `params.h` and its call in `feel.c` or `judge.c`, and add its line here (name, weights in the
dendrite, innate counts of its rank neuron). The last three are optional: where no dendrite hears them they cost
neither time nor memory. Python has the numbers (`parameters`), one machine's memory (`block`) and the entrance to all
of it (`binding`).
"""

import math
from typing import NamedTuple

from pipeline.network._core import lib


class Population(NamedTuple):
    """One aspect of a line that can surprise."""

    name: str
    weight: float  # in the dendrite
    alone: float  # the same in that of a machine's only line
    innate: tuple[int, ...]  # per mille of readings by bin of ln surprise, from development data


# fmt: off
POPULATIONS = (
    Population("range", 1.0, 1.0,
               (993, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)),
    Population("value", 1.0, 1.0,
               (28, 2, 4, 6, 9, 18, 29, 44, 87, 119, 186, 234, 152, 55, 17, 6, 2, 1, 1, 1, 1, 0, 0, 1)),
    Population("activity", 1.0, 1.0,
               (29, 2, 4, 6, 12, 20, 30, 44, 70, 114, 178, 241, 190, 52, 7, 1, 1, 1, 0, 0, 1, 0, 0, 0)),
    Population("silence", 2.0, 1.0,
               (900, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 47, 17, 13, 9, 6, 4, 2, 1, 1, 0, 0, 0)),
    Population("levels", 1.0, 1.0,
               (63, 3, 5, 9, 13, 28, 80, 222, 366, 172, 30, 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("pattern", 1.0, 1.0,
               (61, 3, 5, 12, 32, 96, 273, 367, 131, 17, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("changes", 1.0, 1.0,
               (73, 5, 10, 18, 37, 87, 196, 301, 215, 47, 8, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("persistence", 1.0, 1.0,
               (1, 1, 1, 2, 3, 5, 6, 11, 33, 329, 478, 110, 20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("coupling", 3.0, 3.0,
               (79, 2, 3, 6, 10, 15, 19, 28, 42, 81, 164, 232, 183, 86, 28, 11, 5, 4, 2, 0, 0, 0, 0, 0)),
    Population("context 3", 0.25, 0.25,
               (0, 0, 0, 0, 0, 7, 19, 50, 171, 264, 276, 174, 36, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("context 10", 1.0, 1.0,
               (0, 0, 0, 0, 0, 2, 15, 42, 139, 272, 322, 187, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("context 40", 1.0, 1.0,
               (0, 0, 0, 0, 0, 0, 4, 18, 117, 232, 497, 122, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
)
NAMES = tuple(population.name for population in POPULATIONS)
INNATE = [[count / 1000.0 for count in population.innate] for population in POPULATIONS]
# The same of the four units of the context population.
CONTEXT_INNATE = [[count / 1000.0 for count in unit] for unit in (
    (5, 0, 2, 16, 18, 19, 40, 89, 146, 182, 185, 121, 56, 62, 39, 21, 0, 0, 0, 0, 0, 0, 0, 0),
    (1, 0, 0, 2, 2, 8, 10, 27, 70, 119, 131, 168, 193, 168, 78, 22, 0, 0, 0, 0, 0, 0, 0, 0),
    (12, 1, 5, 8, 14, 23, 27, 111, 175, 190, 156, 123, 81, 58, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    (13, 2, 3, 7, 14, 20, 23, 44, 110, 206, 176, 171, 131, 52, 22, 5, 0, 0, 0, 0, 0, 0, 0, 0),
)]
# fmt: on
# Surprise at which the second bin of a rank neuron, the third, ... begins.
EDGES = [math.exp(-6.0 + 0.5 * number) for number in range(1, lib.SW_BINS)]
assert len(POPULATIONS) == lib.SW_POPULATIONS  # noqa: S101  # a slip in the table shows at import
assert all(len(counts) == lib.SW_BINS for counts in (*INNATE, *CONTEXT_INNATE))  # noqa: S101
