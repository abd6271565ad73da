"""A column of labels as truth values."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.recordings.reading.choices import TableError
from pipeline.records import Bools

if TYPE_CHECKING:
    import pandas as pd

FLAGS = {"0": False, "0.0": False, "0,0": False, "false": False, "1": True, "1.0": True, "1,0": True, "true": True}


def flags(column: "pd.Series", name: str) -> Bools:
    """Which rows are labelled; raises TableError for the first row that says neither yes nor no."""
    missing = column.isna().to_numpy()
    codes, kinds = column.factorize()
    meant = [FLAGS.get(str(kind).strip().lower()) for kind in kinds]
    bad = np.flatnonzero(missing | np.isin(codes, [code for code, one in enumerate(meant) if one is None]))
    if len(bad):
        said = "empty" if missing[bad[0]] else repr(str(column.iloc[bad[0]]))
        raise TableError(f"row {bad[0] + 1}: {name}: {said} is not a label; labels are 0/1 or true/false")
    labelled: Bools = np.array([bool(one) for one in meant], np.bool_)[codes]
    return labelled
