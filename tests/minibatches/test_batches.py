"""Mini-batches: every row once, the same bits for any threads, resumable, shared by ranks, well shuffled."""

import json
import os
import tracemalloc
import weakref

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource, batches
from scalable.errors import DataError, UsageError
from scalable.minibatches.mix import Mix

ROWS = 20_000


def table(n=ROWS):
    """Sorted by ``row``, which is also the target; a number, a gap in it, a category."""
    random = np.random.default_rng(0)
    x = random.normal(size=n).astype(np.float32)
    gaps = random.normal(size=n)
    gaps[random.random(n) < 0.1] = np.nan
    kind = pa.array([f"k{k}" for k in random.integers(0, 5, n)]).dictionary_encode()
    return pa.table({"x": x, "gaps": gaps, "kind": kind, "row": np.arange(n), "w": np.arange(n) % 3 + 1.0})


@pytest.fixture(scope="module", params=["none", "zstd", "snappy"])
def files(request, tmp_path_factory):
    """One dataset, in two files, under three codecs."""
    folder = tmp_path_factory.mktemp(request.param)
    whole = table()
    for k, (start, stop) in enumerate([(0, 12_345), (12_345, ROWS)]):
        pq.write_table(
            whole.slice(start, stop - start),
            folder / f"{k}.parquet",
            compression=request.param,
            row_group_size=4_000,
            use_dictionary=["kind"],
        )
    return str(folder)


def source_of(files, **roles):
    return ParquetSource(files, target="row", weight="w", **roles)


def rows_of(loader):
    return [batch.y.astype(int) for batch in loader]


