"""Scores of files: which row of a table a score stands in."""

import machines
import numpy as np
from machines import SECOND, START

from pipeline.recordings.score import score
from pipeline.recordings.tables import Table


def test_where_sensors_have_rows_of_their_own_a_score_stands_in_the_last_row_that_it_is_made_of():
    whole = machines.plant(2400, 3, 3, faulty=((2000, 2100, 1, 8.0),))
    values = np.full((2400 * 3, 3), np.nan)
    for sensor in range(3):
        values[sensor::3, sensor] = whole[:, sensor]
    steps_ns = (np.arange(2400)[:, None] + [0.0, 0.2, 0.5]).ravel() * SECOND
    table = Table("m", [""] * 7200, START + steps_ns.astype(np.int64), ["s0", "s1", "s2"], values, [])
    told = score(table, rows=500, explain=True)
    before = score(table._replace(values=values[:6500], time_ns=table.time_ns[:6500]))
    # The last row of a table that is cut may end what would have gone on.
    assert np.array_equal(told.score[:6499], before.score[:6499])
    dense = score(Table("m", [""] * 2400, START + np.arange(2400) * SECOND, ["s0", "s1", "s2"], whole, []))
    own = told.score[2::3]
    assert np.abs(own[100:] - dense.score[100:]).max() < 0.1
    assert (told.severity[6002:6290] > 0).mean() > 0.9
    assert not (told.severity[3000:6002] > 0).any()
    # What a row without news says is what was known before it.
    assert np.array_equal(told.score[3000::3], told.score[2999:-1:3])
    expected = told.explained.expected
    assert np.array_equal(np.isnan(expected[3000:]), np.isnan(values[3000:]))
