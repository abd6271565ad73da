"""Power spectra of a block: of the signal, and of its squared envelope.

A spectrum has lines k = 0 ... N/2 at k rate/N Hz. With a periodic Hann window w and X = FFT(x w), line k has

    P[k] = c |X[k]|^2 / (N sum w^2)      c = 1 for k = 0 and k = N/2, else 2

so that the powers add up to the mean square of the signal (Parseval; scaling after Heinzel, Ruediger and
Schilling, Spectrum and spectral density estimation by the Discrete Fourier transform, 2002). A sine in the middle of
a line lies in three lines.

The squared envelope is demodulated as Randall and Antoni do (Rolling element bearing diagnostics - a tutorial,
Mechanical Systems and Signal Processing 25 (2011) 485): the lines of a band of the one-sided spectrum of the whole
block, without a window, times 2, are the spectrum of the band's analytic signal; its squared magnitude is the squared
envelope. They prefer that to the envelope, as a root makes frequencies that were not there. Moving the band to 0 Hz
changes no magnitude and makes the transform short; it is as long as twice the band, so that the square does not fold
back.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import fft, signal

from pipeline.records import Floats

MOST_WINDOWS = 4
LONGEST_KEPT = 65_536  # samples of a window; with all windows 2 MB a source
LOBE = 2.0  # lines from the middle of the main lobe of a Hann window to its edge
_SAME = 1e-9  # lines: a border within this of a line is on it, whatever the rounding of its frequency


class Spectrum(NamedTuple):
    """Powers of evenly spaced lines, the first at 0 Hz."""

    power: Floats  # (lines,), square of the signal's unit
    spacing_hz: float


class Windows:
    """Periodic Hann windows; a few are kept, as the blocks of a source, and their envelopes, are of one length."""

    def __init__(self) -> None:
        self._kept: dict[int, Floats] = {}

    def of(self, length: int) -> Floats:
        """The window of so many samples."""
        window = self._kept.get(length)
        if window is None:
            window = signal.get_window("hann", length)
            if length <= LONGEST_KEPT:
                if len(self._kept) >= MOST_WINDOWS:
                    self._kept.clear()
                self._kept[length] = window
        return window


def of_signal(values: Floats, rate_hz: float, windows: Windows) -> Spectrum:
    """The power spectrum of (samples,)."""
    count, window = len(values), windows.of(len(values))
    transform = fft.rfft(values * window)
    power = transform.real**2 + transform.imag**2
    power[1 : (count + 1) // 2] *= 2.0
    return Spectrum(power / (count * np.square(window).sum()), rate_hz / count)


def of_squared_envelope(values: Floats, rate_hz: float, band: tuple[float, float], windows: Windows) -> Spectrum:
    """The power spectrum of the squared envelope of (samples,) within a band (Hz); its mean is taken off.

    It has the line spacing of the signal's spectrum, and power up to the width of the band. The band holds two lines
    or more.
    """
    count = len(values)
    part = fft.rfft(values)[_between(count // 2 + 1, rate_hz / count, *band)]
    length = fft.next_fast_len(2 * len(part))
    analytic = fft.ifft(2.0 * part, length) * (length / count)
    square = analytic.real**2 + analytic.imag**2
    return of_signal(square - square.mean(), rate_hz * length / count, windows)


def lines(spectrum: Spectrum, low_hz: float, high_hz: float) -> slice:
    """The lines from `low_hz` on and below `high_hz`, so that bands that touch share none."""
    return _between(len(spectrum.power), spectrum.spacing_hz, low_hz, high_hz)


def _between(count: int, spacing_hz: float, low_hz: float, high_hz: float) -> slice:
    first, end = (math.ceil(border / spacing_hz - _SAME) for border in (low_hz, high_hz))
    return slice(min(first, count), min(end, count))


def half_width(spectrum: Spectrum, hz: float, tolerance: float) -> float:
    """How far (Hz) the lines of a frequency lie apart from it: `tolerance` of it, and at least the window's lobe."""
    return max(tolerance * hz, LOBE * spectrum.spacing_hz)


def power_near(spectrum: Spectrum, hz: float, tolerance: float) -> float:
    """The power of the lines that are nearer to a frequency than `half_width`."""
    middle, half = hz / spectrum.spacing_hz, half_width(spectrum, hz, tolerance) / spectrum.spacing_hz
    first, last = math.floor(middle - half + _SAME) + 1, math.ceil(middle + half - _SAME) - 1
    return float(spectrum.power[first : last + 1].sum())


def integrated(spectrum: Spectrum, within: slice) -> float:
    """The power of the signal's integral over time: each line divided by (2 pi f)^2; without the line at 0 Hz."""
    omega = 2.0 * np.pi * spectrum.spacing_hz * np.arange(len(spectrum.power))[within]
    return float((spectrum.power[within] / omega**2).sum())