def same(one, other):
    return all(
        all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))
        for left, right in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_row_once_with_what_belongs_to_it(files, shuffle):
    loader = batches(source_of(files), 256, shuffle=shuffle, buffer_rows=4_000, n_workers=2)
    found = list(loader)
    rows = np.concatenate([batch.y for batch in found]).astype(int)
    assert len(found) == len(loader) == -(-ROWS // 256)
    assert np.array_equal(np.sort(rows), np.arange(ROWS))
    assert np.array_equal(rows, np.arange(ROWS)) is not shuffle
    assert np.array_equal(np.concatenate([batch.weight for batch in found]), rows % 3 + 1)
    # The encoder itself, row by row.
    raw = next(iter(source_of(files).raw_blocks(source_of(files).shards[0])))
    block = loader.encoder.encode(raw)
    place = np.argsort(rows)[: raw.n_rows]
    X = np.concatenate([batch.X for batch in found])
    assert X.dtype == np.float32
    assert np.array_equal(X[place], block.columns.T)
    assert np.array_equal(np.concatenate([batch.ids for batch in found])[place], block.ids.T)


def test_threads_do_not_change_a_bit_and_epochs_and_seeds_do(files):
    one, two = (batches(source_of(files), 500, buffer_rows=3_000, n_workers=n) for n in (1, 3))
    first, second = list(one), list(one)
    assert same(first, two)
    assert same(second, two)
    assert not np.array_equal(first[0].y, second[0].y)
    other = batches(source_of(files), 500, seed=1, buffer_rows=3_000)
    assert not np.array_equal(first[0].y, next(iter(other)).y)


@pytest.mark.parametrize("stop", [1, 13, 40])
def test_the_middle_of_an_epoch_goes_on_from_a_state_that_went_through_json(files, stop):
    whole = batches(source_of(files), 500, seed=3, buffer_rows=3_000)
    expected = list(whole) + list(whole)
    broken = batches(source_of(files), 500, seed=3, buffer_rows=3_000)
    walk = iter(broken)
    for _ in range(stop):
        next(walk)
    state = json.loads(json.dumps(broken.state_dict()))
    walk.close()
    other = batches(source_of(files), 500, seed=3, buffer_rows=3_000, n_workers=1)
    other.load_state_dict(state)
    rest = list(other)
    rest += list(other) if len(rest) < 80 - stop else []
    assert same(expected[stop:], rest)


def test_a_state_of_something_else_is_refused(files):
    state = batches(source_of(files), 500).state_dict()
    for other in (
        batches(source_of(files), 400),
        batches(source_of(files), 500, seed=1),
        batches(source_of(files, features=["x"]), 500),
    ):
        with pytest.raises(UsageError, match=r"other batches: (size|seed|data) was"):
            other.load_state_dict(state)
    with pytest.raises(UsageError, match="step 41 of 40"):
        batches(source_of(files), 500).load_state_dict({**state, "step": 41})


@pytest.mark.parametrize("world_size", [2, 3, 7])
@pytest.mark.parametrize("drop_last", [True, False])
def test_ranks_share_an_epoch_and_have_as_many_steps(files, world_size, drop_last):
    ranks = [
        batches(
            source_of(files), 300, rank=rank, world_size=world_size, drop_last=drop_last, buffer_rows=2_000
        )
        for rank in range(world_size)
    ]
    found = [rows_of(loader) for loader in ranks]
    assert len({len(some) for some in found}) == 1
    rows = np.concatenate([row for some in found for row in some])
    assert len(np.unique(rows)) == len(rows)
    if drop_last:
        assert len(rows) == world_size * 300 * (ROWS // world_size // 300)
        assert all(len(batch) == 300 for some in found for batch in some)
    else:
        assert len(rows) == ROWS
        assert all(len(batch) == 300 for some in found for batch in some[:-2])
    for some in found:  # each sees the whole range
        assert abs(np.mean(some[0]) - ROWS / 2) < 6 * ROWS / 12**0.5 / 300**0.5


def test_a_rank_that_lacks_a_row_leaves_one_for_the_last_step(tmp_path):
    pq.write_table(table(201), tmp_path / "a.parquet")  # 101 and 100 rows: two steps and one, of 100
    sizes = [
        [len(batch.y) for batch in batches(source_of(str(tmp_path)), 100, rank=rank, world_size=2)]
        for rank in (0, 1)
    ]
    assert sorted(sizes) == [[99, 1], [100, 1]]
    with pytest.raises(UsageError, match="batches of one"):
        batches(source_of(str(tmp_path)), 1, world_size=2)


def test_selected_rows_are_counted_and_shared(files):
    source = source_of(files, filters=[("row", ">=", 5_000)]).split_rows(0.7, 0.3)[0]
    whole = np.concatenate(rows_of(batches(source, 256, buffer_rows=2_000)))
    halves = [
        np.concatenate(rows_of(batches(source, 256, rank=rank, world_size=2, buffer_rows=2_000)))
        for rank in (0, 1)
    ]
    assert whole.min() >= 5_000
    assert 0.65 < len(whole) / 15_000 < 0.75
    assert np.array_equal(np.sort(whole), np.sort(np.concatenate(halves)))
    assert abs(len(halves[0]) - len(halves[1])) <= 1


def test_the_quality_of_the_shuffle_is_what_it_says(tmp_path):
    n = 200_000
    pq.write_table(
        pa.table({"x": np.arange(n) % 7, "row": np.arange(n)}), tmp_path / "a.parquet", compression="none"
    )
    loader = batches(ParquetSource(str(tmp_path), target="row"), 100, buffer_rows=20_000)
    said = loader.quality()
    assert (said.mixes, said.rows) == (10, 20_000)
    means, neighbours = [], 0
    for _ in range(4):
        for batch in loader:
            means.append(batch.y.mean())
            neighbours += (np.diff(np.sort(batch.y)) == 1).sum()
    perfect = n / 12**0.5 / 100**0.5
    assert 0.99 < said.deviation < 1.02
    assert np.std(means) / perfect == pytest.approx(said.deviation, rel=0.06)
    assert neighbours / (4 * 2_000 * 99 * 100 / n) == pytest.approx(said.neighbours, rel=0.1)
    poor = batches(ParquetSource(str(tmp_path), target="row"), 100, shuffle=False, buffer_rows=20_000)
    assert poor.quality().deviation > 3.0  # and within a mix the order is that of the file


def test_arrays_frames_and_classes():
    X = np.random.default_rng(0).normal(size=(500, 3))
    found = list(batches(X, 128, y=np.array(["b", "a"] * 250)))
    assert found[0].y.dtype == np.int64
    assert sum(batch.y.sum() for batch in found) == 250
    assert next(iter(batches(X, 128, y=np.arange(500) % 2, classify=True))).y.dtype == np.int64
    loader = batches(X, 128)
    assert next(iter(loader)).y is None
    assert loader.classes is None


def test_batches_give_dlpack_and_belong_to_who_has_them():
    X = np.random.default_rng(0).normal(size=(4_000, 3))
    kept = []
    for batch in batches(X, 128, buffer_rows=256):
        assert np.from_dlpack(batch.X).base is not None
        X = batch.X
        X += 1.0  # writable, and nobody else's
        kept.append((X, X.copy()))
    assert all(np.array_equal(a, b) for a, b in kept)
    assert sum(len(a) for a, _ in kept) == 4_000


def test_bad_values_and_files_that_change_are_told(tmp_path):
    data = table(3_000)
    column = data["x"].to_numpy().copy()
    column[2_500] = np.inf
    pq.write_table(data.set_column(0, "x", pa.array(column)), tmp_path / "a.parquet")
    source = source_of(str(tmp_path))
    with pytest.raises(DataError, match=r"a.parquet, row 2,500: column 'x' is inf; clean"):
        batches(source, 100)
    encoder = batches(source_of(str(tmp_path), filters=[("row", "<", 2_000)]), 100).encoder
    with pytest.raises(DataError, match=r"row 2,500: column 'x' is inf"):
        list(batches(source, 100, encoder=encoder))
    loader = batches(source_of(str(tmp_path), features=["gaps"]), 100)
    os.truncate(tmp_path / "a.parquet", 100)
    with pytest.raises(DataError):
        list(loader)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of 0 or more"),
        ({"rank": 2, "world_size": 2}, "rank must be in"),
        ({"size": 600, "drop_last": True}, "fewer than a batch"),
        ({"world_size": 501}, "500 rows for 501 ranks"),
        ({"buffer_rows": 0}, "buffer_rows must be"),
    ],
)
def test_parameters_that_are_off(given, message):
    with pytest.raises(UsageError, match=message):
        batches(np.random.default_rng(0).normal(size=(500, 3)), **given)


def test_what_is_done_goes_before_the_next_takes_memory(files, monkeypatch):
    alive, most, submit = weakref.WeakSet(), [], Mix.submit

    def counted(mix, pool):
        submit(mix, pool)
        alive.add(mix)
        most.append(len(alive))

    monkeypatch.setattr(Mix, "submit", counted)
    for _ in batches(source_of(files), 300, buffer_rows=4_000, n_workers=2):
        pass
    assert len(most) == 5
    assert max(most) == 2


def test_memory_does_not_grow_with_rows(tmp_path):
    def peak(n):
        pq.write_table(table(n), tmp_path / f"{n}.parquet", compression="none", row_group_size=5_000)
        loader = batches(source_of(str(tmp_path / f"{n}.parquet")), 500, buffer_rows=5_000, n_workers=1)
        found = []
        # the least: the first makes what stays, and other threads of the process are counted too
        for _ in range(2):
            tracemalloc.start()
            for _ in loader:
                pass
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return min(found)

    # What grows is the plan, by part and not by row: about a byte a row where buffers are as small as here. One buffer
    # more (.3 MB) is ready or not, as threads take turns. The rows themselves would be 28 bytes each.
    assert peak(100_000) - peak(20_000) < 3 * 80_000 + 350_000
