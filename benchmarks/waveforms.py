"""Waveform features: how fast, whether they are those of plain numpy, and FEMTO's board from its raw records.

    python benchmarks/waveforms.py [--data DIR] [--raw DIR --out DIR]

Without options only the processor time that a block of 25,600 samples takes: the features alone, and from the bytes
of a message to readings in every encoding.

`--data` is the data folder of `benchmarks/quality` (its README says where each part is from). FEMTO's raw excerpt and
every column of the bridge's 10 Hz stream go through the decoder of MQTT messages, and each feature is compared with
`tests/reference_waveform.py`, plain numpy straight from the equations. Then FEMTO's ready features, which others have
computed, are compared, and Bearing1_1 is scored with them and with ours in the rows of which there are raw records.

`--raw` is a folder of FEMTO's records as they were published (`<any>/<bearing>/acc_00001.csv`); from them the data
folder for the board is written to `--out`, with features of ours alone:

    python benchmarks/quality/board.py --data OUT --sets femto --command 'spikewatch score'
"""

import argparse
import base64
import gzip
import json
import shutil
import statistics
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference_waveform import features as reference

from pipeline.config.settings import Bearing, Source, Times, Waveform
from pipeline.payloads import Decoder
from pipeline.recordings.score import score
from pipeline.recordings.tables import Table
from pipeline.records import Message
from pipeline.waveforms.analysis import Analysis

TRUTH = Path(__file__).parent / "quality" / "truth" / "femto" / "truth.json"
NOW_NS = 1_717_000_000 * 10**9
FEMTO_BANDS = ((100.0, 1000.0), (1000.0, 2500.0), (2500.0, 5000.0), (5000.0, 8000.0), (8000.0, 12_800.0))
FEMTO_SPEEDS = {"1": 1800.0, "2": 1650.0, "3": 1500.0}  # 1/min, by operating condition
# Nectoux et al., PRONOSTIA (IEEE PHM 2012): 13 balls of 3.5 mm on a circle of 25.6 mm.
FEMTO_BEARING = Bearing(rollers=13, ball=3.5, pitch=25.6)


def femto_waveform(condition: str) -> Waveform:
    """Records are 0.1 s long: the velocity begins at 20 Hz, and neither cage nor harmonics can be seen."""
    return Waveform(
        rate=25_600.0,
        type="float64",
        unit="g",
        bands=FEMTO_BANDS,
        velocity=(20.0, 1000.0),
        speed=FEMTO_SPEEDS[condition],
        bearing=FEMTO_BEARING,
    )


def milliseconds(work, repeat: int = 200) -> str:
    """Median and 95th percentile of so many runs, processor time: others are at work beside us."""
    work()
    took = []
    for _ in range(repeat):
        begun = time.thread_time()
        work()
        took.append(1000 * (time.thread_time() - begun))
    return (
        f"{statistics.median(took):.2f} ms median, {statistics.quantiles(took, n=20)[-1]:.2f} ms in 95 % of {repeat}"
    )


def speed() -> None:
    """A second at 25.6 kHz, with every feature there is."""
    waveform = Waveform(
        rate=25_600.0,
        scale=0.001,
        unit="g",
        bands=((10.0, 1000.0), (1000.0, 5000.0), (5000.0, 12_800.0)),
        speed=1480.0,
        bearing=Bearing(9, 7.94, 39.04),
    )
    counts = np.round(1000 * np.random.default_rng(0).normal(size=25_600)).astype("<i2")
    samples, analysis = counts * 0.001, Analysis(waveform)
    print(f"features of 25,600 samples: {milliseconds(lambda: analysis.measure(samples, 25_600.0, 1480.0))}")
    payloads = {
        "raw": counts.tobytes(),
        "base64": json.dumps(base64.b64encode(counts.tobytes()).decode()).encode(),
        "array": json.dumps(counts.tolist()).encode(),
    }
    for encoding, payload in payloads.items():
        settings = msgspec.structs.replace(waveform, encoding=encoding)
        decoder = Decoder((Source("w/{machine}/{sensor}", payload="waveform", waveform=settings),), Times(), 1 << 20)
        message = Message("w/m/s", payload, NOW_NS)
        took = milliseconds(lambda decoder=decoder, message=message: decoder.decode(message))
        print(f"message to readings, {encoding} ({len(payload):,} bytes): {took}")


def decoded(samples, waveform: Waveform) -> dict[str, float]:
    """Features of a block that comes as a message."""
    source = Source("w/{machine}/{sensor}", payload="waveform", waveform=waveform)
    message = Message("w/m/s", np.asarray(samples, "<f8").tobytes(), NOW_NS)
    readings = Decoder((source,), Times(), 1 << 24).decode(message).readings
    return {reading.sensor.removeprefix("s."): reading.value for reading in readings}


def apart(ours: dict[str, float], theirs: dict[str, float]) -> tuple[float, str]:
    """The largest relative difference, and of which feature."""
    return max((abs(value - theirs[name]) / max(abs(theirs[name]), 1e-300), name) for name, value in ours.items())


