import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data import footers as planning
from scalable.data.files.find import find_files
from scalable.data.footers import read_footers
from scalable.errors import DataError
from scalable.storage import local


def write(path, table=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}) if table is None else table, path, **options
    )
    return str(path)


def test_a_directory_is_searched_recursively_in_sorted_order_without_hidden_parts(tmp_path):
    wanted = [write(tmp_path / name) for name in ("b/1.parquet", "a.parquet", "b/0.parquet", "c d/é.parquet")]
    write(tmp_path / "_temporary" / "x.parquet")
    write(tmp_path / ".hidden.parquet")
    write(tmp_path / "b" / "_metadata.parquet")
    (tmp_path / "manifest.json").write_text("{}")
    assert find_files(tmp_path) == sorted(wanted)


def test_directories_named_like_files_are_searched_not_read(tmp_path):
    part = write(tmp_path / "train.parquet" / "part.0.parquet")
    assert find_files(tmp_path) == [part]
    assert find_files(str(tmp_path / "train.parquet")) == [part]


def test_a_hidden_directory_can_be_named_itself(tmp_path):
    inside = write(tmp_path / ".cache" / "a.parquet")
    assert find_files(tmp_path / ".cache") == [inside]


def test_globs_lists_and_odd_names(tmp_path):
    a, b = write(tmp_path / "a[1].parquet"), write(tmp_path / "sub" / "b.pq")
    assert find_files(a) == [a]
    assert find_files(str(tmp_path / "**" / "*.pq")) == [b]
    assert find_files([b, tmp_path / "a[[]1].parquet"]) == [b, a]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent.parquet", r"absent\.parquet: no such file or directory"),
        (lambda p: p / "*.nothing", "no file matches it as a glob"),
        (lambda p: [], "the list of paths is empty"),
        (lambda p: p, r"holds no \*\.parquet file"),
    ],
)
def test_nothing_found_is_a_clear_error(tmp_path, make, message):
    with pytest.raises(DataError, match=message):
        find_files(make(tmp_path))


def test_row_groups_sizes_and_encodings_are_known(tmp_path):
    table = pa.table({"a": np.arange(10.0), "b": np.arange(10.0)})
    plain = write(tmp_path / "a.parquet", table, row_group_size=4)
    split = write(
        tmp_path / "b.parquet", table, use_dictionary=False, column_encoding={"b": "BYTE_STREAM_SPLIT"}
    )
    footers, (schema, _) = read_footers([plain, split])
    assert footers[0].row_groups == (4, 4, 2)
    assert footers[0].n_rows == footers[1].n_rows == 10
    assert [footer.byte_stream_split for footer in footers] == [False, True]
    assert footers[0].version.size == os.path.getsize(plain)
    assert schema.names == ["a", "b"]


def test_footers_pickle_small(tmp_path):
    path = write(tmp_path / "a.parquet", pa.table({"a": np.arange(3_000)}), row_group_size=1)
    (footer,), _ = read_footers([path])
    data = pickle.dumps(footer)
    assert pickle.loads(data) == footer
    assert len(data) < 600


def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def no_footer_length(path):
    path.write_bytes(path.read_bytes()[:-4] + b"XXXX")


def scrambled_footer(path):
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[-8:-4], "little")
    data[-8 - length : -8] = bytes(255 - byte for byte in data[-8 - length : -8])
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1"),
        lambda path: path.write_text("a,b\n1,2\n" * 100),
        truncated,
        no_footer_length,
        scrambled_footer,
    ],
    ids=["empty", "four bytes", "csv", "truncated", "no magic", "scrambled footer"],
)
def test_a_damaged_file_is_named_with_a_remedy(tmp_path, damage):
    good = write(tmp_path / "good.parquet")
    bad = tmp_path / "bad.parquet"
    write(bad)
    damage(bad)
    with pytest.raises(
        DataError, match=r"bad\.parquet: not a readable Parquet file .*write it again"
    ) as caught:
        read_footers([good, str(bad)])
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = write(tmp_path / "a.parquet")
    os.chmod(path, 0)
    with pytest.raises(DataError, match="Permission denied"):
        read_footers([path])


def test_a_vanished_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.parquet: cannot be read \(No such file.*check the path"):
        read_footers([str(tmp_path / "gone.parquet")])


def test_order_nullability_and_metadata_of_columns_may_differ(tmp_path):
    one = write(tmp_path / "one.parquet")
    fields = [pa.field("b", pa.float64(), nullable=False), pa.field("a", pa.int64(), metadata={"unit": "cm"})]
    table = pa.table([pa.array([1.0]), pa.array([1])], schema=pa.schema(fields, metadata={"x": "y"}))
    source = ParquetSource([one, write(tmp_path / "two.parquet", table)])
    assert source.full_schema.names == ["a", "b"]
    assert source.full_schema.metadata is None
    assert source.shards[-1].first_row == 3


def test_files_of_one_schema_share_it(tmp_path):
    """Each schema takes 13 KB of 23 columns: 27 MB of 2,000 small files while they were looked at."""
    same = [write(tmp_path / f"{k}.parquet", pa.table({"a": [float(k)]})) for k in range(5)]
    other = write(tmp_path / "5.parquet", pa.table({"a": [1], "b": [2]}))
    last = write(tmp_path / "6.parquet", pa.table({"a": [2.0]}).replace_schema_metadata({"x": "y"}))
    _, schemas = read_footers([*same, other, last])
    assert len({id(schema) for schema in schemas}) == 3
    assert [schema.names for schema in schemas] == [["a"]] * 5 + [["a", "b"], ["a"]]
    assert (schemas[4], schemas[6].metadata) == (schemas[0], {b"x": b"y"})


def test_travels_with_its_absolute_path(tmp_path, monkeypatch):
    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    source = ParquetSource("a.parquet")
    assert source.paths == ["a.parquet"]
    assert pickle.loads(pickle.dumps(source)).paths == [str(tmp_path / "a.parquet")]


def test_a_slow_disk_is_told_ahead_and_no_thread_takes_footers_apart(tmp_path, monkeypatch):
    """A thread that does keeps memory of its own for it: sixty files took seventy megabytes."""
    files = [write(tmp_path / f"{k:02}.parquet") for k in range(planning.SLICE + 3)]
    told = []
    monkeypatch.setattr(planning, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(planning, "ThreadPoolExecutor", None)
    monkeypatch.setattr(local, "expect", lambda path, version, part, ranges: told.append((path, *ranges)))
    found, _ = read_footers(files)
    assert [footer.path for footer in found] == files
    assert told == [(path, (0, os.path.getsize(path))) for path in files[planning.SLICE :]]
