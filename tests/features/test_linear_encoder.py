import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.data.shard import Shard
from scalable.data.table import TableSource
from scalable.errors import DataError, ModelError
from scalable.features.linear_column import EncoderOptions
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.profile import profile_source
from scalable.features.state import State
from scalable.features.target import Labels


def learn(table: pa.Table, **options) -> tuple[LinearEncoder, TableSource]:
    source = TableSource(table)
    encoder = LinearEncoder.learn(profile_source(source), source, options=EncoderOptions(**options))
    return encoder, source


def encode(encoder: LinearEncoder, table: pa.Table):
    source = TableSource(table)
    (raw,) = source.raw_blocks(Shard(0, 0, 0, table.num_rows, 0))
    return encoder.encode(raw)


def test_numbers_are_standardised_with_their_digits():
    epoch = 1_700_000_000_000
    table = pa.table(
        {"t": pa.array([epoch, epoch + 1, epoch + 2, epoch + 3], pa.int64()), "x": [0.5, 1.5, 2.5, 3.5]}
    )
    encoder, _ = learn(table)
    block = encode(encoder, table)
    assert block.columns.dtype == np.float32
    expected = (np.arange(4) - 1.5) / np.std(np.arange(4))
    np.testing.assert_allclose(block.columns, [expected, expected], rtol=1e-6)
    np.testing.assert_allclose(encoder.column_offsets(), [epoch + 1.5, 2.0])
    assert encoder.describe() == ["t (int64): standardised", "x (double): standardised"]


def test_types_are_named_for_a_reader():
    encoder, _ = learn(pa.table({"c": pa.array(["a", "b", "a", "b"]).dictionary_encode()}))
    assert encoder.describe() == ["c (dictionary of string): one-hot, 2 categories"]


def test_missing_values_become_the_mean_and_an_indicator():
    table = pa.table({"x": pa.array([1.0, None, 3.0, float("nan")])})
    encoder, _ = learn(table)
    block = encode(encoder, table)
    np.testing.assert_allclose(block.columns, [[-1, 0, 1, 0], [-0.5, 0.5, -0.5, 0.5]])
    assert "50.0% missing -> mean and an indicator" in encoder.describe()[0]
    with pytest.raises(DataError, match=r"the table, row 1: column 'x' is null .and 1 more rows .*; fill it"):
        learn(table, missing="error")
    # Missing values that first come at prediction are the mean, too.
    clean, _ = learn(pa.table({"x": [1.0, 3.0]}))
    np.testing.assert_allclose(encode(clean, pa.table({"x": pa.array([None, 3.0])})).columns, [[0.0, 1.0]])


def test_few_levels_are_one_hot_and_unseen_ones_have_a_slot():
    table = pa.table({"c": pa.array(["b", "a", None, "b"])})
    encoder, _ = learn(table)
    assert encode(encoder, table).ids.tolist() == [[1, 0, 3, 1]]
    assert encode(encoder, pa.table({"c": ["zzz", "a"]})).ids.tolist() == [[2, 0]]
    assert encoder.n_indices == 4
    assert encoder.term_names() == ["c=a", "c=b", "c=(other)", "c=(missing)"]


def test_integers_can_be_categories():
    table = pa.table({"k": pa.array([5, 7, 5, None], pa.int32())})
    encoder, _ = learn(table, categorical=("k",))
    assert encode(encoder, table).ids.tolist() == [[0, 1, 0, 3]]
    assert encode(encoder, pa.table({"k": pa.array([6, 7], pa.int32())})).ids.tolist() == [[2, 1]]


def test_many_levels_and_identifiers_are_hashed():
    rng = np.random.default_rng(0)
    ids = rng.integers(-(2**62), 2**62, 5000)
    table = pa.table({"user_id": ids, "name": [f"n{i}" for i in range(5000)], "x": rng.normal(size=5000)})
    encoder, _ = learn(table, n_buckets=1024)
    block = encode(encoder, table)
    assert block.ids.shape == (2, 5000)
    assert encoder.n_indices == 1024
    for row in block.ids:
        counts = np.bincount(row, minlength=1024)
        # Uniform: a chi-square with 1,023 degrees of freedom is below 1,250 but for one time in 10^6.
        assert ((counts - 5000 / 1024) ** 2 / (5000 / 1024)).sum() < 1250
    assert (block.ids[0] == block.ids[1]).mean() < 0.01
    again = encode(encoder, table.slice(100, 7))
    np.testing.assert_array_equal(again.ids, block.ids[:, 100:107])
    missing = encode(
        encoder, pa.table({"user_id": pa.array([None, 3]), "name": pa.array([None, "a"]), "x": [0.0, 0.0]})
    )
    assert (missing.ids[:, 0] != missing.ids[:, 1]).all()
    assert "hashed into 1,024 shared buckets (more than 1,024 categories)" in encoder.describe()[1]


