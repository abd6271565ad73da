"""Files of samples as tables: each block of samples is a row of features, as the service makes of a block.

    *.wav   with its own rate; whole numbers count as shares of full scale
    *.npy   (samples,), (blocks, samples), (blocks, samples, channels); with named channels also (samples, channels)
    *.csv   a column for each channel, with or without a header; a time column says rate and times

Blocks follow each other without overlap; samples that fill no block are left out. What was understood and left out is
said in notes, one text each.
"""

import gzip
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from pipeline.config.settings import WaveformFile, duration_ns, unix_ns
from pipeline.config.waveforms import MAX_SAMPLES, MOST_CHANNELS, NEEDS_SCIPY, file_problems, has_scipy
from pipeline.recordings.reading.roles import TIME_NAMES
from pipeline.recordings.tables import Choices, Table, TableError, read_tables, stem
from pipeline.records import Floats, Ints

SUFFIXES = (".wav", ".npy")  # of files that are never tables
UNLIKE = 0.01  # of the rate that is stated: how far that of the file may differ
MOST_NS = 1 << 62  # the year 2116
COARSE_NS = 1_000_000  # a step of times that are written in milliseconds


class Samples(NamedTuple):
    """What a file holds."""

    values: Floats  # (blocks, samples, channels), or (1, all samples, channels) where the file has no blocks
    channels: Sequence[str]  # names; one without a name is empty
    rate_hz: float | None = None
    time_ns: Ints | None = None  # of each sample, in a file without blocks


def is_waveform(path: Path, settings: WaveformFile | None) -> bool:
    """Whether a file holds samples: by its name, or as somebody has said so."""
    return settings is not None or path.suffix.lower() in SUFFIXES


def read_waveform(path: Path, choices: Choices) -> tuple[Table, list[str]]:
    """The features of a file's blocks, and what is to be said about it; raises TableError.

    Of `choices` all counts where the file is a table with times; else only which columns are left out.
    """
    if not has_scipy():
        raise TableError(f"{path}: this {NEEDS_SCIPY}")
    settings = choices.waveform or WaveformFile()
    found = _read(path, settings, choices)
    rate = settings.rate or found.rate_hz
    if rate is None:
        raise TableError(f"{path}: the rate is missing: --waveform '{{rate: SAMPLES A SECOND}}'")
    if found.rate_hz is not None and abs(rate / found.rate_hz - 1.0) > UNLIKE:
        raise TableError(f"{path}: rate is {rate:g}, but the file has {found.rate_hz:g} samples a second")
    for key, problem in file_problems(msgspec.structs.replace(settings, rate=rate)):
        raise TableError(f"{path}: {key}: {problem}")
    blocks, left_out = _blocks(path, found, settings, rate)
    if found.time_ns is not None:
        if settings.every is not None:
            raise TableError(f"{path}: every: the file says itself when its blocks begin")
        times = found.time_ns[:: blocks.shape[1]][: len(blocks)]
    else:
        every_ns = blocks.shape[1] / rate * 1e9 if settings.every is None else duration_ns(settings.every)
        if abs(unix_ns(settings.start)) + len(blocks) * every_ns >= MOST_NS:
            raise TableError(f"{path}: its last block would be later than a time can be (start, every)")
        times = unix_ns(settings.start) + np.round(np.arange(len(blocks)) * every_ns).astype(np.int64)
    sensors, values, missing = _features(blocks * settings.scale, found.channels, settings, rate)
    if not sensors:
        raise TableError(f"{path}: no block could be measured: {', '.join(missing) or 'there is none'}")
    notes = [
        f"{path}: {len(blocks):,} blocks of {blocks.shape[1]:,} samples at {rate:g} Hz, "
        f"{len(found.channels)} {'channel' if len(found.channels) == 1 else 'channels'}"
    ]
    if left_out:
        notes.append(f"{path}: the last {left_out:,} samples fill no block and are left out")
    notes.extend(f"{path}: not measured: {one}" for one in missing)
    stamps = [datetime.fromtimestamp(one / 1e9, UTC).isoformat() for one in times.tolist()]
    return Table(stem(path), stamps, times, sensors, values, []), notes


def _features(
    blocks: Floats, channels: Sequence[str], settings: WaveformFile, rate: float
) -> tuple[list[str], Floats, list[str]]:
    """Sensors, values (blocks, sensors) with NaN where a feature is missing, and which are missing and why."""
    from pipeline.waveforms.analysis import Analysis  # it needs scipy
    from pipeline.waveforms.refusals import BlockError

    analysis = Analysis(settings)
    rows: list[dict[str, float]] = []
    missing: Counter[str] = Counter()
    for block in blocks:
        row: dict[str, float] = {}
        for channel, samples in zip(channels, block.T, strict=True):
            prefix = f"{channel}." if channel else ""
            try:
                features, without = analysis.measure(np.ascontiguousarray(samples), rate, settings.speed)
            except BlockError as error:
                missing[f"{prefix}*: {error.why}"] += 1
                continue
            row.update((prefix + feature, value) for feature, value in features.items())
            missing.update(f"{prefix}{feature}: {why}" for feature, why in without)
        rows.append(row)
    sensors = list(dict.fromkeys(sensor for row in rows for sensor in row))
    values = np.array([[row.get(sensor, np.nan) for sensor in sensors] for row in rows]).reshape(len(rows), -1)
    return sensors, values, [f"{what} in {count:,} of {len(rows):,} blocks" for what, count in missing.items()]


