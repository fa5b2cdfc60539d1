"""Hive partitions are columns, as pandas and pyarrow have them."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMRegressor
from scalable.errors import DataError, DataWarning, UsageError
from scalable.linear import LinearRegression, LogisticRegression


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 3000
    year, shop = rng.integers(2018, 2024, n), rng.choice(["north sea", "a=b", "süd"], n)
    x = rng.normal(size=n)
    y = x + (year - 2020) + 2.0 * (shop == "süd")
    return pd.DataFrame({"x": x, "y": y, "year": year, "shop": shop, "row": np.arange(n)})


@pytest.fixture(scope="module")
def path(frame, tmp_path_factory):
    place = tmp_path_factory.mktemp("hive") / "h"
    frame.to_parquet(place, partition_cols=["year", "shop"])
    return place


def rows(source, names):
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard, names)]
    whole = pd.concat(pd.DataFrame({n: b.arrays[n].to_pylist() for n in names}) for b in blocks)
    return whole.sort_values("row", ignore_index=True)


def test_rows_and_types_are_pyarrow_s(path, frame):
    source = ParquetSource(path, target="y")
    assert source.feature_names == ["x", "row", "year", "shop"]
    reference = ds.dataset(path, partitioning="hive").to_table().to_pandas()
    names = ["row", "year", "shop", "x"]
    expected = reference.sort_values("row", ignore_index=True)[names]
    pd.testing.assert_frame_equal(rows(source, names), expected, check_dtype=False)
    assert (source.field_type("year"), source.field_type("shop")) == (pa.int32(), pa.string())
    only = [b for shard in source.shards for b in source.raw_blocks(shard, ["year"], 7)]
    assert sum(block.n_rows for block in only) == len(frame)
    assert max(block.n_rows for block in only) == 7


def test_partitions_are_learned_from_and_predicted_from(path, frame):
    source = ParquetSource(path, features=["x", "year", "shop"], target="y")
    model = LinearRegression().fit(source)
    assert model.score(frame[["x", "year", "shop"]], frame["y"]) > 0.999
    trees = LGBMRegressor(80).fit(source)
    assert np.corrcoef(trees.predict(frame[["x", "year", "shop"]]), frame["y"])[0, 1] > 0.99
    one_year = ParquetSource(path / "year=2020", features=["x", "year", "shop"])
    assert len(model.predict(one_year)) == (frame["year"] == 2020).sum()
    years = LogisticRegression(max_iter=50).fit(ParquetSource(path, target="year", features=["x", "shop"]))
    assert years.classes_.tolist() == sorted(frame["year"].unique())


@pytest.mark.parametrize(
    ("filters", "mask"),
    [
        ([("year", ">", 2021)], lambda f: f["year"] > 2021),
        ([("year", "==", 2018), ("shop", "!=", "süd")], lambda f: (f["year"] == 2018) & (f["shop"] != "süd")),
        ([("shop", "in", ["a=b"])], lambda f: f["shop"] == "a=b"),
        ([[("year", "<", 2019)], [("x", ">", 1.0)]], lambda f: (f["year"] < 2019) | (f["x"] > 1.0)),
    ],
)
def test_filters_prune_files(path, frame, filters, mask):
    source = ParquetSource(path, features=["x"], filters=filters)
    wanted = frame["row"][mask(frame)].tolist()
    assert rows(source, ["row"])["row"].tolist() == wanted
    if filters == [("year", ">", 2021)]:
        assert len({shard.file for shard in source.shards}) == 6 < len(source.paths)


def test_partitions_can_be_switched_off_or_given_types(path):
    off = ParquetSource(path, target="y", partitioning=None)
    assert off.feature_names == ["x", "row"]
    with pytest.raises(DataError, match="no feature column 'year'"):
        ParquetSource(path, target="y", features=["year"], partitioning=False)
    text = ParquetSource(path, target="y", partitioning={"year": "string"})
    assert text.field_type("year") == pa.string()
    wide = ParquetSource(path, target="y", partitioning=pa.schema([("year", pa.int64())]))
    assert wide.field_type("year") == pa.int64()
    assert wide.fingerprint().difference(text.fingerprint().parts)
    with pytest.raises(DataError, match=r"partition shop=.* is no int16"):
        ParquetSource(path, partitioning={"shop": "int16"})
    with pytest.raises(DataError, match="holds no partition 'month'"):
        ParquetSource(path, partitioning={"month": "int16"})
    for strange in ("directory", {"year": "centuries"}):
        with pytest.raises(UsageError, match="partitioning"):
            ParquetSource(path, partitioning=strange)


def test_missing_values_have_a_directory(tmp_path):
    frame = pd.DataFrame(
        {"x": [1.0, 2.0, 3.0], "k": [1.0, None, 2.0], "c": ["a", None, "b"], "row": [0, 1, 2]}
    )
    frame.to_parquet(tmp_path / "h", partition_cols=["k", "c"])
    source = ParquetSource(tmp_path / "h")
    found = rows(source, ["row", "c"])
    assert found["c"].where(found["c"].notna(), None).tolist() == ["a", None, "b"]


def test_keys_in_front_of_the_dataset_are_there_to_be_named_only(tmp_path, frame):
    for run in (1, 2):
        (tmp_path / f"run={run}").mkdir()
        frame[:20].to_parquet(tmp_path / f"run={run}" / "a.parquet", index=False)
    one = ParquetSource(tmp_path / "run=1" / "a.parquet", target="y")
    assert "run" not in one.feature_names
    named = ParquetSource(tmp_path / "run=1" / "a.parquet", target="y", features=["x", "run"])
    assert rows(named, ["row", "run"])["run"].unique().tolist() == [1]
    assert "run" in ParquetSource(tmp_path, target="y").feature_names
    a_glob = ParquetSource(str(tmp_path / "run=*" / "*.parquet"), target="y")
    assert "run" in a_glob.feature_names
    sent = pickle.loads(pickle.dumps(a_glob.only(a_glob.shards[1:])))
    assert next(sent.raw_blocks(a_glob.shards[1], ["run"])).arrays["run"].to_pylist() == [2] * 20


def test_a_column_of_the_file_comes_before_one_of_its_path(tmp_path):
    (tmp_path / "k=1").mkdir()
    pd.DataFrame({"k": [7, 8], "row": [0, 1]}).to_parquet(tmp_path / "k=1" / "a.parquet", index=False)
    assert rows(ParquetSource(tmp_path), ["row", "k"])["k"].tolist() == [7, 8]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1_0", "2"], ["1_0", "2"]),
        (["+1", "2"], ["+1", "2"]),
        ([" 1", "2"], [" 1", "2"]),
        (["٣", "2"], ["٣", "2"]),
        (["007", "-12"], [7, -12]),
        (["__HIVE%5FDEFAULT_PARTITION__", "x"], [None, "x"]),
    ],
)
def test_what_is_a_number_is_what_arrow_takes_for_one(tmp_path, texts, expected):
    for k, text in enumerate(texts):
        (tmp_path / f"a={text}").mkdir()
        pq.write_table(pa.table({"row": [k]}), tmp_path / f"a={text}" / "f.parquet")
    found = rows(ParquetSource(tmp_path, features=["row", "a"]), ["row", "a"]).sort_values("row")
    values = found["a"].astype(object)
    assert values.where(values.notna(), None).tolist() == expected
    reference = ds.dataset(tmp_path, partitioning="hive").to_table().sort_by("row")
    assert reference["a"].to_pylist() == expected


def test_a_column_of_paths_and_files_is_told(tmp_path):
    for k in range(2):
        (tmp_path / f"a={k}").mkdir()
        pq.write_table(
            pa.table({"a": [5, 6], "x": [0.0, 1.0], "row": [2 * k, 2 * k + 1]}),
            tmp_path / f"a={k}" / "f.parquet",
        )
    with pytest.warns(DataWarning, match="column 'a' is in the files and in their paths"):
        source = ParquetSource(tmp_path)
    assert rows(source, ["a", "row"])["a"].tolist() == [5, 6, 5, 6]
    ParquetSource(tmp_path, features=["x"])  # and none of those that nobody uses
    ParquetSource(tmp_path / "a=1")
