"""Parquet files to columns. They say what each column is, so there is little to find out.

What pandas had as an index comes back as a column, for it often is the time.
"""

import io
from typing import TYPE_CHECKING

from pipeline.recordings.reading.choices import Found, TableError
from pipeline.recordings.reading.delimited import Columns
from pipeline.recordings.reading.source import Opener

if TYPE_CHECKING:
    import pandas as pd

MAGIC = b"PAR1"


def read_parquet(opener: Opener, found: Found) -> Columns:
    """Read a Parquet file; raises TableError."""
    import pandas as pd

    found.fact("Parquet")
    try:
        with opener() as file:
            frame = pd.read_parquet(file if file.seekable() else io.BytesIO(file.read()))
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's errors are among them
        raise TableError(str(error).strip().splitlines()[0] if str(error).strip() else "no Parquet") from None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    frame.columns = pd.Index([str(name) for name in frame.columns])
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise TableError(f"column {twice[0]!r} occurs twice")
    for name in frame.columns:
        frame[name] = _plain(frame[name])
    return Columns(frame)


def _plain(column: "pd.Series") -> "pd.Series":
    """Decimals as numbers, dates as times, and whatever else is an object as text."""
    import pandas as pd

    if column.dtype.kind != "O" or pd.api.types.is_bool_dtype(column):
        return column
    kind = pd.api.types.infer_dtype(column)
    if kind == "decimal":
        return column.astype("float64")
    if kind == "date":
        return pd.to_datetime(column)
    return column.where(column.isna(), column.astype("str"))
