"""Recorded files as people export them: golden files, what any bytes give, and dialects of one and the same table."""

import io
import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fuzz_files import choices
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.files import OPTIONS
from pipeline.config.settings import Source, Times, unix_ns
from pipeline.payloads import Decoder
from pipeline.recordings.labels import LabelsError, read_labels
from pipeline.recordings.reading.choices import Choices
from pipeline.recordings.replay import interleave, publishable
from pipeline.recordings.tables import Table, TableError, read_tables, tables_of
from pipeline.records import Message

CASES = Path(__file__).parent / "files"
SHOWN = 8  # rows that an expectation lists


def told(folder):
    """What reading a golden file gives, as its expectation says it."""
    (path,) = folder.glob("input.*")
    options = json.loads((folder / "options.json").read_text()) if (folder / "options.json").exists() else {}
    label = options.pop("label", None)
    try:
        tables = read_tables(path, choices(options), label)
    except TableError as error:
        return {"error": str(error).replace(f"{path}: ", "")}
    return {
        "machines": {
            table.name: {
                "sensors": table.sensors,
                "rows": len(table.stamps),
                "readings": int((~np.isnan(table.values)).sum()),
                "first rows": [
                    " ".join([f"{np.datetime64(time_ns, 'ns')}Z", *(f"{value:.10g}" for value in row)])
                    for time_ns, row in zip(
                        table.time_ns[:SHOWN].tolist(), table.values[:SHOWN].tolist(), strict=True
                    )
                ],
            }
            | ({} if table.labelled is None else {"labelled": np.flatnonzero(table.labelled).tolist()})
            for table in tables
        },
        "understood": tables[0].understood,
    }


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_golden_file_gives_exactly_its_table_and_says_how_it_was_read(case):
    assert told(CASES / case) == json.loads((CASES / case / "expected.json").read_text())


def read(data, label=None, **options):
    """The tables of bytes."""
    return tables_of(lambda: io.BytesIO(data), "m", Choices(**options), label)


