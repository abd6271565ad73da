"""One block of one channel to its features, or to the reason why one is missing.

    mean rms peak crest_factor kurtosis skewness   see `statistics`
    band_<low>_<high>   RMS of the part from `low` on and below `high` Hz, unit of the samples; its square is the
                        band's power
    velocity_rms        mm/s, of an acceleration: RMS of its integral from 10 to 1,000 Hz, by which ISO 20816-1:2016
                        and ISO 20816-3:2022 judge machines; slow ones (below 600 1/min) from 2 Hz
    harmonic_1x ... 3x  RMS at once, twice and three times the shaft's frequency, unit of the samples
    envelope_bpfo, envelope_bpfi, envelope_bsf, envelope_ftf   RMS of the squared envelope at a frequency of the
                        bearing, square of the samples' unit: the energy of impacts that come at that rate

Frequencies of shaft and bearing are looked for within 2 % (`bearing.SLIP`), at least over the lobe of the window.
Their multiples are left out, as one damage would look like another: the third of BPFO lies on the second of BPFI (for
9 rollers 10.75 and 10.83 times the shaft). Only of BSF the double counts too, since a damaged roller strikes both
rings in a turn (Randall and Antoni, as in `bearing`).

A feature is measured only where the block can show it: a frequency of the shaft or bearing takes four periods, so
that neither what drifts nor the next multiple lies in its lobe; the velocity two periods of its lower end, as there
the integral is largest.
"""

import math
from typing import NamedTuple

import numpy as np

from pipeline.config.settings import Waveform
from pipeline.config.waveforms import MAX_SPEED, RATES_HZ, band_name, envelope_band, velocity_band
from pipeline.records import MAX_MAGNITUDE, Floats
from pipeline.waveforms.bearing import SLIP, frequencies
from pipeline.waveforms.refusals import BlockError, Why
from pipeline.waveforms.spectrum import (
    Spectrum,
    Windows,
    half_width,
    integrated,
    lines,
    of_signal,
    of_squared_envelope,
    power_near,
)
from pipeline.waveforms.statistics import Deviation, deviation, statistics

MIN_SAMPLES = 64  # judgement: the kurtosis of fewer says nothing
MIN_PERIODS = 4.0  # of a frequency of the shaft or bearing
MIN_PERIODS_VELOCITY = 2.0  # of the lower end of its band
HARMONICS = (1, 2, 3)  # of the shaft
MULTIPLES = {"bpfo": (1,), "bpfi": (1,), "bsf": (1, 2), "ftf": (1,)}  # of frequencies of the bearing
DIVIDED = ("crest_factor", "kurtosis", "skewness")  # by the RMS
STANDARD_GRAVITY = 9.80665  # m/s2 of one g: ISO 80000-3:2019

_ALMOST = 1.0 - 1e-9  # a block of exactly so many periods has them, whatever the rounding of its duration
_MILLIMETRES = {"g": STANDARD_GRAVITY * 1e3, "m/s2": 1e3}  # mm/s2 of the unit


class Measured(NamedTuple):
    """What one block of one channel gave."""

    features: dict[str, float]
    missing: list[tuple[str, Why]]  # feature, and why it could not be measured