def _blocks(path: Path, found: Samples, settings: WaveformFile, rate: float) -> tuple[Floats, int]:
    """(blocks, samples, channels), and how many samples fill none."""
    values = found.values
    if len(values) != 1:
        if settings.block is not None and settings.block != values.shape[1]:
            raise TableError(f"{path}: block is {settings.block}, but the file has blocks of {values.shape[1]}")
        return values, 0
    length, channels = values.shape[1], values.shape[2]
    block = settings.block or round(rate)
    if not 1 <= block * channels <= MAX_SAMPLES:
        raise TableError(
            f"{path}: a block of {block} samples of {channels} channels (at most {MAX_SAMPLES} together)"
        )
    if length < block:
        raise TableError(
            f"{path}: {length} samples, fewer than one block of {block}: --waveform '{{block: SAMPLES}}'"
        )
    count = length // block
    return values[0, : count * block].reshape(count, block, channels), length - count * block


def _read(path: Path, settings: WaveformFile, choices: Choices) -> Samples:
    try:
        if path.suffix.lower() in SUFFIXES:
            _refuse_choices(path, choices)
        if path.suffix.lower() == ".wav":
            from pipeline.waveforms.wav import from_wav

            rate, values = from_wav(path.read_bytes())
            return Samples(values[None], _names(path, settings, values.shape[1]), rate)
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
            if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or not 1 <= values.ndim <= 3:
                raise ValueError("is not an array of numbers with one to three dimensions")
            values = values.astype(np.float64)
            if values.ndim == 1:
                values = values[None, :, None]
            elif values.ndim == 2:
                values = values[None] if values.shape[1] == len(settings.channels) > 0 else values[:, :, None]
            return Samples(values, _names(path, settings, values.shape[2]))
        return _columns(path, settings, choices)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError) as error:
        raise TableError(f"{path}: {str(error).strip().splitlines()[0] if str(error).strip() else 'empty'}") from None


def _refuse_choices(path: Path, choices: Choices) -> None:
    """Raises TableError where something was said that counts for tables alone, so that it is not passed over."""
    heeded = ("exclude", "strict", "waveform")
    for name, value in choices._asdict().items():
        if value is not None and name not in heeded:
            option = "--dayfirst or --monthfirst" if name == "dayfirst" else f"--{name.replace('_', '-')}"
            raise TableError(f"{path}: {option} is for tables with times; these are samples alone")


def _columns(path: Path, settings: WaveformFile, choices: Choices) -> Samples:
    """A CSV file: a table where it has times, else nothing but samples."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        header = file.readline().rstrip("\r\n")
    separator = max(",;\t", key=header.count)
    names = [name.strip().strip('"') for name in header.split(separator)]
    if choices.time is not None or {name.lower() for name in names} & set(TIME_NAMES):
        tables = read_tables(path, choices)
        if len(tables) > 1:
            raise TableError(f"{path}: {len(tables)} machines, where one is expected")
        (table,) = tables
        if table.skipped or not table.sensors:
            raise TableError(f"{path}: not numeric, so no samples: {', '.join(table.skipped) or 'all'}")
        return Samples(
            table.values[None],
            settings.channels or table.sensors,
            _rate(path, table.time_ns),
            table.time_ns,
        )
    _refuse_choices(path, choices)
    headless = all(_is_number(name) for name in names)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that there is no data: we say it below
        values = np.loadtxt(path, delimiter=separator, skiprows=0 if headless else 1, ndmin=2, encoding="utf-8-sig")
    if values.size == 0:
        raise TableError(f"{path}: no samples")
    kept = [number for number in range(values.shape[1]) if headless or names[number] not in choices.exclude]
    values = values[:, kept]
    if headless or settings.channels:
        return Samples(values[None], _names(path, settings, len(kept)))
    return Samples(values[None], [names[number] for number in kept])


def _rate(path: Path, time_ns: Ints) -> float:
    """Samples a second by the times of a file, which must be even; several samples may share one coarse time."""
    steps = np.diff(time_ns)
    if len(steps) == 0 or time_ns[-1] <= time_ns[0]:
        raise TableError(f"{path}: its times do not advance, so they say no rate")
    coarse_ns = COARSE_NS if steps.min() == 0 else 0
    if steps.min() < 0 or float(steps.max()) > 2.0 * max(float(np.median(steps)), coarse_ns):
        row = int(np.argmin(steps) if steps.min() < 0 else np.argmax(steps)) + 2
        raise TableError(f"{path}: row {row}: the samples are not evenly spaced: give a file for each unbroken part")
    return len(steps) * 1e9 / float(time_ns[-1] - time_ns[0])


def _names(path: Path, settings: WaveformFile, count: int) -> Sequence[str]:
    if count > MOST_CHANNELS:
        raise TableError(f"{path}: {count} channels, at most {MOST_CHANNELS}")
    if settings.channels:
        if len(settings.channels) != count:
            raise TableError(f"{path}: {count} channels, but {len(settings.channels)} names under channels")
        return settings.channels
    return [""] if count == 1 else [f"channel_{number + 1}" for number in range(count)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