WORDS = """
time date value machine sensor , ; | " ' sep=; #datatype #group _time _value _field { } [ ] : null 1 42,98 1.013
1,234.5 -0 1e400 nan True Bad 2025-03-01T00:00:00Z 01.03.2025 03/04/2025 13/04/2025 01-Mar-25 23:59:59 45717.25
1740787200000000000 99999999999999999999 0001-01-01 9999-12-31 2025-02-30 20250301 \u00e4 \ufeff \x00
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), "\n", "\r\n", "\t", " ", "2025-03-01 00:00", "12:00 AM"])


@given(
    st.one_of(st.binary(max_size=200), st.lists(FRAGMENTS, max_size=60).map(lambda parts: "".join(parts).encode()))
)
@example(b",")
@example(b"time,a\n05/03/04 00:00,1\n0/03/04 00:00,1\n")
@example(b"time,a\n00:01:00,2.\x0c,3\n")
@settings(deadline=2_000, max_examples=300)
def test_any_bytes_give_a_table_or_one_clear_error(data):
    try:
        tables = read(data)
    except (TableError, OSError, EOFError):
        return
    for table in tables:
        assert len(table.stamps) == len(table.time_ns) == len(table.values)
        assert table.values.shape[1] == len(table.sensors) == len(set(table.sensors))
        assert not np.isinf(table.values).any()


@given(st.lists(st.lists(FRAGMENTS, min_size=3, max_size=3), min_size=1, max_size=12), st.sampled_from(",;\t"))
@settings(deadline=2_000, max_examples=300)
def test_any_cells_give_a_table_or_one_clear_error(rows, separator):
    lines = [separator.join(cell.strip("\r\n") for cell in row) for row in rows]
    with suppress(TableError):
        read("\n".join(["time;a;b".replace(";", separator), *lines]).encode())


NAMES = ["temp", "Druck [bar]", "Größe"]


@st.composite
def recorded(draw):
    """Times in seconds since 1970, with a day above 12 among them, and values of three sensors."""
    begin = datetime(2025, draw(st.integers(1, 12)), draw(st.integers(13, 28)), tzinfo=UTC)
    begin += timedelta(seconds=draw(st.integers(0, 86_399)))
    count = draw(st.integers(3, 12))
    steps = draw(st.lists(st.integers(1, 100_000), min_size=count, max_size=count))
    times = [begin + timedelta(seconds=sum(steps[:number])) for number in range(count)]
    cell = st.one_of(st.none(), st.integers(-(10**6), 10**6).map(lambda whole: whole / 100))
    values = draw(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=count, max_size=count))
    values[0] = [0.25, -1234.75, 98.01]  # a fraction in each, so that the mark is proven
    return times, values


@given(
    recorded(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
                     "%m/%d/%Y %I:%M:%S %p", "%d-%b-%y %H:%M:%S", "%Y%m%d%H%M%S", "%d/%m/%Y;%H:%M:%S"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.booleans(),
    st.booleans(),
)  # fmt: skip
@settings(deadline=2_000, max_examples=200)
def test_one_table_reads_back_as_itself_in_every_dialect(table, separator, decimal, form, encoding, newest, grouped):
    times, values = table
    if form == "%Y%m%d%H%M%S" and decimal == ",":
        form = "%d.%m.%Y %H:%M:%S"

    def written(value):
        text = "" if value is None else f"{value:,.2f}" if grouped else f"{value:.2f}"
        if decimal == ",":
            text = text.translate(str.maketrans(".,", ",."))
        return f'"{text}"' if separator in text else text

    head = ["Date", "Time"] if ";" in form else ["Zeitstempel"]
    rows = [
        separator.join([*time.strftime(form).split(";"), *map(written, row)])
        for time, row in zip(times, values, strict=True)
    ]
    text = "\r\n".join([separator.join([*head, *NAMES]), *(reversed(rows) if newest else rows), ""])
    (found,) = read(text.encode(encoding))
    assert found.sensors == NAMES
    assert found.time_ns.tolist() == [int(time.timestamp()) * 10**9 for time in times]
    expected = np.array([[np.nan if value is None else value for value in row] for row in values])
    assert np.array_equal(found.values, expected, equal_nan=True)


@given(recorded(), st.randoms(use_true_random=False))
@settings(deadline=2_000, max_examples=60)
def test_rows_of_one_value_in_any_order_give_the_same_table_as_rows_of_one_time(table, random):
    times, values = table
    rows = [
        f"{time:%Y-%m-%dT%H:%M:%SZ},{name},{value}"
        for time, row in zip(times, values, strict=True)
        for name, value in zip(NAMES, row, strict=True)
        if value is not None
    ]
    random.shuffle(rows)
    (found,) = read("\n".join(["time,sensor,value", *rows]).encode())
    filled = [number for number, row in enumerate(values) if any(value is not None for value in row)]
    expected = np.array([[np.nan if value is None else value for value in values[number]] for number in filled])
    order = [found.sensors.index(name) for name in NAMES]
    assert found.time_ns.tolist() == [int(times[number].timestamp()) * 10**9 for number in filled]
    assert np.array_equal(found.values[:, order], expected, equal_nan=True)


def test_what_is_said_of_a_file_holds_nothing_that_moves_the_cursor_of_a_terminal():
    with pytest.raises(TableError) as found:
        read("t\x1b[2J,a\n1,2\n".encode("utf-16-le"))
    assert "\\x1b[2J" in str(found.value)
    (table,) = read(b"time,a,b\x1b[2J\n2025-03-01 00:00:00,1,x\n2025-03-01 00:01:00,2,y\n")
    assert "not numeric, so no sensors: b\\x1b[2J" in table.understood


def test_a_value_without_the_name_of_its_sensor_is_an_error_with_its_row():
    file = b"#datatype,string,dateTime:RFC3339,double,string\n,table,_time,_value,_field\n"
    file += b",0,2025-03-01T00:00:00Z,1.5,temp\n,0,2025-03-01T00:01:00Z,2.5,\n"
    with pytest.raises(TableError, match="row 2: nothing in _field"):
        read(file)


def test_an_integer_beyond_what_a_float_can_hold_is_a_word_and_ends_nothing():
    rows = "".join(f"2025-03-01 00:0{row}:00,{row}\n" for row in range(5))
    (table,) = read(f"time,a\n{rows}2025-03-01 00:05:00,{'2' * 400}\n".encode())
    assert np.isnan(table.values[5]).all()
    assert "words instead of numbers, taken as missing: 1 in a" in table.understood


RUN = CliRunner()
GERMAN = "Zeit;Temperatur\n" + "".join(f"01.03.2025 00:{row:02d}:00;4{row % 7},5{row % 3}\n" for row in range(60))


def test_every_verb_that_reads_files_has_the_same_options():
    options = {option for kind, _ in OPTIONS.values() for option in kind.__metadata__[0].param_decls}
    for verb in ("score", "evaluate", "tune", "replay", "prior"):
        said = RUN.invoke(app, [verb, "--help"], env={"COLUMNS": "300"}).output
        assert all(part in said for option in options for part in option.split("/")), verb


def test_how_a_file_was_read_is_one_line_on_standard_error(tmp_path):
    (tmp_path / "m.csv").write_text(GERMAN)
    ended = RUN.invoke(app, ["score", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out")])
    (line,) = [line for line in ended.stderr.splitlines() if "1 sensor;" in line]
    assert line.startswith(f"{tmp_path / 'm.csv'}: 60 rows, 1 sensor; separated by semicolon")
    assert "decimal comma" in line


def test_strict_ends_with_2_and_every_option_that_would_settle_it(tmp_path):
    (tmp_path / "m.csv").write_text(GERMAN)
    ended = RUN.invoke(app, ["score", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"), "--strict"])
    assert ended.exit_code == 2
    assert "--dayfirst or --monthfirst" in ended.stderr
    assert "--time-zone" in ended.stderr
    settled = ["--strict", "--dayfirst", "--time-zone", "Europe/Berlin"]
    ended = RUN.invoke(app, ["score", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"), *settled])
    assert ended.exit_code == 0, ended.stderr


def test_how_a_file_was_read_is_a_field_of_the_answer_for_programs(tmp_path):
    (tmp_path / "m.csv").write_text(GERMAN)
    ended = RUN.invoke(app, ["tune", str(tmp_path / "m.csv"), "--json"])
    assert json.loads(ended.stdout)["m"]["read"].startswith("separated by semicolon")
    assert "separated" not in ended.stderr


def test_a_machine_of_a_file_of_several_is_scored_as_if_it_had_a_file_of_its_own(tmp_path):
    rows = [(f"2025-03-01T00:{row:02d}:00Z", machine, row % 7 + extra) for row in range(60)
            for machine, extra in (("p 1", 0), ("p/2", 5))]  # fmt: skip
    (tmp_path / "both.csv").write_text("time,machine,a\n" + "".join(f"{t},{m},{a}\n" for t, m, a in rows))
    (tmp_path / "one.csv").write_text("time,a\n" + "".join(f"{t},{a}\n" for t, m, a in rows if m == "p/2"))
    for name in ("both", "one"):
        RUN.invoke(app, ["score", str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / "out")])
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert sorted(written) == ["one.csv", "p 1.csv", "p%2F2.csv"]
    assert written["p%2F2.csv"] == written["one.csv"]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--decimal", "dot"], "--decimal: 'dot' is neither point nor comma"),
        (["--time-unit", "fortnight"], "--time-unit: 'fortnight' is none of s, ms"),
        (["--encoding", "klingon"], "--encoding: 'klingon' is no encoding"),
        (["--separator", "xx"], "--separator: 'xx' is no separator"),
        (["--machine-column", "b"], "no machine column 'b'; there are Zeit, Temperatur"),
        (["--sensor-column", "Zeit"], "--sensor-column and --value-column go together"),
        (["--time", "Zeit,Uhr"], "no time column 'Zeit,Uhr'; there are Zeit, Temperatur"),
    ],
)
def test_an_option_that_fits_no_file_is_one_clear_error(tmp_path, option, says):
    (tmp_path / "m.csv").write_text(GERMAN)
    ended = RUN.invoke(app, ["score", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"), *option])
    assert ended.exit_code == 2
    assert says in ended.stderr


def test_labels_are_read_in_the_order_of_day_and_month_that_the_recording_has(tmp_path):
    table = read(b"time,a\n12/03/2025 10:00,1\n13/03/2025 10:00,2\n")
    (tmp_path / "labels.csv").write_text("start,end\n12/03/2025 09:00,12/03/2025 11:00\n")
    ((label,),) = read_labels(tmp_path / "labels.csv", table)
    assert (label.start_ns, label.end_ns) == (table[0].time_ns[0] - 3600 * 10**9, table[0].time_ns[0] + 3600 * 10**9)


def test_labels_with_two_readings_are_an_error(tmp_path):
    table = read(b"time,a\n2025-03-12 10:00,1\n2025-12-03 10:00,2\n")
    (tmp_path / "labels.csv").write_text("start,end\n12/03/2025 09:00,12/03/2025 11:00\n")
    with pytest.raises(LabelsError, match="--dayfirst or --monthfirst"):
        read_labels(tmp_path / "labels.csv", table)


@given(st.integers(-(10**18), 4 * 10**18))
@settings(max_examples=200)
def test_what_replay_publishes_our_own_decoder_reads_back_as_the_same_time(time_ns):
    time_ns -= time_ns % 1000
    table = Table("m", ["x"], np.array([time_ns]), ["a"], np.ones((1, 1)), [])
    ((_, topic, payload),) = interleave([table], "plant/{machine}", 1.0)
    source = Source(topic="plant/{machine}", payload="json", time="time")
    decoder = Decoder((source,), Times(oldest="1900-01-01"), 1_000_000)
    (reading,) = decoder.decode(Message(topic, payload, time_ns)).readings
    assert (reading.machine.name, reading.time_ns, reading.value) == ("m", time_ns, 1.0)


def test_replay_refuses_times_that_a_service_would_refuse_and_says_what_to_do():
    with pytest.raises(TableError, match=r"row 1: '0\.0' is before .* --start"):
        publishable(read(b"time,a\n0.0,1\n0.5,2\n"), unix_ns("2000-01-01"))
    publishable(read(b"time,a\n0.0,1\n0.5,2\n", start="2025-03-01"), unix_ns("2000-01-01"))


def test_a_pipe_or_folder_is_one_clear_error_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path):
        with pytest.raises(TableError, match="not a regular file"):
            read_tables(path, Choices())