class Analysis:
    """The features of blocks under one `Waveform`."""

    def __init__(self, settings: Waveform) -> None:
        self._bands = [(band_name(band), *band) for band in settings.bands]
        self._settings = settings
        self._windows = Windows()
        self._turns = settings.speed is not None or settings.speed_path is not None

    def measure(self, samples: Floats, rate_hz: float, speed: float | None) -> Measured:
        """The features of (samples,) values in the unit of the readings; BlockError where there are none at all.

        `speed` is that of the shaft, 1/min; None where it is not known.
        """
        if len(samples) < MIN_SAMPLES:
            raise BlockError(Why.SHORT_BLOCK, f"{len(samples)} samples, at least {MIN_SAMPLES}")
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise BlockError(Why.NO_RATE, f"{rate_hz:g} samples a second")
        highest, lowest = float(samples.max()), float(samples.min())
        if not -MAX_MAGNITUDE <= lowest <= highest <= MAX_MAGNITUDE:  # nor with NaN, which max and min hand on
            raise BlockError(_odd(samples), "among the samples")
        block = deviation(samples)
        found = Measured(statistics(block), [])
        found.missing.extend((name, Why.CONSTANT_BLOCK) for name in DIVIDED if name not in found.features)
        power = of_signal(block.share, rate_hz, self._windows)
        self._levels(power, rate_hz, block.peak, found)
        self._velocity(power, rate_hz, block.peak, found)
        if self._turns:
            if speed is None or not 0.0 < speed <= MAX_SPEED:
                found.missing.append(("speed", Why.NO_SPEED))
            else:
                self._harmonics(power, speed / 60.0, block.peak, found)
                self._envelope(block, rate_hz, speed / 60.0, found)
        return found

    def _levels(self, power: Spectrum, rate_hz: float, peak: float, found: Measured) -> None:
        for name, low, high in self._bands:
            within = lines(power, low, high)
            if high > rate_hz / 2:
                found.missing.append((name, Why.BEYOND_RATE))
            elif within.start >= within.stop:
                found.missing.append((name, Why.SHORT_BLOCK))
            else:
                found.features[name] = peak * math.sqrt(float(power.power[within].sum()))

    def _velocity(self, power: Spectrum, rate_hz: float, peak: float, found: Measured) -> None:
        band, unit = velocity_band(self._settings), self._settings.unit
        if band is None or unit is None:
            return
        low, high = band
        if high > rate_hz / 2:
            found.missing.append(("velocity_rms", Why.BEYOND_RATE))
        elif low < MIN_PERIODS_VELOCITY * power.spacing_hz * _ALMOST:
            found.missing.append(("velocity_rms", Why.SHORT_BLOCK))
        else:
            root = math.sqrt(integrated(power, lines(power, low, high)))
            found.features["velocity_rms"] = _MILLIMETRES[unit] * peak * root

    def _harmonics(self, power: Spectrum, shaft_hz: float, peak: float, found: Measured) -> None:
        for order in HARMONICS:
            why = _unseen(power, order * shaft_hz, shaft_hz)
            if why is None:
                found.features[f"harmonic_{order}x"] = peak * math.sqrt(power_near(power, order * shaft_hz, SLIP))
            else:
                found.missing.append((f"harmonic_{order}x", why))

    def _envelope(self, block: Deviation, rate_hz: float, shaft_hz: float, found: Measured) -> None:
        bearing = self._settings.bearing
        if bearing is None:
            return
        wanted = {
            f"envelope_{name}": [multiple * hz for multiple in MULTIPLES[name]]
            for name, hz in frequencies(bearing, shaft_hz).items()
        }
        low, high = envelope_band(self._settings, rate_hz)
        if not low < high <= rate_hz / 2:
            found.missing.extend((name, Why.BEYOND_RATE) for name in wanted)
            return
        if (high - low) * len(block.share) / rate_hz < MIN_PERIODS:
            found.missing.extend((name, Why.SHORT_BLOCK) for name in wanted)
            return
        power = of_squared_envelope(block.share, rate_hz, (low, high), self._windows)
        for name, rates in wanted.items():
            why = _unseen(power, rates[-1], rates[0])
            if why is None:
                energy = sum(power_near(power, hz, SLIP) for hz in rates)
                found.features[name] = block.peak * block.peak * math.sqrt(energy)
            else:
                found.missing.append((name, why))


def _unseen(power: Spectrum, highest_hz: float, lowest_hz: float) -> Why | None:
    """Why a spectrum cannot show frequencies from a lowest to a highest; None where it can."""
    if lowest_hz < MIN_PERIODS * power.spacing_hz * _ALMOST:
        return Why.SHORT_BLOCK
    if highest_hz + half_width(power, highest_hz, SLIP) > (len(power.power) - 1) * power.spacing_hz:
        return Why.BEYOND_RATE
    return None


def _odd(samples: Floats) -> Why:
    if np.isnan(samples).any():
        return Why.NAN
    return Why.INFINITE if np.isinf(samples).any() else Why.MAGNITUDE
