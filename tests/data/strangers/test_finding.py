"""No row is left out, or counted twice, without a word."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.data.files.find import find_files
from scalable.errors import DataError, DataWarning
from scalable.linear import LogisticRegression


def write(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": [value], "b": [0.5]}), path)
    return str(path)


def names(paths, base):
    return [os.path.relpath(file, base) for file in find_files(paths)]


def test_names_that_are_not_utf8_are_refused_in_one_line(tmp_path):
    write(tmp_path / "a.parquet")
    os.rename(tmp_path / "a.parquet", os.fsencode(tmp_path) + b"/b\xff.parquet")
    write(tmp_path / "ü.parquet")
    for place in (tmp_path, os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.parquet")):
        with pytest.raises(DataError, match=r"/b.\.parquet: its name is not UTF-8"):
            names(place, tmp_path)
    assert names(tmp_path / "ü.parquet", tmp_path) == ["ü.parquet"]


def test_files_of_any_ending_are_found(tmp_path):
    wanted = ["000000_0", "a.parquet", "b.parq", "c.PARQUET", "d.pq", "e.snappy.parquet", "part-0"]
    for name in wanted:
        write(tmp_path / name)
    for marker in ("_SUCCESS", "_metadata", "_common_metadata", ".part-0.crc"):
        (tmp_path / marker).write_bytes(b"PAR1")
    for ours in ("manifest.json", "describe.html"):
        (tmp_path / ours).write_text("{}")
    assert names(tmp_path, tmp_path) == wanted
    assert names(str(tmp_path / "*"), tmp_path) == wanted
    assert names(str(tmp_path / "_*"), tmp_path) == ["_SUCCESS", "_common_metadata", "_metadata"]


@pytest.mark.parametrize("how", ["", "*"])
def test_what_is_left_out_is_named(tmp_path, how):
    write(tmp_path / "a.parquet")
    for name in ("notes.txt", "x.csv", "y.csv", "z.csv", "zz.csv"):
        (tmp_path / name).write_text("a,b\n")
    with pytest.warns(
        DataWarning, match=r"left out, as no Parquet files: notes.txt, x.csv, y.csv, z.csv and 1 more$"
    ):
        assert names(str(tmp_path / how), tmp_path) == ["a.parquet"]
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"holds no \*.parquet file: notes.txt"):
        find_files(tmp_path)


def test_links_are_followed_and_circles_are_not(tmp_path):
    write(tmp_path / "elsewhere" / "deep" / "a.parquet")
    write(tmp_path / "data" / "b.parquet")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    (tmp_path / "elsewhere" / "deep" / "up").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "data", tmp_path / "data") == ["b.parquet", "linked/deep/a.parquet"]


def test_directories_that_a_glob_matches_are_searched(tmp_path):
    write(tmp_path / "x.parquet" / "part-0.parquet")
    write(tmp_path / "y.parquet")
    assert names(str(tmp_path / "*.parquet"), tmp_path) == ["x.parquet/part-0.parquet", "y.parquet"]
    assert names(str(tmp_path / "**" / "*.parquet"), tmp_path) == ["x.parquet/part-0.parquet", "y.parquet"]


def test_a_file_is_counted_once(tmp_path):
    a = write(tmp_path / "a.parquet")
    os.symlink(a, tmp_path / "b.parquet")
    for twice in ([a, a], [a, str(tmp_path / "*.parquet")]):
        with pytest.raises(DataError, match="given twice, its rows would count twice; give it once"):
            find_files(twice)
    with pytest.raises(DataError, match=r"b.parquet: the same file as .*a.parquet"):
        find_files(tmp_path)
    os.remove(tmp_path / "b.parquet")
    os.link(a, tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"c.parquet: the same file as .*a.parquet"):
        find_files(tmp_path)
    assert find_files(tmp_path / "c.parquet") == [str(tmp_path / "c.parquet")]


def test_a_frame_whose_only_feature_is_its_index_says_so(tmp_path):
    frame = pd.DataFrame({"x": [3, 1, 2], "y": [0, 1, 2]}).set_index("x")
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"besides \['x', 'y'\]; name those to learn from in features"):
        ParquetSource(tmp_path / "a.parquet", target="y")


def test_the_index_of_a_pandas_frame_is_no_feature(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400), "y": np.arange(400) >= 200})
    frame.sample(frac=1.0).to_parquet(tmp_path / "a.parquet")
    with pytest.warns(
        DataWarning, match="column '__index_level_0__' is the index of a pandas frame and no feature"
    ):
        source = ParquetSource(tmp_path / "a.parquet", target="y")
    assert source.feature_names == ["x"]
    assert LogisticRegression().fit(source).score(frame[["x"]], frame["y"]) < 0.65
    wanted = ParquetSource(tmp_path / "a.parquet", target="y", features=["x", "__index_level_0__"])
    assert wanted.feature_names == ["x", "__index_level_0__"]
    frame.set_index(pd.Index(rng.permutation(400), name="day")).to_parquet(tmp_path / "b.parquet")
    with pytest.warns(DataWarning, match="column 'day' is the index"):
        assert ParquetSource(tmp_path / "b.parquet", target="y").feature_names == ["x"]
    assert ParquetSource(tmp_path / "b.parquet", target="day").feature_names == ["x", "y"]
    frame.to_parquet(tmp_path / "c.parquet", index=False)
    assert ParquetSource(tmp_path / "c.parquet", target="y").feature_names == ["x"]


@pytest.mark.parametrize("learner", [LogisticRegression, LGBMClassifier])
def test_nor_is_it_one_in_an_arrow_table(learner):
    rng = np.random.default_rng(0)
    row = rng.permutation(400)
    frame = pd.DataFrame({"x": rng.normal(size=400)}, index=pd.Index(row))
    table = pa.Table.from_pandas(frame)
    with pytest.warns(DataWarning, match="the table: column '__index_level_0__' is the index"):
        model = learner().fit(table, row >= 200)
    assert model.feature_names_in_.tolist() == ["x"]
    np.testing.assert_array_equal(model.predict(table), model.predict(frame))


@pytest.mark.parametrize("metadata", [b"", b"[1]", b'{"index_columns": 3}', b"\xff", b'{"columns": [1, {}]}'])
def test_other_metadata_changes_nothing(tmp_path, metadata):
    table = pa.table({"x": [1.0]}).replace_schema_metadata({b"pandas": metadata})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=False)
    assert ParquetSource(tmp_path / "a.parquet").feature_names == ["x"]


def test_integer_categories_of_pandas_are_categories_in_files_too(tmp_path):
    frame = pd.DataFrame({"c": pd.Categorical([3, 1, None, 3]), "y": [1.0, 2.0, 3.0, 4.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    array = next(source.raw_blocks(source.shards[0])).arrays["c"]
    assert pa.types.is_dictionary(array.type)
    assert array.to_pylist() == [3, 1, None, 3]


@pytest.mark.parametrize(
    ("marker", "kind"), [(".hoodie/hoodie.properties", "Hudi"), ("metadata/v2.metadata.json", "Iceberg")]
)
@pytest.mark.parametrize("below", ["", "data", "data/*.parquet", "../*"])
def test_tables_that_keep_removed_rows_are_no_plain_parquet(tmp_path, marker, kind, below):
    table = tmp_path / "sales"
    file = write(table / "data" / "a.parquet")
    (table / marker).parent.mkdir()
    (table / marker).write_text("{}")
    with pytest.raises(DataError, match=f"is an? {kind} table, whose files also hold rows that were removed"):
        find_files(table / below)
    assert find_files([file]) == [file]


def test_a_directory_of_metadata_alone_is_no_table(tmp_path):
    file = write(tmp_path / "data" / "a.parquet")
    for k, name in enumerate(("metadata", "data/metadata")):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("notes.json" if k else "_notes")).write_text("{}")
    with pytest.warns(DataWarning, match="left out, as no Parquet files: notes.json"):
        assert find_files(tmp_path) == [file]
