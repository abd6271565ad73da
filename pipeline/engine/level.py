"""The anomaly level: the score on a scale that people read, from 0 to 10. A fixed function of the score.

A score says most by its distance from 1: 0.9, 0.99 and 0.999 are healthy, a warning and critical. The level makes
equal steps of that: linear in -log10(1 - score) between the points below, which are from judgement.

| score | level | |
|---|---|---|
| 0 | 0 | |
| 0.97 | 1 | below it a machine is calm; 999 of 1,000 healthy rows are |
| 0.99 | 5 | a warning, unless the configuration says otherwise |
| 0.999 | 8 | critical, likewise |
| 0.99999 and more | 10 | |
"""

import numpy as np

from pipeline.records import Floats

SCORES = (0.0, 0.97, 0.99, 0.999, 0.99999)
LEVELS = (0.0, 1.0, 5.0, 8.0, 10.0)
_NINES = tuple(-np.log10(1.0 - np.array(SCORES)))
NEAREST = 1e-12  # to a score of 1


def levels_of(scores: Floats) -> Floats:
    """Levels of scores, NaN where a score is. To two decimals, cut off so that none is 5 or 8 before its score is.

    >>> levels_of(np.array([0.5, 0.98, 0.99, 0.9995, 1.0]))
    array([ 0.19,  2.47,  5.  ,  8.3 , 10.  ])
    """
    nines = -np.log10(np.maximum(1.0 - scores, NEAREST))
    return np.floor(np.interp(nines, _NINES, LEVELS) * 100.0) / 100.0


def level_of(score: float) -> float:
    """The level of one score."""
    return float(levels_of(np.array(score)))
