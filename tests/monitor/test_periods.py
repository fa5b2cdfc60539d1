"""Rows fall into their periods, whatever their order and the unit of their times."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.block import RawBlock
from scalable.errors import UsageError
from scalable.monitor import periods
from scalable.monitor.periods import DAY, runs_of
from scalable.monitor.run import period_name

HOUR = DAY // 24


def block(array):
    return RawBlock({"at": array}, 0, len(array))


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns"), pa.date32(), pa.date64()]
)
@pytest.mark.parametrize("every", [DAY, 7 * DAY, HOUR])
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("first", [-40, 18_000])
def test_each_row_is_of_the_period_it_lies_in(kind, every, spread, first):
    rng = np.random.default_rng(0)
    unit = DAY if kind == pa.date32() else periods.time_unit("at", kind)
    times = rng.integers(first * DAY // unit, (first + 70) * DAY // unit, 30_000)
    if kind == pa.date64():
        times = times // (DAY // unit) * (DAY // unit)
    times = times if spread else np.sort(times)
    whole = pa.array(times.astype(np.int32 if kind == pa.date32() else np.int64))
    runs = runs_of(block(whole.cast(kind)), "at", every)
    expected = np.array([(int(t) * unit - periods.origin(every)) // every for t in times.tolist()])
    assert runs.periods == np.unique(expected).tolist()
    assert np.array_equal(np.array(runs.periods)[runs.of_rows()], runs.arranged(expected))
    assert (runs.order is not None) == spread
    assert len(runs.begins) < 2000
    some = np.flatnonzero(rng.random(30_000) < 0.1)
    few = runs.only(some)
    assert np.array_equal(few.of_rows(), runs.of_rows()[some])


def test_weeks_begin_on_mondays():
    days = pa.array([datetime.date(2020, 1, 5), datetime.date(2020, 1, 6), datetime.date(1969, 12, 31)])
    runs = runs_of(block(days), "at", 7 * DAY)
    assert [period_name(k, 7 * DAY) for k in runs.periods] == ["1969-12-29", "2019-12-30", "2020-01-06"]
    assert period_name(18_262, DAY) == "2020-01-01"
    first = runs_of(block(pa.array([-(2**63)], pa.timestamp("ns"))), "at", 7 * DAY)
    assert first.periods[0] < 0


def test_periods_far_apart_and_in_no_order():
    times = np.random.default_rng(0).choice(np.array([0, 10**9, -(10**9)]), 20_000)
    runs = runs_of(block(pa.array(times, pa.timestamp("s"))), "at", 10**9)
    assert runs.periods == [-(10**9), 0, 10**9]
    assert np.array_equal(np.array(runs.periods)[runs.of_rows()], runs.arranged(times))
    with pytest.raises(UsageError, match="give a longer --every"):
        runs_of(block(pa.array(np.arange(20_000) * 10**6, pa.timestamp("s"))), "at", 10**9)
