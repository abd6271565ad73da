"""Send-on-delta with an adaptive step: spikes when a value has moved; the code is `delta.{h,c}`.

The constants were chosen on development data as a plateau.
"""

from typing import NamedTuple

OUTPUTS = 1  # signed: ON spikes minus OFF spikes


class Params(NamedTuple):
    """Sizes relative to the line's own unit, memories in readings, speeds per usual sampling interval."""

    step: float = 0.2  # movement of the compressed value that makes one spike
    squash: float = 5.0  # knee of the logarithmic compression, in units
    scale_intervals: float = 2000.0  # memory of the noise scale
    scale_cap: float = 2.0  # a deviation counts for at most this many scales
    walk: float = 0.02  # speed of the baseline, scales per interval
    walk_early: float = 0.1  # the same during a line's first hundred readings
    coarse: float = 0.02  # share of the learned range in the unit
    coarse_declared: float = 0.05  # share of the declared range in the unit
    range_intervals: float = 10_000.0  # leak of the learned range towards the baseline
