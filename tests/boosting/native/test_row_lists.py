"""Columns of mostly one value: rows list the other values only, and nobody can tell from a model."""

import numpy as np
import pytest

from scalable.boosting.native import bins
from scalable.boosting.native.boost import add_tree
from scalable.boosting.native.crew import Crew

RNG = np.random.default_rng(0)
N = 5000


@pytest.fixture(scope="module")
def rows():
    """Two dense columns; sparse ones of numbers, of two values, of missing ones, of few categories and of many."""
    X = np.where(RNG.random((N, 36)) < 0.06, RNG.normal(size=(N, 36)), 0.0)
    X[:, :2] = RNG.normal(size=(N, 2))
    X[:, 5] = X[:, 5] != 0
    X[X[:, 6] == 0, 6] = np.nan
    X[:, 7] = np.where(RNG.random(N) < 0.8, 3, RNG.integers(0, 9, N))
    X[:, 8] = np.where(RNG.random(N) < 0.75, 3, RNG.integers(0, 600, N))
    z = X[:, 0] + 2 * X[:, 2:].sum(axis=1, where=~np.isnan(X[:, 2:])) / 6 + (X[:, 7] == 5) + (X[:, 8] % 3)
    return X, (z + RNG.normal(size=N) > 1).astype(float), RNG.integers(1, 4, N)


CASES = {
    "binary": {},
    "multiclass": {"objective": "multiclass", "num_class": 2},
    "regression": {"objective": "regression", "max_bin": 500, "min_data_in_bin": 1},  # bins of two bytes, too
    "fractions": {"feature_fraction": 0.5, "feature_fraction_bynode": 0.7},
    "bags": {"bagging_freq": 1, "bagging_fraction": 0.5},
}


def fit(grown, rows, params, **more):
    X, y, weight = rows
    given = {"objective": "binary", "num_leaves": 15, "min_data_per_group": 10, **params}
    return grown(X, y, given, weight=weight, categorical=(7, 8), iterations=4, **more)


@pytest.mark.parametrize("params", CASES.values(), ids=CASES)
def test_lists_give_the_bits_of_all_values_visited(grown, rows, on_workers, monkeypatch, params):
    with monkeypatch.context() as patched:
        patched.setattr(bins, "LEAST_SAVED", np.inf)
        wanted = fit(grown, rows, params)
    listed = fit(grown, rows, params)
    assert not wanted.bins.listed.any()
    assert listed.bins.listed.sum() > 30
    assert listed.text == wanted.text
    used = {f for tree in wanted.trees for f in tree.features.tolist()}
    assert len(used & set(np.flatnonzero(listed.bins.listed))) > 5
    assert fit(grown, rows, params, threads=3).text == wanted.text
    workers = on_workers(2, lambda mesh: fit(grown, rows, params, mesh=mesh, threads=mesh.worker + 1))
    assert [one.text for one in workers] == [wanted.text] * 2
    np.testing.assert_array_equal(listed.booster.predict(rows[0], raw_score=True), listed.scores)


def test_blocks_that_are_flushed_are_completed_first(grown, monkeypatch):
    """More rows than a packed sum holds, nearly all of one bin."""
    rng = np.random.default_rng(1)
    X = (rng.random((40_000, 24)) < 0.03).astype(float)
    y = X @ rng.normal(size=24) + rng.normal(size=40_000)
    params = {"objective": "regression", "num_leaves": 8}
    listed = grown(X, y, params, iterations=2, threads=2)
    assert listed.bins.listed.all()
    monkeypatch.setattr(bins, "LEAST_SAVED", np.inf)
    assert listed.text == grown(X, y, params, iterations=2).text


def test_other_rows_walk_down_over_columns_of_either_kind(grown, rows):
    model = fit(grown, rows, {})
    held = model.rows.unscored(model.bins)
    with Crew(1) as crew:
        for tree in model.trees:
            add_tree(held, tree, 0, crew)
    np.testing.assert_array_equal(held.in_order([part.score for part in held.parts])[0], model.scores[:N])


def test_lists_take_no_more_memory_than_a_byte_a_value(grown, rows):
    part = fit(grown, rows, {}).rows.parts[0]
    lists, listed = part.lists.arrays, int((part.lists.layout(np.zeros((1, 0), np.int64)).place >= 0).sum())
    assert 0 < lists.ends.nbytes + lists.entries.nbytes <= listed * N
    assert part.planes[0].matrix.shape[1] < 8  # no second copy by row


def test_few_sparse_columns_are_kept_by_row(grown, rows):
    X, y, _ = rows
    assert not grown(X[:, :12], y, {"objective": "binary"}, iterations=1).bins.listed.any()
