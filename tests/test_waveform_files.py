"""Files of samples: WAV, NPY and CSV give the features of their blocks, or an error that says what to do."""

import gzip
import struct
import wave
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_waveform import features as reference
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.file import parsed_waveform
from pipeline.config.settings import WaveformFile
from pipeline.recordings.tables import Choices, Table, TableError
from pipeline.recordings.waveforms import is_waveform, read_waveform
from pipeline.waveforms.wav import from_wav

RATE = 2_048


def signal(seconds: int, seed: int) -> np.ndarray:
    """Whole numbers of 16 bits, a second to a block."""
    time = np.arange(seconds * RATE) / RATE
    noise = np.random.default_rng(seed).normal(size=len(time))
    return np.round(4000 * np.sin(2 * np.pi * 50 * time) + 500 * noise).astype(np.int64)


def write_wav(path: Path, samples: np.ndarray, width: int = 2, rate: int = RATE) -> None:
    """`samples` (samples, channels), whole numbers that fit into `width` bytes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        if width == 3:
            data = b"".join(struct.pack("<i", int(one))[:3] for one in samples.ravel())
        else:
            data = samples.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes()
        file.writeframes(data)


def given_by(text: str) -> Choices:
    return Choices(waveform=parsed_waveform(text, "--waveform"))


def assert_features(table: Table, blocks: list[dict[str, float]], prefix: str = "") -> None:
    columns = [table.sensors.index(prefix + name) for name in blocks[0]]
    expected = [list(block.values()) for block in blocks]
    assert table.values[:, columns] == pytest.approx(np.array(expected), rel=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_wav_file_is_read_at_every_width_as_shares_of_full_scale(tmp_path: Path, width: int) -> None:
    samples = signal(3, 1)
    stored = {1: samples // 256 + 128, 2: samples, 3: samples * 256, 4: samples * 65_536}[width]
    write_wav(tmp_path / "pump.wav", stored[:, None], width)
    table, notes = read_waveform(tmp_path / "pump.wav", given_by("{scale: 50, unit: m/s2}"))
    shares = 50 * ((stored - 128) if width == 1 else stored) / 2.0 ** (8 * width - 1)
    assert_features(table, [reference(part, RATE, "m/s2") for part in shares.reshape(3, RATE)])
    assert table.name == "pump"
    assert table.time_ns.tolist() == [0, 10**9, 2 * 10**9]
    assert notes == [f"{tmp_path / 'pump.wav'}: 3 blocks of 2,048 samples at 2048 Hz, 1 channel"]


def test_the_channels_of_a_wav_file_are_sensors_and_what_fills_no_block_is_said(tmp_path: Path) -> None:
    samples = np.stack([signal(3, 2), signal(3, 3)], axis=1)[:-100]
    write_wav(tmp_path / "pump.wav", samples)
    table, notes = read_waveform(
        tmp_path / "pump.wav", given_by("{block: 1024, every: 10s, start: 2024-05-31T12:00}")
    )
    for number in (1, 2):
        blocks = samples[: 5 * 1024, number - 1].reshape(5, 1024) / 32_768
        assert_features(table, [reference(part, RATE) for part in blocks], f"channel_{number}.")
    assert table.stamps[:2] == ["2024-05-31T12:00:00+00:00", "2024-05-31T12:00:10+00:00"]
    assert "the last 924 samples fill no block" in notes[1]
    named, _ = read_waveform(tmp_path / "pump.wav", given_by("{channels: [de, nde]}"))
    assert {sensor.partition(".")[0] for sensor in named.sensors} == {"de", "nde"}


def test_a_wav_file_of_floating_point_keeps_its_values() -> None:
    values = (signal(1, 4) / 7.0).astype("<f4")
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, RATE, RATE * 4, 4, 32)
    size = values.nbytes
    head = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + kind + struct.pack("<4sI", b"data", size)
    rate, found = from_wav(head + values.tobytes())
    assert rate == RATE
    assert (found[:, 0] == values).all()


@pytest.mark.parametrize("shape", ["samples", "blocks", "blocks of channels", "channels"])
def test_an_npy_file_holds_samples_or_blocks(tmp_path: Path, shape: str) -> None:
    x, y = (signal(2, seed) / 8.0 for seed in (5, 6))
    array, text = {
        "samples": (x, "{rate: 2048}"),
        "blocks": (x.reshape(2, RATE), "{rate: 2048}"),
        "blocks of channels": (np.stack([x, y], 1).reshape(2, RATE, 2), "{rate: 2048, channels: [x, y]}"),
        "channels": (np.stack([x, y], 1), "{rate: 2048, channels: [x, y]}"),
    }[shape]
    np.save(tmp_path / "m.npy", array)
    table, _ = read_waveform(tmp_path / "m.npy", given_by(text))
    prefix = "x." if "channels" in shape else ""
    assert_features(table, [reference(part, RATE) for part in x.reshape(2, RATE)], prefix)
    if prefix:
        assert_features(table, [reference(part, RATE) for part in y.reshape(2, RATE)], "y.")


@pytest.mark.parametrize("kind", ["header", "no header", "times", "compressed"])
def test_a_csv_file_of_samples_has_a_column_for_each_channel(tmp_path: Path, kind: str) -> None:
    x, y = signal(2, 7), signal(2, 8)
    rows = [f"{a};{b}" if kind == "no header" else f"{a},{b}" for a, b in zip(x, y, strict=True)]
    if kind == "times":
        rows = [f"{1_717_000_000 + number / RATE:.6f},{row}" for number, row in enumerate(rows)]
    text = "\n".join([{"times": "time,x,y", "no header": rows[0]}.get(kind, "x,y"), *rows[kind == "no header" :]])
    path = tmp_path / ("m.csv.gz" if kind == "compressed" else "m.csv")
    path.write_bytes(gzip.compress(text.encode()) if kind == "compressed" else text.encode())
    table, _ = read_waveform(path, given_by("{block: 2048}" if kind == "times" else "{rate: 2048}"))
    names = ("channel_1.", "channel_2.") if kind == "no header" else ("x.", "y.")
    for name, samples in zip(names, (x, y), strict=True):
        blocks = [reference(part, RATE) for part in samples.astype(float).reshape(2, RATE)]
        assert_features(table, blocks, name)
    begin = 1_717_000_000_000_000_000 if kind == "times" else 0
    assert table.time_ns.tolist() == [begin, begin + 10**9]


def test_a_block_that_cannot_be_measured_is_an_empty_row_and_is_said(tmp_path: Path) -> None:
    blocks = signal(3, 9).reshape(3, RATE).astype(float)
    blocks[1, 5] = np.nan
    blocks[2] = 7.0
    np.save(tmp_path / "m.npy", blocks)
    table, notes = read_waveform(tmp_path / "m.npy", given_by("{rate: 2048}"))
    assert np.isnan(table.values[1]).all()
    assert np.isnan(table.values[2]).sum() == 3
    assert notes[1:] == [
        f"{tmp_path / 'm.npy'}: not measured: {what} in 1 of 3 blocks"
        for what in ("*: nan", "crest_factor: constant_block", "kurtosis: constant_block", "skewness: constant_block")
    ]


def csv(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "write", "text", "expected"),
    [
        ("m.npy", lambda p: np.save(p, np.ones(9000)), "{}", "the rate is missing: --waveform '{rate"),
        (
            "m.npy",
            lambda p: np.save(p, np.ones(90)),
            "{rate: 100}",
            "fewer than one block of 100: --waveform '{block",
        ),
        ("m.npy", lambda p: np.save(p, np.ones((9, 80))), "{rate: 100, block: 90}", "the file has blocks of 80"),
        ("m.npy", lambda p: np.save(p, np.ones((9, 8))), "{rate: 100}", "no block could be measured: *: short_block"),
        ("m.npy", lambda p: np.save(p, np.array(["a"])), "{rate: 100}", "is not an array of numbers"),
        ("m.npy", lambda p: np.save(p, np.array([{}]), allow_pickle=True), "{rate: 100}", "allow_pickle"),
        ("m.npy", lambda p: p.write_bytes(b"x" * 99), "{rate: 100}", "m.npy: "),
        ("m.npy", lambda p: None, "{rate: 100}", "no such file"),
        ("m.wav", lambda p: write_wav(p, signal(3, 1)[:, None]), "{bands: [[10, 2000]]}", "ends above half the rate"),
        ("m.npy", lambda p: np.save(p, np.ones(900)), "{rate: 100, channels: [x, y]}", "1 channels, but 2 names"),
        ("m.npy", lambda p: np.save(p, np.ones(900)), "{rate: 100, start: 9999-01-01}", "later than a time can be"),
        ("m.wav", lambda p: p.write_bytes(b"RIFF"), "{}", "is not a WAV file that can be read"),
        ("m.wav", lambda p: write_wav(p, signal(3, 1)[:, None]), "{rate: 4096}", "but the file has 2048 samples a"),
        ("m.csv", lambda p: csv(p, "x\n1\ntwo\n3"), "{rate: 100}", "two"),
        ("m.csv", lambda p: csv(p, "time,x\n" + "".join(f"{i},1\n" for i in range(99))), "{rate: 9}", "but the file"),
        (
            "m.csv",
            lambda p: csv(p, "time,x\n1,1\n2,1\n3,1\n60,1\n"),
            "{rate: 1}",
            "row 4: the samples are not evenly",
        ),
        ("m.csv", lambda p: csv(p, "time,x\n1,1\n1,1\n"), "{rate: 1}", "its times do not advance"),
        ("m.csv", lambda p: csv(p, "time,x\n1,1\n3,1\n2,1\n"), "{rate: 1}", "row 3: the samples are not evenly"),
        ("m.csv", lambda p: csv(p, ""), "{rate: 1}", "no samples"),
        ("m.csv", lambda p: csv(p, "x\n"), "{rate: 1}", "no samples"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_what_to_do(name, write, text, expected, tmp_path: Path) -> None:
    write(tmp_path / name)
    with pytest.raises(TableError) as refused:
        read_waveform(tmp_path / name, given_by(text))
    assert str(tmp_path / name) in str(refused.value)
    assert expected in str(refused.value)


def test_a_wav_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "m.wav", signal(3, 1)[:, None])
    (tmp_path / "m.wav").write_bytes((tmp_path / "m.wav").read_bytes()[:-1000])
    with pytest.raises(TableError, match="is cut off"):
        read_waveform(tmp_path / "m.wav", Choices())


HEAD = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 136, b"WAVE", b"fmt ", 16, 1, 1, 100, 200, 2, 16, b"data", 100)


@given(st.binary(max_size=60), st.integers(0, len(HEAD)), st.binary(max_size=120))
@settings(deadline=None)
def test_any_bytes_are_a_wav_file_or_a_value_error(start: bytes, kept: int, rest: bytes) -> None:
    for data in (start, HEAD[:kept] + rest, start + HEAD[len(start) :] + rest):
        try:
            rate, found = from_wav(data)
        except ValueError:
            continue
        assert found.ndim == 2
        assert rate >= 0


def test_only_wav_and_npy_are_samples_unless_somebody_says_so() -> None:
    assert is_waveform(Path("a.WAV"), None)
    assert is_waveform(Path("a.npy"), None)
    assert not is_waveform(Path("a.csv"), None)
    assert is_waveform(Path("a.csv"), WaveformFile())


def test_score_takes_samples_and_writes_a_row_for_each_block(tmp_path: Path) -> None:
    write_wav(tmp_path / "pump.wav", signal(130, 10)[:, None])
    settings_file = tmp_path / "bearing.yaml"
    settings_file.write_text("unit: g\nspeed: 1480\nbearing: {rollers: 9, ball: 7.94, pitch: 39.04}\n")
    ended = CliRunner().invoke(
        app, ["score", str(tmp_path / "pump.wav"), "--out", str(tmp_path / "s"), "--waveform", str(settings_file)]
    )
    assert ended.exit_code == 0, ended.output
    assert len((tmp_path / "s" / "pump.csv").read_text().splitlines()) == 131
    assert "130 blocks of 2,048 samples" in ended.stderr


def test_evaluate_takes_samples_with_labels_in_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "pump.npy", signal(300, 11))
    (tmp_path / "l.csv").write_text("start,end\n1970-01-01T00:04:00Z,1970-01-01T00:04:10Z\n")
    ended = CliRunner().invoke(
        app,
        ["evaluate", str(tmp_path / "pump.npy"), "--labels", str(tmp_path / "l.csv"), "--waveform", "{rate: 2048}"],
    )
    assert ended.exit_code == 0, ended.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{rat: 2048}", "--waveform:1: rat: unknown key (did you mean rate?)"),
        ("{rate: 2048, bearing: {rollers: 9}}", "--waveform:1: bearing.ball: is missing"),
        ("{speed_path: rpm}", "--waveform:1: speed_path: a file of samples has no fields"),
        ("none.yaml", "--waveform: none.yaml: No such file"),
    ],
)
def test_wrong_settings_are_told_with_their_key(text: str, expected: str, tmp_path: Path) -> None:
    np.save(tmp_path / "pump.npy", signal(2, 11))
    ended = CliRunner().invoke(
        app, ["score", str(tmp_path / "pump.npy"), "--out", str(tmp_path / "s"), "--waveform", text]
    )
    assert ended.exit_code == 2
    assert expected in ended.stderr


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "pump.npy", signal(2, 11))
    monkeypatch.setattr("pipeline.recordings.waveforms.has_scipy", lambda: False)
    with pytest.raises(TableError, match=r"pip install '\.\[waveform\]'"):
        read_waveform(tmp_path / "pump.npy", Choices(waveform=WaveformFile(rate=2048.0)))


def timed(path: Path) -> None:
    """Two channels of 32 samples a second from noon on, by a clock that says no zone."""
    begin = datetime(2026, 6, 1, 12)
    rows = [f"{(begin + timedelta(seconds=n / 32)).isoformat()};{n % 7},5;{n % 5},5" for n in range(256)]
    path.write_text("time;x;y\n" + "\n".join(rows))


def test_what_is_said_about_a_table_holds_for_one_of_samples(tmp_path: Path) -> None:
    timed(tmp_path / "m.csv")
    local = given_by("{block: 128}")._replace(time_zone="Europe/Berlin", decimal=",", exclude=("y",))
    table, _ = read_waveform(tmp_path / "m.csv", local)
    assert table.stamps[0] == "2026-06-01T10:00:00+00:00"
    assert {sensor.partition(".")[0] for sensor in table.sensors} == {"x"}


@pytest.mark.parametrize(
    "said",
    [{"time_zone": "UTC"}, {"decimal": ","}, {"dayfirst": False}, {"start": "2026-01-01"}],
    ids=lambda said: next(iter(said)),
)
def test_what_is_said_about_a_table_is_not_passed_over_where_there_is_none(said, tmp_path: Path) -> None:
    write_wav(tmp_path / "m.wav", signal(3, 1)[:, None])
    (tmp_path / "m.csv").write_text("x\n" + "\n".join(["1", "2", "3", "2"] * 64))
    for name in ("m.wav", "m.csv"):
        with pytest.raises(TableError, match="is for tables with times"):
            read_waveform(tmp_path / name, given_by("{rate: 128}")._replace(**said))
