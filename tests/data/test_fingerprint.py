"""What a source is: the same for all ways to the same rows, and told apart by name for all others."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data.fingerprint import Fingerprint, content_of, digest_of, plain
from scalable.data.parquet import ParquetSource
from scalable.data.table import TableSource, as_source


def table(seed=0, n=5_000):
    rng = np.random.default_rng(seed)
    return pa.table({
        "x": rng.normal(size=n), "g": rng.integers(0, 3, n), "t": rng.choice(["a", "b", None], n),
        "y": rng.integers(0, 2, n).astype(bool), "w": rng.random(n),
    })  # fmt: skip


@pytest.fixture
def files(tmp_path):
    for k in range(2):
        pq.write_table(table(k), tmp_path / f"{k}.parquet", row_group_size=1_000)
    return tmp_path


def difference(source, other):
    return source.fingerprint().difference(json.loads(json.dumps(other.fingerprint().parts)))


def test_all_ways_to_the_same_rows_have_one_fingerprint(files, monkeypatch):
    whole = ParquetSource(files, "y")
    (files.parent / "link").unlink(missing_ok=True)
    (files.parent / "link").symlink_to(files)
    monkeypatch.chdir(files.parent)
    ways = [files.name, "link", f"./{files.name}/*.parquet", [f"{files}/0.parquet", "link/1.parquet"]]
    for way in ways:
        assert difference(ParquetSource(way, "y"), whole) == ""
        assert ParquetSource(way, "y").fingerprint().digest() == whole.fingerprint().digest()
    assert difference(pickle.loads(pickle.dumps(whole)), whole) == ""


def touched(files):
    os.utime(files / "1.parquet", ns=(1, 1))
    return ParquetSource(files, "y")


def more(files):
    pq.write_table(table(2), files / "2.parquet")
    return ParquetSource(files, "y")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (touched, "file {}/1.parquet changed since"),
        (more, "file {}/2.parquet is new; the rows are selected otherwise"),
        (lambda f: ParquetSource(f / "0.parquet", "y"), "file {}/1.parquet is no longer among the files; the rows are"),
        (lambda f: ParquetSource([f / "1.parquet", f / "0.parquet"], "y"), "the files come in another order"),
        (lambda f: ParquetSource(f, "g", ["x"]), "target was 'y', is 'g'; features"),
        (lambda f: ParquetSource(f, "y", None, "w"), "weight was None, is 'w'; features was"),
        (lambda f: ParquetSource(f, "y", group="t", features=["x", "g", "t", "w"]), "group was None, is 't'"),
        (
            lambda f: ParquetSource(f, "y", ["g", "x", "t", "w"]),
            "features was ['x', 'g', 't', 'w'], is ['g', 'x', 't', 'w']",
        ),
        (lambda f: ParquetSource(f, "y", filters=[("g", "!=", 1)]), "the rows are selected otherwise"),
        (lambda f: ParquetSource(f, "y").split(2)[0], "the rows are selected otherwise"),
        (lambda f: ParquetSource(f, "y").split_rows(1, 1)[0], "the rows are selected otherwise"),
        (lambda f: TableSource(table(), "y"), "the rows come from another kind of source; the rows are"),
    ],
)  # fmt: skip
def test_what_differs_is_named(files, change, told):
    before = ParquetSource(files, "y")
    changed = change(files)
    assert difference(changed, before).startswith(told.format(files))
    assert changed.fingerprint().digest() != before.fingerprint().digest()


def test_parts_of_a_split_and_other_filters_differ(files):
    source = ParquetSource(files, "y")
    several = [
        *source.split_rows(1, 1), *source.split_rows(1, 1, seed=1), *source.split_rows(1, 1, by="t"),
        *(ParquetSource(files, "y", filters=[("g", how, 1)]) for how in ("==", "<=", "!=")),
        ParquetSource(files, "y", filters=[("g", "==", 2)]), *source.split(2), source,
    ]  # fmt: skip
    assert len({each.fingerprint().digest() for each in several}) == len(several)


def test_a_table_is_what_it_holds():
    whole = table(n=300_000)
    source = TableSource(whole, "y")
    chunked = pa.concat_tables([whole.slice(0, 77_001), whole.slice(77_001)])
    position = whole.schema.get_field_index("t")
    coded = whole.set_column(
        position, whole.schema.field("t"), chunked.column("t").dictionary_encode().cast("string")
    )
    longer = pa.concat_tables([table(1, 13), whole, table(1, 13)]).slice(13, 300_000)
    for same in (chunked, coded, longer, longer.combine_chunks()):
        assert difference(TableSource(same, "y"), source) == ""
    flipped = whole.set_column(3, "y", pa.chunked_array([np.asarray(whole["y"]) ^ True]))
    assert difference(TableSource(flipped, "y"), source) == "column 'y' differs"
    one = np.asarray(whole["x"]).copy()
    one[-1] = np.nextafter(one[-1], 9.0)
    assert (
        difference(TableSource(whole.set_column(0, "x", pa.array(one)), "y"), source) == "column 'x' differs"
    )
    assert difference(TableSource(whole, "y", ["x"]), TableSource(flipped, "w", ["x"])) != ""
    unused = TableSource(flipped, "w", ["x"]), TableSource(whole, "w", ["x"])
    assert difference(*unused) == ""  # nobody reads y


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.float32(), pa.timestamp("ms"), pa.string(), pa.bool_(), pa.date32()]
)
def test_what_lies_beneath_a_null_does_not_count(kind):
    values = pa.array([1, 0, 1, 1, 0, 1, 0, 0, 1], pa.int32()).cast(pa.int64())
    values = values.cast(pa.int32()).cast(kind) if kind in (pa.string(), pa.date32()) else values.cast(kind)
    holes = pa.array([True, False, True] * 3)
    bitmap = pa.array([1 if hole else None for hole in holes.to_pylist()]).buffers()[0]
    garbage = pa.Array.from_buffers(kind, 9, [bitmap, *values.buffers()[1:]])
    clean = pa.array(garbage.to_pylist(), kind)
    assert content_of(pa.chunked_array([garbage])) == content_of(pa.chunked_array([clean]))
    assert content_of(pa.chunked_array([garbage])) != content_of(pa.chunked_array([values]))
    moved = pa.chunked_array([pa.nulls(3, kind), *pa.chunked_array([garbage]).slice(3).chunks])
    assert content_of(moved) != content_of(pa.chunked_array([garbage]))


def test_arrays_are_known_by_content():
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    assert difference(as_source(X.copy(), list(y)), as_source(X, y)) == ""
    assert difference(as_source(X, 1 - y), as_source(X, y)) == "column '__target__' differs"


def test_joined_parts_are_compared_one_by_one():
    source = as_source(np.eye(3), [0, 1, 0])
    mine = source.fingerprint().joined(params={"C": 1.0, "tol": None, "w": {0: 1.0}}, encoder=digest_of("a"))
    other = source.fingerprint().joined(params={"C": 2.0, "tol": None, "w": {0: 4.0}}, encoder=digest_of("b"))
    assert mine.difference(other.parts).startswith("C was 2.0, is 1.0; w was {'0': 4.0}, is {'0': 1.0}")
    assert mine.difference(other.parts).endswith("encoder differs")
    assert mine.difference(mine.joined(extra=1).parts) == "extra was 1, is None"
    assert mine.difference(None) == "it does not say what it depends on"
    assert mine.difference({}) != ""
    many = Fingerprint({"params": {str(k): k for k in range(9)}})
    assert many.difference({"params": {}}).endswith("; and 5 more")


def test_nan_equals_itself_and_sets_have_one_order():
    assert Fingerprint({}).joined(missing=np.float64("nan")).difference({"missing": float("nan")}) == ""
    code = "from scalable.data.fingerprint import digest_of; print(digest_of({'in': {'a', 'b', 'c', 'd'}}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {digest_of({"in": {"a", "b", "c", "d"}}) + "\n"}
    assert plain({"a": np.int8(3), "b": (1, np.array([1.5]))}) == {"a": 3, "b": [1, [1.5]]}


def test_rows_are_counted_only_where_nothing_is_selected(files):
    source = ParquetSource(files, "y")
    assert source.exact_rows == source.n_rows == 10_000
    assert source.split(2)[0].exact_rows == source.split(2)[0].n_rows < 10_000
    for some in (source.split_rows(1, 1)[0], ParquetSource(files, "y", filters=[("g", "==", 1)])):
        assert some.exact_rows is None
        assert some.n_rows == 10_000


def test_a_file_that_is_listed_twice_is_another_list():
    one = Fingerprint({"files": [["a.parquet", 9, 1]]})
    assert "listed more than once" in one.difference({"files": [["a.parquet", 9, 1], ["a.parquet", 9, 1]]})
    assert not one.difference({"files": [["a.parquet", 9, 1]]})
