"""What can be wrong with the settings of a waveform on paper, and the frequencies that hold where none are given."""

import importlib.util
import math
from collections.abc import Iterator

from pipeline.config.extras import install
from pipeline.config.paths import parse_path
from pipeline.config.settings import Bearing, Source, Waveform, WaveformFile, duration_ns, unix_ns
from pipeline.topics import Template

Problems = Iterator[tuple[str, str]]

VELOCITY_HZ = (10.0, 1_000.0)  # ISO 20816-1:2016; ISO 20816-3:2022 begins at 2 Hz below 600 1/min
ENVELOPE_HZ = (500.0, 10_000.0)  # judgement: what meters of bearing condition usually look at
RATES_HZ = (1e-6, 1e9)
MOST_CHANNELS = 64
MOST_BANDS = 64
MAX_SAMPLES = 1 << 20  # of a block, all channels together: 10 s at 100 kHz; measuring them takes some 0.1 s
MAX_SPEED = 1e9  # 1/min
NEEDS_SCIPY = f"needs scipy, which is not installed: {install('waveform')}"


def velocity_band(settings: Waveform) -> tuple[float, float] | None:
    """The band (Hz) of the velocity; None where the samples are no accelerations."""
    if settings.unit is None:
        return None
    return settings.velocity or VELOCITY_HZ


def envelope_band(settings: Waveform, rate_hz: float) -> tuple[float, float]:
    """The band (Hz) whose envelope is looked at."""
    return settings.envelope or (ENVELOPE_HZ[0], min(ENVELOPE_HZ[1], rate_hz / 2))


def band_name(band: tuple[float, float]) -> str:
    """The feature of a band; without the sign that a large number's exponent has, which no sensor may have."""
    return f"band_{band[0]:.12g}_{band[1]:.12g}"


def has_scipy() -> bool:
    """Whether the extra `waveform` is installed."""
    return importlib.util.find_spec("scipy") is not None


def source_problems(source: Source, template: Template) -> Problems:
    """What is wrong with a source of the payload `waveform` beyond its topic and paths."""
    waveform = source.waveform
    if source.payload != "waveform":
        if waveform is not None:
            yield "waveform", "needs payload: waveform"
        return
    if waveform is None:
        yield "waveform", "is missing: a payload waveform needs at least waveform: {rate: SAMPLES A SECOND}"
        return
    if not has_scipy():
        yield "payload", f"waveform {NEEDS_SCIPY}"
    if waveform.rate is None and waveform.rate_path is None:
        yield "waveform.rate", "is missing (samples a second, or rate_path: the path of it in a JSON payload)"
    if waveform.encoding != "raw":
        for key in ("row", "header"):
            if getattr(source, key):
                yield key, "arrays of a payload waveform are samples (waveform.channels names those that take turns)"
        return
    if not template.captures("sensor") and not waveform.channels:
        yield "topic", "raw samples need a name: a level {sensor} in the topic, or waveform.channels"
    if not template.captures("machine"):
        yield "topic", "raw samples need a level {machine} in the topic"
    for key in ("time", "machine", "samples", "sensor", "value", "quality", "row", "header"):
        if getattr(source, key):
            yield key, "raw samples have no fields (waveform.encoding: base64 or array)"
    for key in ("rate_path", "speed_path"):
        if getattr(waveform, key) is not None:
            yield f"waveform.{key}", "raw samples have no fields (encoding: base64 or array)"


