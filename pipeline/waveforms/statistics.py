"""Statistics of a block in the time domain: level, and the shape of the distribution.

With d[n] = x[n] - mean(x) over the N samples of a block (no window):

    mean          sum x / N                      unit of x
    rms           sqrt(sum d^2 / N)              unit of x; the standard deviation, as the mean is taken off
    peak          max |d|                        unit of x
    crest_factor  peak / rms                     ISO 13373-2:2016; 1.414 for a sine
    kurtosis      (sum d^4 / N) / rms^4          3 for Gaussian noise, 1.5 for a sine
    skewness      (sum d^3 / N) / rms^3          0 where the distribution is symmetric

Kurtosis as an early sign of bearing damage: Dyer and Stewart, Journal of Mechanical Design 100 (1978) 229. Both
moments are those of the block itself (Pearson's, divided by N), not an estimate for a population.
"""

from typing import NamedTuple

import numpy as np

from pipeline.records import Floats


class Deviation(NamedTuple):
    """A block about its mean, as a share of its peak, so that no power of a sample leaves the range of a double."""

    mean: float  # unit of the samples
    peak: float  # the same; 0 where all samples are equal
    share: Floats  # (samples,), d / peak, within -1 and 1; zeros where the peak is 0


def deviation(samples: Floats) -> Deviation:
    """Take off the mean of (samples,) finite values."""
    if samples.min() == samples.max():  # their computed mean may differ from each of them by a rounding
        return Deviation(float(samples[0]), 0.0, np.zeros(len(samples)))
    mean = float(samples.mean())
    about = samples - mean
    peak = float(np.abs(about).max())
    return Deviation(mean, peak, about / peak)


def statistics(block: Deviation) -> dict[str, float]:
    """Features by name; without those that divide by the RMS where that is 0."""
    square = np.square(block.share)  # no dot products: their rounding goes by the number of processors
    power = float(square.mean())
    found = {"mean": block.mean, "rms": block.peak * power**0.5, "peak": block.peak}
    if power > 0.0:
        found["crest_factor"] = power**-0.5
        found["kurtosis"] = float(np.square(square).mean()) / power**2
        found["skewness"] = float((square * block.share).mean()) / power**1.5
    return found
