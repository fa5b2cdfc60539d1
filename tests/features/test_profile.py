import math
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.data.block import RawBlock
from scalable.data.readers.arrow import canonical
from scalable.features.profile import MAX_LEVELS, ProfileReduction


def reduced(table, edges):
    """Profile a table cut at `edges`: every piece a state of its own, merged from the right."""
    reduction = ProfileReduction(tuple(table.schema.names), table.schema)
    states = []
    for start, stop in zip([0, *edges], [*edges, table.num_rows], strict=True):
        state = reduction.init()
        part = table.slice(start, stop - start)
        if part.num_rows:
            arrays = {
                name: canonical(part[name].combine_chunks(), table.schema.field(name).type)
                for name in table.schema.names
            }
            state = reduction.step(state, RawBlock(arrays, start, part.num_rows))
        states.append(state)
    while len(states) > 1:
        right = states.pop()
        states[-1] = reduction.merge(states[-1], right)
    return reduction.finish(states[0])


@st.composite
def tables(draw):
    n = draw(st.integers(1, 25))

    def column(elements):
        return draw(st.lists(st.one_of(st.none(), elements), min_size=n, max_size=n))

    return pa.table(
        {
            "i8": pa.array(column(st.integers(-128, 127)), pa.int8()),
            "i16": pa.array(column(st.integers(-(2**15), 2**15 - 1)), pa.int16()),
            "i64": pa.array(column(st.integers(-(2**63), 2**63 - 1)), pa.int64()),
            "u64": pa.array(column(st.integers(0, 2**64 - 1)), pa.uint64()),
            "near": pa.array(column(st.integers(2**60, 2**60 + 3)), pa.int64()),
            "f32": pa.array(column(st.floats(width=32)), pa.float32()),
            "f64": pa.array(column(st.floats(-1e150, 1e150) | st.sampled_from([np.nan, np.inf, -np.inf]))),
            "b": pa.array(column(st.booleans()), pa.bool_()),
            "t": pa.array(column(st.text(max_size=2)), pa.string()),
            "when": pa.array(column(st.integers(-(10**15), 10**15)), pa.timestamp("us")),
        }
    )


def cuts(draw, n):
    return sorted(draw(st.lists(st.integers(0, n), max_size=4)))


def close(one, other, scale):
    if math.isnan(other) or math.isinf(other):
        return one == other or math.isnan(one) == math.isnan(other)
    return abs(one - other) <= 1e-12 * max(scale, abs(other))


@settings(max_examples=50)
@given(data=st.data())
def test_any_split_agrees_with_numpy_and_counter(data):
    table = data.draw(tables())
    profile = reduced(table, cuts(data.draw, table.num_rows))
    assert profile.rows == table.num_rows
    for name, column in profile.columns.items():
        values = table[name].to_pylist()
        kind = table.schema.field(name).type
        if pa.types.is_timestamp(kind):
            values = table[name].cast(pa.int64()).to_pylist()
        present = [v for v in values if v is not None and not (isinstance(v, float) and math.isnan(v))]
        finite = [v for v in present if not (isinstance(v, float) and math.isinf(v))]
        assert column.rows == len(values)
        assert column.missing == len(values) - len(present)
        assert column.infinite == len(present) - len(finite)
        assert column.arrow_type == str(kind)
        if column.kind in ("integer", "boolean", "text"):
            counted = Counter(present)
            assert column.levels == sorted(counted.items(), key=lambda item: (-item[1], item[0]))
            assert all(type(a) is type(present[0]) for a, _ in column.levels)
        else:
            assert column.levels is None
        if column.kind == "text" or not finite:
            assert math.isnan(column.mean)
            assert math.isnan(column.variance)
            continue
        numbers = np.array(finite, np.float64)
        assert column.minimum == float(min(finite))
        assert column.maximum == float(max(finite))
        spread = float(np.abs(numbers).max())
        assert close(column.mean, float(np.mean(numbers)), spread)
        assert close(column.variance, float(np.var(numbers)), spread**2)


def test_large_integers_beside_nulls_stay_exact():
    table = pa.table({"id": pa.array([2**53 + 1, None, 2**53, 2**53 + 1])})
    expected = [(2**53 + 1, 2), (2**53, 1)]
    assert reduced(table, []).columns["id"].levels == expected
    assert reduced(table, [1, 2]).columns["id"].levels == expected


@pytest.mark.parametrize("distinct", [MAX_LEVELS - 1, MAX_LEVELS, MAX_LEVELS + 1, 4 * MAX_LEVELS + 5])
@pytest.mark.parametrize("make", [lambda i: i, lambda i: i * 10**12, str], ids=["near", "far", "text"])
@pytest.mark.parametrize("missing", [False, True])
def test_levels_end_exactly_beyond_the_limit_whatever_the_split(distinct, make, missing):
    values = [make(i % distinct) for i in range(3 * distinct)]
    if missing:
        values[7] = None
    table = pa.table({"x": values})
    seen = {
        tuple(reduced(table, edges).columns["x"].levels or ())
        for edges in ([], [1], [distinct], [distinct // 2, distinct, 2 * distinct])
    }
    assert len(seen) == 1
    (levels,) = seen
    assert len(levels) == (distinct if distinct <= MAX_LEVELS else 0)


def test_a_dictionary_much_larger_than_its_use_still_gives_levels():
    dictionary = pa.array([str(i) for i in range(10_000)])
    indices = pa.array([5, None, 7, 5], pa.int32())
    table = pa.table({"x": pa.DictionaryArray.from_arrays(indices, dictionary)})
    assert reduced(table, []).columns["x"].levels == [("5", 2), ("7", 1)]


def test_moments_agree_with_pandas_on_shifted_data():
    rng = np.random.default_rng(0)
    x = 1e9 + rng.normal(size=100_000)
    column = reduced(pa.table({"x": x}), [10, 5_000, 70_000]).columns["x"]
    series = pd.Series(x)
    assert column.mean == pytest.approx(series.mean(), rel=1e-14)
    assert column.variance == pytest.approx(series.var(ddof=0), rel=1e-9)


def test_values_near_the_limit_of_float64_do_not_become_nan():
    column = reduced(pa.table({"x": [1.7e308, 1.6e308, 1.5e308]}), [1]).columns["x"]
    assert column.mean == pytest.approx(1.6e308)
    assert column.variance == math.inf


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        ([3, 3], True),
        ([3, None], True),
        ([3, 4], False),
        ([None, None], True),
        (["a", "a"], True),
        ([0.5, 0.5], True),
        ([0.5, np.nan], True),
        ([np.nan, np.inf], True),
        ([0.5, 0.25], False),
    ],
)
def test_constant_columns_are_recognised(values, constant):
    assert reduced(pa.table({"x": values}), []).columns["x"].constant is constant


def test_a_type_that_cannot_be_profiled_is_an_error():
    table = pa.table({"x": [[1]]})
    reduction = ProfileReduction(("x",), table.schema)
    with pytest.raises(TypeError, match="column 'x' of type list"):
        reduction.finish(reduction.init())