def waveform_problems(waveform: Waveform) -> Problems:
    """What is wrong with the settings of a waveform, wherever they stand."""
    for one, other in (("rate", "rate_path"), ("speed", "speed_path")):
        if getattr(waveform, one) is not None and getattr(waveform, other) is not None:
            yield other, f"{one} is set too: give one of them"
        try:
            parse_path(getattr(waveform, other) or one)
        except ValueError as error:
            yield other, str(error)
    rate, speed = waveform.rate, waveform.speed
    if rate is not None and not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        yield "rate", f"{rate:g} is not a number of samples a second ({RATES_HZ[0]:g} to {RATES_HZ[1]:g})"
        rate = None
    if speed is not None and not 0 < speed <= MAX_SPEED:
        yield "speed", f"{speed:g} is not a shaft speed in 1/min (above 0)"
    if waveform.scale == 0 or not math.isfinite(waveform.scale):
        yield "scale", f"{waveform.scale:g} is not the worth of one count (1.0 leaves the samples as they are)"
    yield from _channel_problems(waveform.channels)
    if len(waveform.bands) > MOST_BANDS:
        yield "bands", f"{len(waveform.bands)} are more than {MOST_BANDS}"
    for number, band in enumerate(waveform.bands):
        yield from _band_problems(f"bands[{number}]", band, rate, least=0.0)
        if band_name(band) in map(band_name, waveform.bands[:number]):
            yield f"bands[{number}]", "is there twice"
    if waveform.unit is None and waveform.velocity is not None:
        yield "velocity", "needs unit, g or m/s2: only of an acceleration we make a velocity"
    velocity = velocity_band(waveform)
    if velocity is not None:
        yield from _band_problems("velocity", velocity, rate, least=1e-6)
    if waveform.bearing is None:
        if waveform.envelope is not None:
            yield "envelope", "needs bearing: it is looked at for the bearing's frequencies"
        return
    if speed is None and waveform.speed_path is None:
        yield "bearing", "needs speed, of the shaft in 1/min, or speed_path"
    if rate is not None or waveform.envelope is not None:
        yield from _band_problems("envelope", envelope_band(waveform, rate or math.inf), rate, least=1e-6)


def file_problems(waveform: WaveformFile) -> Problems:
    """The same of a file of samples."""
    yield from waveform_problems(waveform)
    for key in ("rate_path", "speed_path"):
        if getattr(waveform, key) is not None:
            yield key, "a file of samples has no fields; give the number itself"
    if waveform.encoding != "raw" or waveform.type != "int16" or waveform.order != "little":
        yield "", "encoding, type and order are of MQTT payloads; a file says itself what its samples are"
    if waveform.block is not None and not 1 <= waveform.block <= MAX_SAMPLES:
        yield "block", f"{waveform.block} is not a number of samples (1 to {MAX_SAMPLES})"
    if waveform.every is not None:
        try:
            if not duration_ns(waveform.every):
                yield "every", "must be longer than nothing"
        except ValueError as error:
            yield "every", str(error)
    try:
        unix_ns(waveform.start)
    except ValueError as error:
        yield "start", str(error)


def bearing_problems(bearing: Bearing) -> Problems:
    """What is wrong with the geometry of a bearing."""
    if not 2 <= bearing.rollers <= 1_000:
        yield "rollers", f"{bearing.rollers} is not a number of rollers (2 to 1000)"
    if not 0 < bearing.ball < bearing.pitch < math.inf:
        yield (
            "ball",
            f"{bearing.ball:g} and pitch {bearing.pitch:g}: a roller is smaller than its circle, both above 0",
        )
    if not 0 <= bearing.angle < 90:
        yield "angle", f"{bearing.angle:g} is not a contact angle in degrees (0 to below 90)"


def _channel_problems(channels: tuple[str, ...]) -> Problems:
    if len(channels) > MOST_CHANNELS:
        yield "channels", f"{len(channels)} are more than {MOST_CHANNELS}"
    for number, name in enumerate(channels):
        if not 0 < len(name) <= 64 or not name.isprintable() or any(sign in name for sign in "/+#"):
            yield f"channels[{number}]", "is not a name (1 to 64 characters without / + and #)"
        if name in channels[:number]:
            yield f"channels[{number}]", f"{name} is there twice"


def _band_problems(key: str, band: tuple[float, float], rate: float | None, least: float) -> Problems:
    low, high = band
    if not least <= low < high <= RATES_HZ[1]:
        yield key, f"[{low:g}, {high:g}] is not a band in Hz (the lower end first, not below {least:g})"
    elif rate is not None and high > rate / 2:
        yield key, f"[{low:g}, {high:g}] ends above half the rate: give at most {rate / 2:g} Hz"
