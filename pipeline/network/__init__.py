"""The spiking network of one machine: a table of populations per line, and what joins the lines.

`POPULATIONS` is the table. To add a population, write its file, add its line here (name, weight in the dendrite,
innate counts of its rank neuron) and its call in `layers.feel` or `judgement.judge`. The last three are optional:
where no dendrite hears them they cost neither time nor memory.
"""

from typing import NamedTuple

import numpy as np

from pipeline.network.rank import BINS


class Population(NamedTuple):
    """One aspect of a line that can surprise."""

    name: str
    says: str  # the explanation a person reads
    weight: float  # in the dendrite
    innate: tuple[int, ...]  # per mille of readings by bin of ln surprise, from development data


# fmt: off
POPULATIONS = (
    Population("range", "outside everything seen", 1.0,
               (993, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)),
    Population("value", "far from its mean", 1.0,
               (28, 2, 4, 6, 9, 18, 29, 44, 87, 119, 186, 234, 152, 55, 17, 6, 2, 1, 1, 1, 1, 0, 0, 1)),
    Population("activity", "busier or calmer than usual", 1.0,
               (29, 2, 4, 6, 12, 20, 30, 44, 70, 114, 178, 241, 190, 52, 7, 1, 1, 1, 0, 0, 1, 0, 0, 0)),
    Population("silence", "still for too long", 2.0,
               (900, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 47, 17, 13, 9, 6, 4, 2, 1, 1, 0, 0, 0)),
    Population("levels", "a new course of levels", 1.0,
               (63, 3, 5, 9, 13, 28, 80, 222, 366, 172, 30, 6, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("pattern", "a new mix of level and roughness", 1.0,
               (61, 3, 5, 12, 32, 96, 273, 367, 131, 17, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("changes", "a new kind of movement", 1.0,
               (73, 5, 10, 18, 37, 87, 196, 301, 215, 47, 8, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("persistence", "strange for some time now", 1.0,
               (1, 1, 1, 2, 3, 5, 6, 11, 33, 329, 478, 110, 20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("coupling", "not where the other sensors say", 3.0,
               (79, 2, 3, 6, 10, 15, 19, 28, 42, 81, 164, 232, 183, 86, 28, 11, 5, 4, 2, 0, 0, 0, 0, 0)),
    Population("context 3", "a step that does not follow", 0.25,
               (0, 0, 0, 0, 0, 7, 19, 50, 171, 264, 276, 174, 36, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("context 10", "an order of levels not seen before", 1.0,
               (0, 0, 0, 0, 0, 2, 15, 42, 139, 272, 322, 187, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    Population("context 40", "a course of levels not seen before", 1.0,
               (0, 0, 0, 0, 0, 0, 4, 18, 117, 232, 497, 122, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
)
# fmt: on
NAMES = tuple(population.name for population in POPULATIONS)
INNATE = np.array([population.innate for population in POPULATIONS], float) / 1000.0
assert INNATE.shape == (len(POPULATIONS), BINS)  # noqa: S101  # a slip in the table shows at import
