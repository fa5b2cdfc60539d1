import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable import ParquetSource
from scalable.errors import DataError


def table(rows, start=0):
    i = np.arange(start, start + rows)
    return pa.table(
        {
            "i": i,
            "x": (i * 0.5).astype(np.float32),
            "t": pa.array([str(k % 5) for k in i], pa.string()),
            "y": (i % 2).astype(np.int8),
        }
    )


@pytest.fixture
def source(tmp_path):
    """9,000 rows in three files, one of them without rows, one with its columns in another order."""
    pq.write_table(table(5_000), tmp_path / "a.parquet", row_group_size=400)
    pq.write_table(table(0), tmp_path / "b.parquet")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    other = table(4_000, 5_000).select(["y", "t", "x", "i"])
    pq.write_table(other, tmp_path / "deep" / "er" / "c.parquet", row_group_size=10_000)
    (tmp_path / ".hidden.parquet").write_bytes(b"not parquet")
    return ParquetSource(tmp_path, target="y")


def values(source, name, **options):
    return [
        value
        for shard in source.shards
        for block in source.raw_blocks(shard, **options)
        for value in block.arrays[name].to_pylist()
    ]


def test_the_plan_and_the_roles(source):
    assert source.n_rows == 9_000
    assert source.feature_names == ["i", "x", "t"]
    assert source.needed == ["i", "x", "t", "y"]
    assert source.schema == pa.schema([("i", pa.int64()), ("x", pa.float32()), ("t", pa.string())])
    assert source.field_type("y") == pa.int8()
    assert [path.rsplit("/", 1)[1] for path in source.paths] == ["a.parquet", "b.parquet", "c.parquet"]
    assert repr(source).endswith("target='y', rows=9,000, features=3, shards=3)")
    assert "3 files" in source.describe_place()


def test_blocks_hold_every_row_in_order_whatever_their_size(source):
    for block_rows in (1, 64, 1_000, 2**17):
        for name, expected in (("i", list(range(9_000))), ("y", [k % 2 for k in range(9_000)])):
            assert values(source, name, columns=[name], block_rows=block_rows) == expected


def test_block_boundaries_come_from_row_indices(source):
    for shard in source.shards:
        firsts = [block.first_row for block in source.raw_blocks(shard, block_rows=300)]
        assert firsts == list(range(shard.first_row, shard.first_row + shard.n_rows, 300))
        for block in source.raw_blocks(shard, block_rows=300):
            assert block.n_rows == len(block.arrays["i"])
            assert block.arrays["i"][0].as_py() == block.first_row


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 500)), min_size=1, max_size=4),
    block_rows=st.integers(1, 700),
)
def test_any_layout_reads_as_one_table(tmp_path, sizes, block_rows):
    for file in tmp_path.glob("*.parquet"):
        file.unlink()
    total = 0
    for k, (rows, group) in enumerate(sizes):
        pq.write_table(table(rows, total), tmp_path / f"{k}.parquet", row_group_size=group)
        total += rows
    if total == 0:
        with pytest.raises(DataError, match="the dataset has no rows"):
            ParquetSource(tmp_path)
        return
    source = ParquetSource(tmp_path)
    assert values(source, "i", block_rows=block_rows) == list(range(total))
    assert source.sequential == any(
        shard.row_stop not in np.cumsum(source.footers[shard.file].row_groups) for shard in source.shards
    )


def test_only_the_columns_asked_for_are_decoded(source):
    block = next(source.raw_blocks(source.shards[0], columns=["t", "i"]))
    assert list(block.arrays) == ["t", "i"]
    assert list(next(source.raw_blocks(source.shards[0])).arrays) == source.needed


def test_split_is_disjoint_complete_and_independent_of_features(tmp_path):
    pq.write_table(table(100_000), tmp_path / "a.parquet", row_group_size=1_000)
    source = ParquetSource(tmp_path, target="y")
    train, held = source.split(every=5, offset=2)
    assert {shard.index for shard in train.shards} | {shard.index for shard in held.shards} == {
        shard.index for shard in source.shards
    }
    assert all(shard.index % 5 == 2 for shard in held.shards)
    assert train.n_rows + held.n_rows == 100_000
    assert 0.15 < held.n_rows / 100_000 < 0.25
    assert source.with_features(["x"]).split(every=5, offset=2)[1].shards == held.shards
    inner, _ = train.split(every=4)  # a split of a split keeps the shards' own numbers
    assert {shard.index for shard in inner.shards} < {shard.index for shard in train.shards}
    assert values(held, "i") == [i for s in held.shards for i in range(s.first_row, s.first_row + s.n_rows)]


def test_too_few_shards_to_split_is_a_clear_error(tmp_path):
    pq.write_table(table(100), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"1 shards of 100 rows are too few to hold out one in 5; give the held-out"
    ):
        ParquetSource(tmp_path).split()


def test_views_do_not_change_the_source(source):
    prediction = source.without_target()
    assert prediction.target is None
    assert prediction.needed == ["i", "x", "t"]
    assert source.with_features(["x"]).needed == ["x", "y"]
    assert source.target == "y"
    with pytest.raises(DataError, match="no feature column 'z'"):
        source.with_features(["z"])


def test_a_source_is_small_and_survives_pickling(source):
    data = pickle.dumps(source)
    assert len(data) < 3_000
    assert values(pickle.loads(data), "i") == list(range(9_000))


def test_what_is_sent_to_a_worker_decodes_its_shards_only(source):
    sent = pickle.loads(pickle.dumps(source.only(source.shards[2:])))
    assert sent.shards == ()
    assert list(sent.footers) == [2]
    (block,) = sent.raw_blocks(source.shards[2])
    assert block.arrays["i"].to_pylist() == list(range(5_000, 9_000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, r"a\.parquet: there is no target column 'Y'"),
        ({"target": "y", "features": ["i", "xx"]}, "no feature column 'xx'"),
        ({"target": "y", "weight": "t"}, "weight column 't' is string"),
    ],
)
def test_roles_are_checked_when_planning(tmp_path, options, message):
    pq.write_table(table(10), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        ParquetSource(tmp_path, **options)


def test_empty_datasets_and_directories_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"holds no \*\.parquet file"):
        ParquetSource(tmp_path)
    pq.write_table(table(0), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a\.parquet: the dataset has no rows; check that its writer finished"
    ):
        ParquetSource(tmp_path)


def test_a_file_that_vanishes_between_shards_is_named(source):
    os.unlink(source.paths[2])
    assert next(source.raw_blocks(source.shards[0])).n_rows
    with pytest.raises(DataError, match=r"c\.parquet: the file vanished after planning"):
        next(source.raw_blocks(source.shards[2]))


@pytest.mark.shared_data
def test_real_datasets_read_as_pyarrow_reads_them(shared_data):
    for path in sorted(shared_data.glob("*.parquet")):
        source = ParquetSource(path)
        whole = pq.read_table(path)
        assert source.n_rows == whole.num_rows
        for shard in (source.shards[0], source.shards[-1]):
            (block,) = source.raw_blocks(shard)
            expected = whole.slice(shard.first_row, shard.n_rows)
            for name, array in block.arrays.items():
                decoded = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
                assert decoded.cast(expected[name].type).equals(expected[name].combine_chunks()), name
