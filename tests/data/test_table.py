import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from scalable import ParquetSource
from scalable.boosting import LGBMRegressor
from scalable.data.intake import to_column, to_table
from scalable.data.readers.arrow import TEXT
from scalable.data.table import TARGET, WEIGHT, TableSource, as_source
from scalable.errors import DataError
from scalable.linear import Ridge


def read(source, name):
    return [
        value
        for shard in source.shards
        for block in source.raw_blocks(shard, columns=[name])
        for value in block.arrays[name].to_pylist()
    ]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.int8, np.uint64, np.bool_, np.float16, ">f8", ">i4"]
)
def test_numpy_of_every_dtype_and_order(order, dtype):
    X = np.asarray(np.arange(60).reshape(20, 3) % 7, dtype=dtype, order=order)
    source = as_source(X, np.arange(20), np.ones(20))
    assert source.feature_names == ["x0", "x1", "x2"]
    assert (source.target, source.weight) == (TARGET, WEIGHT)
    assert source.in_memory
    for j in range(3):
        assert read(source, f"x{j}") == X[:, j].tolist()
    assert read(source, TARGET) == list(range(20))
    assert source.n_rows == 20


@pytest.mark.parametrize("rows", [1, 21_845, 21_846, 50_000])
def test_row_major_numbers_are_put_into_columns_strip_by_strip(rows):
    X = np.random.default_rng(0).random((rows, 3), np.float32)
    for given in (X, X[::-1], X[:, ::2]):
        table = to_table(given)
        assert all(np.array_equal(table[f"x{j}"].to_numpy(), given[:, j]) for j in range(given.shape[1]))
        assert all(table[f"x{j}"].num_chunks == 1 for j in range(given.shape[1]))


def test_fortran_columns_are_not_copied():
    X = np.asfortranarray(np.random.default_rng(0).random((1_000, 3)))
    block = next(as_source(X).raw_blocks(as_source(X).shards[0]))
    assert block.arrays["x1"].buffers()[1].address == X[:, 1].ctypes.data


def test_numpy_text_and_objects():
    X = np.array([["a", "b"], ["c", "d"]])
    assert read(as_source(X), "x1") == ["b", "d"]
    mixed = np.array([[1, "u"], [None, None], [2.5, "v"]], dtype=object)
    source = as_source(mixed)
    assert np.isnan(read(source, "x0")[1])
    assert read(source, "x1") == ["u", None, "v"]
    assert source.field_type("x0") == pa.float64()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.arange(5.0), "Reshape your data"),
        (np.zeros((2, 2, 2)), "3 dimension"),
        (3.0, "0 dimension"),
        (np.zeros((4, 0)), r"0 feature\(s\) \(shape=\(4, 0\)\) while a minimum of 1 is required"),
        (np.zeros((0, 3)), "no rows"),
        (np.zeros((3, 2), complex), "Complex data not supported"),
        (scipy.sparse.csr_matrix((3, 3)), "sparse"),
        (scipy.sparse.coo_array((3, 3)), "sparse"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame; collect"),
        (pa.table({"a": [1]}).to_reader(), "RecordBatchReader; read_all"),
        (pl.Series("a", [1, 2]), "1 dimension"),
        (pd.Series([1, 2]), "1 dimension"),
        (np.array([["a", 1]], dtype=object).T, "x0 mixes text with other types"),
        (pd.DataFrame({"a": [1, "b"]}), "X cannot be converted: .*give every column one type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns named 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", 3]), "names must be all strings or all positions"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "several columns are named 'a'"),
        (pd.DataFrame({"a": [[1]]}), "column 'a' is list"),
        (pl.DataFrame(), "no feature columns|no rows"),
    ],
)
def test_what_cannot_be_used_is_a_clear_value_error(X, message):
    with pytest.raises(DataError, match=message):
        as_source(X)


def test_objects_that_are_not_numbers_are_type_errors_as_in_scikit_learn():
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        as_source(np.array([[{"foo": "bar"}]], dtype=object))


def test_what_a_mask_hides_is_missing():
    X = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], mask=[[0, 1], [0, 0], [0, 0]])
    hidden = np.ma.masked_array([1, 2, 1], mask=[0, 1, 0])
    source = as_source(X, hidden, np.ma.masked_array([1.0, 1.0, 1.0], mask=[0, 0, 1]))
    assert np.isnan(read(source, "x1")).tolist() == [True, False, False]
    assert np.isnan(read(source, TARGET)).tolist() == [False, True, False]
    assert np.isnan(read(source, WEIGHT)).tolist() == [False, False, True]
    texts = np.ma.masked_array(["a", "b"], mask=[0, 1])
    assert read(as_source(X[1:], texts), TARGET) == ["a", None]
    for model in (Ridge(), LGBMRegressor(2)):
        for y, weight in ((hidden, None), (hidden.data, np.ma.masked_array([1.0, 1, 1], mask=[0, 0, 1]))):
            with pytest.raises(ValueError, match=r"NaN|nan"):
                model.fit(X.data, y, sample_weight=weight)
    with pytest.raises(ValueError, match=r"row 0: column 'x1' is nan"):
        Ridge(missing="error").fit(X, hidden.data)


