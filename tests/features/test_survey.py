from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.data.table import TableSource
from scalable.errors import DataError
from scalable.execution.reader import BlockReader
from scalable.execution.rounds import run_reduction
from scalable.execution.threads import Threads
from scalable.features.survey import Positions, SurveyReduction, sampled_positions
from scalable.features.target import Labels


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


def survey(source, n_sample=500):
    reduction = SurveyReduction(
        Positions.of(source),
        source.n_rows,
        n_sample,
        3,
        ("few", "many"),
        tuple(source.feature_names),
        source.target,
        True,
    )
    return run_reduction(Threads(2), reduction, BlockReader(source, block_rows=1000))


def test_a_survey_finds_levels_classes_and_the_sampled_rows():
    source = TableSource(table(), target="t")
    found = survey(source)
    assert found.levels["few"] == ("x", "y", "z")
    assert found.levels["many"] is None
    assert found.labels == Labels("t", ("no", "yes"))
    at = sampled_positions(0, 9000, 9000, 500, 3)
    sampled = np.concatenate([block.arrays["a"].to_numpy() for block in found.sample])
    assert np.array_equal(sampled, table()["a"].to_numpy()[at])


def test_a_split_source_is_sampled_within_its_own_rows():
    full = TableSource(table(40_000), target="t")
    kept, held = full.split(every=3)
    found = survey(kept, n_sample=10**6)
    assert sum(block.n_rows for block in found.sample) == kept.n_rows == full.n_rows - held.n_rows


def test_bad_targets_are_named():
    n = 50
    base = {"few": ["x"] * n, "many": ["y"] * n, "a": np.zeros(n)}
    for target, message in (
        ([1] * n, "one class only"),
        ([None] + [1] * (n - 1), "1 nulls"),
        ([float("nan")] + [1.0] * (n - 1), "NaN"),
    ):
        with pytest.raises(DataError, match=message):
            survey(TableSource(pa.table({**base, "t": target}), target="t"))
    many = {"few": ["x"] * 2000, "many": ["y"] * 2000, "a": np.zeros(2000), "t": np.arange(2000.0)}
    with pytest.raises(DataError, match="LGBMRegressor"):
        survey(TableSource(pa.table(many), target="t"))
