import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.features.hashing import (
    LEAST_BUCKETS,
    MOST_BUCKETS,
    buckets_for,
    buckets_of,
    n_values,
    named_identifier,
)

N = 2**16


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_equal_integers_share_a_slot_whatever_their_type(dtype):
    values = [0, 1, -1, 127, -128]
    found = buckets_of(pa.array(values, dtype), N)
    assert np.array_equal(found, buckets_of(pa.array(values, pa.int64()), N))
    assert np.array_equal(found, buckets_of(pa.array([float(v) for v in values]), N))
    assert len(set(found.tolist())) == 5
    assert found.min() >= 0
    assert found.max() < N


def test_integers_that_no_float_tells_apart_have_buckets_of_their_own():
    values = np.arange(2**53, 2**53 + 1000)
    assert len(np.unique(buckets_of(pa.array(values), 2**20))) > 990
    with_null = buckets_of(pa.array([*values.tolist(), None]), 2**20)
    assert np.array_equal(with_null[:-1], buckets_of(pa.array(values), 2**20))
    assert with_null[-1] == 2**20
    large = np.arange(2**64 - 1000, 2**64 - 1, dtype=np.uint64)
    assert len(np.unique(buckets_of(pa.array(large), 2**20))) > 989
    whole = [2.0**63, 2.0**63 + 2.0**20]
    assert np.array_equal(
        buckets_of(pa.array(whole), N), buckets_of(pa.array([int(v) for v in whole], pa.uint64()), N)
    )


def test_nulls_anywhere_are_missing():
    array = pa.array([None, 5, None, 7, 5])
    for part in (array, array.slice(1), array.slice(2, 2)):
        missing = np.array([value is None for value in part.to_pylist()])
        assert np.array_equal(buckets_of(part, N) == N, missing)
    assert (buckets_of(pa.nulls(3, pa.int32()), N) == N).all()
    assert (buckets_of(pa.array([float("nan"), 1.0]), N) == N).tolist() == [True, False]
    assert len(buckets_of(pa.array([], pa.int64()), N)) == 0


def test_fractions_have_buckets_of_their_own():
    found = buckets_of(pa.array([0.5, -1e300, float("inf"), 1.0, 0.75]), N)
    assert len({*found.tolist()}) == 5
    assert found[0] == buckets_of(pa.array([0.5], pa.float32()), N)[0]


def test_texts_are_hashed_by_their_bytes_in_any_dictionary():
    texts = ["a", "größe", "", None, "a"]
    found = buckets_of(pa.array(texts).dictionary_encode(), N)
    other = buckets_of(pa.array(["zz", *texts]).dictionary_encode().slice(1), N)
    assert np.array_equal(found, other)
    assert found[0] == found[4]
    assert found[3] == N
    assert len(set(found.tolist())) == 4
    assert (buckets_of(pa.nulls(2, pa.dictionary(pa.int32(), pa.string())), N) == N).all()


def test_buckets_grow_with_rows_and_categories_between_bounds():
    assert buckets_for(0, 0) == buckets_for(1000, 1000) == LEAST_BUCKETS
    assert buckets_for(10**7, 70) == 2**18
    assert buckets_for(10**5, 10**4) == 2**19
    assert buckets_for(10**12, 70) == buckets_for(10**6, 10**6) == MOST_BUCKETS
    sizes = [buckets_for(k * 100_000, 70) for k in range(1000)]
    assert sizes == sorted(sizes)
    assert all(size & (size - 1) == 0 for size in sizes)


@pytest.mark.parametrize("text", [True, False])
def test_values_are_counted_exactly_where_all_rows_are_seen_and_estimated_elsewhere(text):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2_000, 40_000)
    values = pa.array([f"v{k}" for k in ids] if text else ids, mask=rng.random(40_000) < 0.1)
    source = TableSource(pa.table({"v": values, "y": ids}), "y")
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard, ("v",), 7_000)]
    assert n_values(blocks, "v", 36_000) == len(np.unique(ids))
    some = list(source.raw_blocks(source.shards[0], ("v",), 1_000))[:1]
    assert 1_200 < n_values(some, "v", 36_000) < 8_000
    assert n_values([], "v", 36_000) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", True),
        ("card_id", True),
        ("ZIP", True),
        ("user_key", True),
        ("paid", False),
        ("key_rate", False),
    ],
)
def test_names_tell_identifiers(name, expected):
    assert named_identifier(name) is expected
