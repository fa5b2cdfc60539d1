"""A value is a function of (seed, dataset, column, row), for every dataset of the registry."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import data_gen
from data_gen.datasets import NAMES

N = 5000


@pytest.fixture(scope="module", params=NAMES)
def known(request):
    """A dataset's first rows, computed at once."""
    return request.param, data_gen.rows(request.param, 0, N, seed=7)


@settings(max_examples=12)
@given(st.data())
def test_any_slice_of_any_columns(known, data):
    name, table = known
    start = data.draw(st.integers(0, N))
    stop = data.draw(st.integers(start, N))
    columns = data.draw(st.lists(st.sampled_from(table.column_names), unique=True))
    part = data_gen.rows(name, start, stop, columns=columns, seed=7)
    assert part.column_names == columns
    if columns:
        assert part.equals(table.select(columns).slice(start, stop - start))


@pytest.mark.parametrize("name", NAMES)
def test_far_rows_cost_nothing_and_agree(name):
    far = 10**12 + 12345
    table = data_gen.rows(name, far, far + 100)
    assert table.num_rows == 100
    assert data_gen.rows(name, far + 40, far + 41).equals(table.slice(40, 1))


@pytest.mark.parametrize("name", NAMES)
def test_last_rows_below_two_to_the_63(name):
    last = 2**63 - 2**18
    if name == "fraud":  # its clock stays inside int64 milliseconds with this many rows a day
        assert data_gen.rows(name, last - 10, last, rows_per_day=10**9).num_rows == 10
    else:
        assert data_gen.rows(name, last - 10, last).num_rows == 10


@pytest.mark.parametrize("name", NAMES)
def test_schema_does_not_depend_on_the_rows(name):
    whole = data_gen.rows(name, 0, 10)
    assert data_gen.rows(name, 3, 3).schema.equals(whole.schema, check_metadata=True)
    assert all(field.metadata[b"unit"] for field in whole.schema)
    whole.validate(full=True)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_independent(name):
    a, b = (data_gen.rows(name, 0, 20_000, seed=s) for s in (0, 1))
    for field in a.schema:
        if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
            continue
        x, y = (np.nan_to_num(t[field.name].to_pandas().to_numpy(np.float64, na_value=0)) for t in (a, b))
        if x.std() > 0 and y.std() > 0:
            assert abs(stats.spearmanr(x, y).statistic) < 4.5 / np.sqrt(len(x)), field


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_sliceable(name):
    whole = data_gen.truth(name, 0, 3000)
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(data_gen.truth(name, 1001, 2003), whole[1001:2003])


@pytest.mark.parametrize("name", NAMES)
def test_columns_in_the_order_asked(name):
    names = data_gen.rows(name, 0, 1).column_names
    assert data_gen.rows(name, 0, 9, columns=names[::-1]).column_names == names[::-1]