def test_pandas_columns_that_store_few_values():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.5, 0.0]), "b": [1, 2, 3]})
    assert read(as_source(frame), "a") == [0.0, 1.5, 0.0]
    assert isinstance(frame["a"].dtype, pd.SparseDtype)


def test_pandas_of_every_kind():
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["u", "v", None]),
            "of numbers": pd.Categorical([10, 20, 10]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "bool": pd.array([True, None, False], dtype="boolean"),
            "when": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
            "zone": pd.to_datetime(["2020-01-01"] * 3).tz_localize("Europe/Rome"),
            "text": ["x", None, "y"],
            "float": [0.5, np.nan, np.inf],
        },
        index=[7, 7, 9],
    )
    source = as_source(frame)
    assert source.feature_names == list(frame.columns)
    assert read(source, "category") == ["u", "v", None]
    assert read(source, "of numbers") == [10, 20, 10]
    assert read(source, "nullable") == [1, None, 3]
    assert read(source, "bool") == [True, None, False]
    assert read(source, "when")[0] == datetime.datetime(2020, 1, 1)
    assert read(source, "when")[1] is None
    assert read(source, "text") == ["x", None, "y"]
    assert read(source, "float")[2] == np.inf
    block = next(source.raw_blocks(source.shards[0]))
    assert block.arrays["category"].type == block.arrays["text"].type == TEXT


def test_pandas_with_positions_for_names_is_treated_like_numpy():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    assert as_source(frame).feature_names == ["x0", "x1"]
    assert as_source(frame[[1]]).feature_names == ["x0"]


def test_polars_of_every_kind():
    frame = pl.DataFrame(
        {
            "text": ["x", None, "y"],
            "cat": pl.Series(["u", "v", None], dtype=pl.Categorical),
            "enum": pl.Series(["u", "v", None], dtype=pl.Enum(["u", "v"])),
            "i": [1, None, 3],
            "day": [datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1)],
        }
    )
    source = as_source(frame)
    for name in ("text", "cat", "enum", "i", "day"):
        assert read(source, name) == frame[name].to_list()
        if name in ("text", "cat", "enum"):
            assert next(source.raw_blocks(source.shards[0])).arrays[name].type == TEXT


def test_arrow_tables_batches_and_chunks_with_differing_dictionaries():
    one, two = (
        pa.table({"t": pa.array(words).dictionary_encode()}) for words in (["a", "b"], ["c", "a", None])
    )
    source = as_source(pa.concat_tables([one, two]))
    assert read(source, "t") == ["a", "b", "c", "a", None]
    assert as_source(one.to_batches()[0]).n_rows == 2
    null_inside = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    block = next(as_source(pa.table({"t": null_inside})).raw_blocks(as_source(one).shards[0]))
    assert block.arrays["t"].null_count == 1


def test_blocks_of_a_table_have_the_same_boundaries_as_those_of_a_file():
    source = TableSource(pa.table({"i": range(50_000)}))
    assert len(source.shards) > 4
    assert read(source, "i") == list(range(50_000))
    for shard in source.shards:
        firsts = [block.first_row for block in source.raw_blocks(shard, block_rows=1_000)]
        assert firsts == list(range(shard.first_row, shard.first_row + shard.n_rows, 1_000))


@pytest.mark.parametrize(
    "y",
    [
        [0, 1, 0],
        np.array([0, 1, 0]),
        np.array([[0], [1], [0]]),
        np.array([0, 1, 0], dtype=object),
        pd.Series([0, 1, 0], index=[5, 6, 7]),
        pd.Series([0, 1, 0], dtype="Int8"),
        pl.Series([0, 1, 0]),
        pa.array([0, 1, 0]),
        pa.chunked_array([[0, 1], [0]]),
    ],
)
def test_targets_of_every_kind(y):
    assert read(as_source(np.zeros((3, 1)), y), TARGET) == [0, 1, 0]


def test_text_targets():
    for y in (
        ["n", "y", "n"],
        np.array(["n", "y", "n"]),
        pd.Categorical(["n", "y", "n"]),
        pl.Series(["n", "y", "n"]),
    ):
        assert read(as_source(np.zeros((3, 1)), y), TARGET) == ["n", "y", "n"]
    assert to_column(pd.Series(["a", None]), "target").to_pylist() == ["a", None]


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        ([1, 2], None, "X has 3 rows but y has 2"),
        (None, [1.0], "X has 3 rows but sample_weight has 1"),
        (np.zeros((3, 2)), None, r"y has shape \(3, 2\), expected one value a row"),
        (np.zeros(3, complex), None, "Complex data not supported"),
        (pd.Series([1, "a", 2]), None, "y cannot be converted"),
    ],
)
def test_targets_and_weights_that_do_not_fit(y, weight, message):
    with pytest.raises(DataError, match=message):
        as_source(np.zeros((3, 1)), y, weight)


def test_a_source_passes_through_and_refuses_a_second_target(tmp_path):

    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "a.parquet")
    source = ParquetSource(tmp_path)
    assert as_source(source) is source
    with pytest.raises(DataError, match="names its own target"):
        as_source(source, [1])


def test_tables_are_handed_over_without_a_copy():
    table = pa.table({"a": [1.0]})
    assert to_table(table) is table
