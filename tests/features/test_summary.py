from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.data.roles import Roles
from scalable.data.table import TableSource
from scalable.errors import DataError
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.features.profile import ProfileReduction
from scalable.features.row_sample import Positions, SampleReduction, sampled_blocks, sampled_positions
from scalable.features.summary import SummaryReduction, labels_of, summarize
from scalable.features.target import Labels
from scalable.features.target_summary import TargetReduction, check_classes


@given(
    st.integers(1, 5000),
    st.integers(1, 600),
    st.integers(0, 2**31),
    st.lists(st.integers(0, 5000), max_size=5),
)
def test_the_sample_does_not_depend_on_how_the_rows_are_cut(n_rows, n_sample, seed, cuts):
    whole = sampled_positions(0, n_rows, n_rows, n_sample, seed)
    edges = [0, *sorted(min(cut, n_rows) for cut in cuts), n_rows]
    parts = [sampled_positions(a, b, n_rows, n_sample, seed) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == min(n_rows, n_sample)
    assert (np.diff(whole) > 0).all()
    assert whole.min() >= 0
    assert whole.max() < n_rows


def test_the_sample_is_even_and_follows_the_seed():
    drawn = sampled_positions(0, 1_000_000, 1_000_000, 10_000, 7)
    counts = np.histogram(drawn, bins=10, range=(0, 1_000_000))[0]
    assert (counts == 1000).all()
    within = drawn % 100
    assert abs(within.mean() - 49.5) < 1.5
    assert not np.array_equal(drawn, sampled_positions(0, 1_000_000, 1_000_000, 10_000, 8))


def test_messages_name_the_dataset():
    rows = pa.table({"a": [1.0, 2.0], "c": [3, 3], "w": [0.0, 0.0]})
    weightless = TableSource(rows, target="c", weight="w")
    with pytest.raises(DataError, match=r"^the table: all sample weights are zero"):
        summarize(weightless, Threads(1), classify=True)
    constant = TableSource(rows, target="c", features=["a"])
    target = summarize(constant, Threads(1), classify=True).known_target
    with pytest.raises(DataError, match=r"^x.parquet: .*'c' has one class only \(3\)"):
        check_classes(target, "c", "x.parquet")


def table(n=9000):
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "a": rng.normal(size=n),
            "few": rng.choice(["x", "y", "z"], n, p=[0.7, 0.2, 0.1]),
            "many": [f"id{k}" for k in rng.integers(0, 3000, n)],
            "t": rng.choice(["no", "yes"], n),
        }
    )


def summary(source, n_sample=500):
    parts = SummaryReduction(
        ProfileReduction(("few", "many"), source.full_schema),
        TargetReduction(source.roles, True),
        SampleReduction(Positions.of(source), source.n_rows, n_sample, 3, tuple(source.feature_names)),
    )
    return run_reduction(Threads(2), parts, BlockReader(source, block_rows=1000))


def test_one_pass_finds_categories_classes_and_the_sampled_rows():
    source = TableSource(table(), target="t")
    found = summary(source)
    assert [value for value, _ in found.columns.columns["few"].levels] == ["x", "y", "z"]
    assert found.columns.columns["many"].levels is None
    assert labels_of(source, found.target, classify=True) == Labels("t", ("no", "yes"))
    at = sampled_positions(0, 9000, 9000, 500, 3)
    sampled = np.concatenate([block.arrays["a"].to_numpy() for block in found.sample])
    assert np.array_equal(sampled, table()["a"].to_numpy()[at])


@pytest.mark.parametrize(("n_sample", "least"), [(100, 60), (10_000, 1)])
def test_few_selected_rows_of_many_are_as_many_as_are_wanted(n_sample, least):
    """A share of a selection of one row in fifty would be two rows, on which no cluster or quantile can stand."""
    source, _ = TableSource(table(), target="t").split_rows(0.02, 0.98)
    rows = sum(raw.n_rows for shard in source.shards for raw in source.raw_blocks(shard))
    found = sum(block.n_rows for block in sampled_blocks(source, ("a",), n_sample, Threads(1)))
    assert min(rows, least) <= found <= min(rows, 2 * n_sample)
    assert n_sample < rows or found == rows


def test_a_split_source_is_sampled_within_its_own_rows():
    full = TableSource(table(40_000), target="t")
    kept, held = full.split(every=3)
    found = summary(kept, n_sample=10**6)
    assert sum(block.n_rows for block in found.sample) == kept.n_rows == full.n_rows - held.n_rows


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_nobody_asked_for_are_empty(parts):
    source = TableSource(table(), target="t")
    target = TargetReduction(Roles("t"), True) if parts > 1 else None
    sample = SampleReduction(Positions.of(source), 9000, 5, 0, ("a",)) if parts > 2 else None
    chosen = SummaryReduction(ProfileReduction(("a",), source.full_schema), target, sample)
    found = run_reduction(Threads(1), chosen, BlockReader(source))
    assert list(found.columns.columns) == ["a"]
    assert (found.target is not None, len(found.sample) > 0) == (parts > 1, parts > 2)


def test_few_rows_are_read_once_and_more_are_sampled(monkeypatch):
    source = TableSource(table(40_000), target="t")
    read = []
    blocks = TableSource.raw_blocks
    monkeypatch.setattr(
        TableSource, "raw_blocks", lambda self, shard, *a: read.append(shard) or blocks(self, shard, *a)
    )
    whole = summarize(source, Threads(1), classify=True)
    assert sum(shard.n_rows for shard in read) == source.n_rows  # of shards that are joined
    part = summarize(source, Threads(1), classify=True, max_rows=8000)
    assert part.target == whole.target
    assert part.columns.rows <= 8000 < whole.columns.rows


def test_the_single_mean_is_that_of_float32():
    rng = np.random.default_rng(2)
    y, w = rng.lognormal(size=9000), rng.random(9000)
    source = TableSource(pa.table({"x": y, "y": y, "w": w}), target="y", weight="w")
    found = run_reduction(
        Threads(2), TargetReduction(Roles("y", "w"), False, single=True), BlockReader(source)
    )
    label, weight = y.astype(np.float32), w.astype(np.float32)
    expected = (label * weight).sum(dtype=np.float64) / weight.sum(dtype=np.float64)
    assert found.single_mean == pytest.approx(expected, rel=1e-12)
    assert found.mean == pytest.approx(np.average(y, weights=w), rel=1e-12)


def test_bad_targets_are_named():
    n = 50
    base = {"few": ["x"] * n, "many": ["y"] * n, "a": np.zeros(n)}
    for target, message in (
        ([1] * 7 + [None] + [1] * (n - 8), "the table, row 7: target column 't' is null; remove"),
        ([0.0] * 9 + [float("nan")] + [1.0] * (n - 10), "the table, row 9: target column 't' is nan; remove"),
    ):
        with pytest.raises(DataError, match=message):
            summary(TableSource(pa.table({**base, "t": target}), target="t"))
    many = {"few": ["x"] * 2000, "many": ["y"] * 2000, "a": np.zeros(2000), "t": np.arange(2000.0)}
    with pytest.raises(DataError, match="train a regressor"):
        summary(TableSource(pa.table(many), target="t"))