def test_text_hash_does_not_depend_on_the_dictionary():
    names = [f"köln-{i}" for i in range(200)] + [""]
    encoder, _ = learn(pa.table({"c": names}))
    forward = encode(encoder, pa.table({"c": names})).ids[0]
    backward = encode(encoder, pa.table({"c": names[::-1]})).ids[0]
    np.testing.assert_array_equal(forward, backward[::-1])


def test_times_bring_hours_and_weekdays():
    start = np.datetime64("2024-01-01T00:00:00")  # a Monday
    times = start + np.arange(24 * 28) * np.timedelta64(1, "h")
    for unit in ("s", "ms", "us", "ns"):
        table = pa.table({"t": pa.array(times.astype(f"datetime64[{unit}]"))})
        encoder, _ = learn(table)
        block = encode(encoder, table)
        np.testing.assert_array_equal(block.ids[0], np.arange(24 * 28) % 24)
        np.testing.assert_array_equal(block.ids[1] - 25, np.arange(24 * 28) // 24 % 7)
        assert "hour one-hot; weekday one-hot" in encoder.describe()[0]
    days = pa.table({"d": pa.array(np.arange(60).astype("datetime64[D]"))})
    encoder, _ = learn(days)
    np.testing.assert_array_equal(
        encode(encoder, days).ids[0], (np.arange(60) + 3) % 7
    )  # 1970-01-01: Thursday


def test_heavy_tails_are_log_transformed_and_constants_dropped():
    rng = np.random.default_rng(0)
    table = pa.table(
        {"amount": rng.lognormal(3, 2, 20_000), "one": np.ones(20_000), "z": rng.normal(size=20_000)}
    )
    encoder, _ = learn(table)
    assert [line.split("): ")[1][:8] for line in encoder.describe()] == ["log(1 + ", "dropped ", "standard"]
    block = encode(encoder, table)
    unit = encoder.columns[0].log_unit
    expected = np.log1p(table["amount"].to_numpy() / unit) - np.log(5.0)
    np.testing.assert_allclose(block.columns[0], expected, rtol=1e-5, atol=1e-5)
    plain, _ = learn(table, log=False)
    assert plain.describe()[0] == "amount (double): standardised"


def test_round_trip_through_json():
    table = pa.table(
        {
            "x": pa.array([1.0, None, 3.0]),
            "c": ["a", "b", "a"],
            "b": [True, False, True],
            "u_id": pa.array([1, 2, 3]),
        }
    )
    source = TableSource(table, target="b")
    profile = profile_source(source)
    encoder = LinearEncoder.learn(profile, source, Labels("b", (False, True)))
    again = LinearEncoder.from_state(State(json.loads(json.dumps(encoder.state().document))))
    one, two = encode(encoder, table), encode(again, table)
    np.testing.assert_array_equal(one.columns, two.columns)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.label, [1.0, 0.0, 1.0])
    assert again.state() == encoder.state()
    with pytest.raises(ModelError, match="encoder is damaged"):
        LinearEncoder.from_state(State({"columns": [{}]}))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ({"x": [1.0, float("inf")]}, None, "the table, row 1: column 'x' is inf; clean"),
        ({"x": [1.0, 2.0]}, {"x": [1.0, -float("inf")]}, "row 1: column 'x' is -inf, infinite"),
        ({"x": [1.0, 2.0]}, {"x": ["a", "b"]}, "'x' is .* but was double"),
        ({"x": ["a", "b"]}, {"x": [1.0, 2.0]}, "'x' is double here but was string"),
        ({"x": [1.0, 1.0], "y": pa.array([None, None], pa.float64())}, None, "constant or empty"),
    ],
)
def test_bad_columns_are_named(train, test, message):
    with pytest.raises(DataError, match=message):
        encode(learn(pa.table(train))[0], pa.table(test or train))


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=50), st.floats(-6, 6))
def test_the_unit_of_a_column_does_not_matter(values, exponent):
    x = np.array(values)
    if np.std(x) < 1e-6 * np.abs(x).max() or np.std(x) < 1e-140:  # squares of such are beyond floating point
        return
    one, two = pa.table({"x": x}), pa.table({"x": x * 10.0**exponent})
    a, b = (encode(learn(t, log=False)[0], t).columns for t in (one, two))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("one_hot", [64, 1])
def test_a_text_column_without_any_value_is_missing_text(one_hot):
    table = pa.table({"kind": ["a", "b", None, "a"] * 9, "x": range(36)})
    encoder, _ = learn(table, one_hot=one_hot)
    missing = encode(encoder, table).ids[:, 2]
    empty = encode(encoder, pa.table({"kind": pa.nulls(5), "x": range(5)}))
    np.testing.assert_array_equal(empty.ids, np.repeat(missing[:, None], 5, axis=1))
