"""WAV files, as bytes, to samples: PCM of 8 to 64 bits and floating point, any number of channels."""

import io
import struct
import warnings

import numpy as np
from scipy.io import wavfile

from pipeline.records import Floats


def from_wav(data: bytes) -> tuple[float, Floats]:
    """Rate (samples a second) and samples (samples, channels) of a WAV file; ValueError where it is none, or cut off.

    Whole numbers become shares of full scale, -1 to 1, as they are meant; floating point stays as it is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks beside the samples, which we do not need
            warnings.filterwarnings("error", message=".*prematurely.*")
            rate, samples = wavfile.read(io.BytesIO(data))
    except wavfile.WavFileWarning:
        raise ValueError("is cut off: it holds fewer samples than it says") from None
    except (
        ValueError,
        EOFError,
        struct.error,
        UnboundLocalError,
        ZeroDivisionError,
        TypeError,
        MemoryError,
    ) as error:
        raise ValueError(f"is not a WAV file that can be read: {error}") from None
    block = samples.astype(np.float64)
    if samples.dtype.kind == "u":  # 8 bits: 0 to 255 about 128
        block -= 128.0
    if samples.dtype.kind in "ui":
        block /= 2.0 ** (8 * samples.dtype.itemsize - 1)
    return float(rate), block.reshape(len(block), -1)