def agreement(data: Path) -> None:
    """Every feature against plain numpy."""
    raw = pd.read_csv(data / "femto" / "raw_excerpt_Bearing1_1.csv.gz")
    waveform, worst, compared = femto_waveform("1"), (0.0, ""), 0
    for _, record in raw.groupby("snapshot"):
        for column in ("acc_h_g", "acc_v_g"):
            samples = record[column].to_numpy()
            geometry = (FEMTO_BEARING.rollers, FEMTO_BEARING.ball, FEMTO_BEARING.pitch, 0.0)
            expected = reference(samples, 25_600, "g", FEMTO_BANDS, (20, 1000), 1800.0, geometry)
            found = decoded(samples, waveform)
            worst, compared = max(worst, apart(found, expected)), compared + len(found)
    print(f"FEMTO, raw excerpt: {compared} features of 6 blocks, at most {worst[0]:.1e} apart ({worst[1]})")
    waveform = Waveform(rate=10.0, type="float64", bands=((0.05, 0.5), (0.5, 5.0)))
    worst, compared, blocks = (0.0, ""), 0, 0
    for path in sorted((data / "munich_bridge").glob("*.csv.gz")):
        if "all_sensors" in path.name:
            continue
        table = pd.read_csv(path).drop(columns="time")
        for column in table:
            samples = table[column].to_numpy(float)
            for begin in range(0, len(samples) - 599, 600):
                block = samples[begin : begin + 600]
                if np.isnan(block).any() or np.ptp(block) == 0.0:
                    continue
                found = decoded(block, waveform)
                worst = max(worst, apart(found, reference(block, 10.0, bands=waveform.bands)))
                compared, blocks = compared + len(found), blocks + 1
    print(f"bridge, 10 Hz: {compared} features of {blocks} minutes, at most {worst[0]:.1e} apart ({worst[1]})")


def ready_row(raw: pd.DataFrame, waveform: Waveform) -> dict[str, float]:
    """A record's features under the names that FEMTO's ready features have."""
    names = {"rms": "rms", "kurt": "kurtosis", "skew": "skewness", "crest": "crest_factor"}
    names |= {f"b{number}": f"band_{low:g}_{high:g}" for number, (low, high) in enumerate(FEMTO_BANDS)}
    row = {}
    for axis in ("h", "v"):
        found = decoded(raw[f"acc_{axis}_g"].to_numpy(), waveform)
        row |= {f"{axis}_{short}": found[name] for short, name in names.items()}
    return row


def ready_features(data: Path) -> None:
    """FEMTO's ready features beside ours, alone and in the scores of Bearing1_1."""
    ready = pd.read_csv(data / "femto" / "features" / "Bearing1_1.csv.gz")
    raw = pd.read_csv(data / "femto" / "raw_excerpt_Bearing1_1.csv.gz")
    ours, shapes, bands = ready.copy(), [0.0], [0.0]
    for number, record in raw.groupby("snapshot"):
        for name, value in ready_row(record, femto_waveform("1")).items():
            difference = abs(value / ready.at[number, name] - 1.0)
            (bands if "_b" in name else shapes).append(difference)
            ours.at[number, name] = value
    print(f"FEMTO, ready features (5 digits): ours {max(shapes):.1e} apart, bands {max(bands):.1e} (other window)")
    scores = [score(table_of(frame)).score for frame in (ready, ours)]
    found = [int((one >= 0.99).sum()) for one in scores]
    print(f"Bearing1_1, {len(ready)} rows: {found[0]} at 0.99 with the ready features, {found[1]} with", end=" ")
    apart_by = np.abs(scores[0] - scores[1]).max()
    print(f"{raw['snapshot'].nunique()} rows from raw records; scores at most {apart_by:.1e} apart")


def table_of(frame: pd.DataFrame) -> Table:
    """A table of features, a row in 10 s, as the board makes it."""
    sensors = frame.drop(columns=["i", "t_s"])
    times = np.arange(len(frame), dtype=np.int64) * 10 * 10**9 + 1_577_836_800 * 10**9
    return Table("Bearing1_1", [""] * len(frame), times, list(sensors), sensors.to_numpy(float), [])


def board_from_records(raw: Path, out: Path) -> None:
    """Write the board's input from FEMTO's own files; units are those that its truth knows."""
    units = json.loads(TRUTH.read_text())["units"]
    (out / "femto" / "features").mkdir(parents=True, exist_ok=True)
    shutil.copy(TRUTH, out / "femto" / "truth.json")
    for unit in units:
        records = sorted(raw.glob(f"**/{unit}/acc_*.csv"))
        if not records:
            print(f"{unit}: left out, no {raw}/*/{unit}/acc_*.csv")
            continue
        analysis, rows = Analysis(femto_waveform(unit[7])), []
        for path in records:
            separator = ";" if ";" in path.read_text()[:200] else ","
            both = np.loadtxt(path, delimiter=separator, usecols=(4, 5))
            row = {"i": len(rows), "t_s": 10 * len(rows)}
            for axis, samples in zip("hv", both.T, strict=True):
                found = analysis.measure(np.ascontiguousarray(samples), 25_600.0, FEMTO_SPEEDS[unit[7]]).features
                row |= {f"{axis}.{name}": value for name, value in found.items()}
            rows.append(row)
        with gzip.open(out / "femto" / "features" / f"{unit}.csv.gz", "wt") as file:
            pd.DataFrame(rows).to_csv(file, index=False)
        print(f"{unit}: {len(rows)} records")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if (options.raw is None) != (options.out is None):
        parser.error("--raw and --out go together")
    speed()
    if options.data is not None:
        agreement(options.data)
        ready_features(options.data)
    if options.raw is not None:
        board_from_records(options.raw, options.out)


if __name__ == "__main__":
    main()
