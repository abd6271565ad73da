"""The features of a block once more, straight from their equations, in plain numpy: no code of ours, no scipy.

`benchmarks/waveforms.py` compares with it on recorded signals.
"""

import numpy as np

G = 9.80665
SLACK = 1e-9  # lines: a border on a line is on it, whatever the rounding of its frequency


def powers(x, rate):
    """Numbers and powers of the lines of a Hann-windowed block, and their distance in Hz."""
    n = len(x)
    w = np.sin(np.pi * np.arange(n) / n) ** 2
    k = np.arange(n // 2 + 1)
    p = np.abs(np.fft.fft(x * w)[: n // 2 + 1]) ** 2 / (n * np.sum(w**2))
    p[(k != 0) & (2 * k != n)] *= 2
    return k, p, rate / n


def band_power(k, p, df, low, high, weight=1.0):
    inside = (k >= low / df - SLACK) & (k < high / df - SLACK)
    return np.sum((p * weight)[inside])


def near(k, p, df, hz):
    half = max(0.02 * hz / df, 2.0)
    return np.sum(p[np.abs(k - hz / df) < half - SLACK])


def squared_envelope(x, rate, low, high):
    """|analytic signal of the band|^2, as long as the block."""
    n = len(x)
    f = np.fft.fftfreq(n, 1 / n)
    one_sided = np.where((f >= low * n / rate - SLACK) & (f < high * n / rate - SLACK), 2 * np.fft.fft(x), 0)
    return np.abs(np.fft.ifft(one_sided)) ** 2


def features(x, rate, unit=None, bands=(), velocity=(10, 1000), speed=None, bearing=None, envelope=None):
    """Every feature; whether the block is long enough for it is not asked. `bearing` is (n, d, D, degrees)."""
    x = np.asarray(x, float)
    d = x - np.mean(x)
    rms = np.sqrt(np.mean(d**2))
    found = {
        "mean": np.mean(x),
        "rms": rms,
        "peak": np.max(np.abs(d)),
        "crest_factor": np.max(np.abs(d)) / rms,
        "kurtosis": np.mean((d / rms) ** 4),
        "skewness": np.mean((d / rms) ** 3),
    }
    k, p, df = powers(d, rate)
    for low, high in bands:
        found[f"band_{low:g}_{high:g}"] = np.sqrt(band_power(k, p, df, low, high))
    if unit:
        omega = 2 * np.pi * df * np.maximum(k, 1)
        found["velocity_rms"] = (
            1000 * {"g": G, "m/s2": 1.0}[unit] * np.sqrt(band_power(k, p, df, *velocity, weight=1 / omega**2))
        )
    if speed:
        for order in (1, 2, 3):
            found[f"harmonic_{order}x"] = np.sqrt(near(k, p, df, order * speed / 60))
    if speed and bearing:
        n, ball, pitch, degrees = bearing
        f, c = speed / 60, ball / pitch * np.cos(np.deg2rad(degrees))
        rates = {
            "bpfo": n * f / 2 * (1 - c),
            "bpfi": n * f / 2 * (1 + c),
            "bsf": pitch * f / (2 * ball) * (1 - c**2),
            "ftf": f / 2 * (1 - c),
        }
        e = squared_envelope(d, rate, *(envelope or (500, min(10_000, rate / 2))))
        k, p, df = powers(e - np.mean(e), rate)
        for name, hz in rates.items():
            found[f"envelope_{name}"] = np.sqrt(near(k, p, df, hz) + (near(k, p, df, 2 * hz) if name == "bsf" else 0))
    return found
