"""k-means from Parquet beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.errors import DataError, DataWarning, UsageError
from scalable.inference import load_model
from scalable.kernels import clusters
from scalable.mixture import KMeans


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([KMeans(n_clusters=2, random_state=0)])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=5000, k=4, p=3, seed=0, apart=6.0):
    rng = np.random.default_rng(seed)
    return apart * rng.normal(size=(k, p))[rng.integers(0, k, n)] + rng.normal(size=(n, p)) + 100.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("passes", [1, 3, 10])
def test_iterations_are_scikit_learns(passes):
    x = rows(apart=1.0)
    start = x[:4].copy()
    ours = KMeans(4, init=start, max_iter=passes, tol=0.0).fit(x)
    theirs = cluster.KMeans(4, init=start, max_iter=passes, tol=0.0, n_init=1, algorithm="lloyd").fit(x)
    assert ours.n_iter_ == theirs.n_iter_ == passes
    assert not ours.converged_
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10)


def test_too_few_passes_are_said():
    with pytest.warns(ConvergenceWarning, match="1 passes ended before the centers stood still"):
        KMeans(4, max_iter=1, random_state=0).fit(rows(apart=1.0))


@pytest.mark.parametrize("seed", range(3))
def test_clusters_far_apart_are_found(seed):
    x = rows(apart=20.0, seed=seed)
    ours = KMeans(4, random_state=0, n_init=5).fit(x)
    theirs = cluster.KMeans(4, random_state=0, n_init=5).fit(x)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-6)
    np.testing.assert_allclose(ours.transform(x).min(axis=1), theirs.transform(x).min(axis=1), rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 511, 512, 513, 2000])
@pytest.mark.parametrize("k", [1, 3])
def test_the_kernel_is_plain_numpy(n, k):
    rng = np.random.default_rng(n)
    x, centers = rng.normal(size=(5, n)), rng.normal(size=(k, 5))
    nearest, squares = np.empty(n, np.int64), np.empty(n)
    clusters.nearest_centers(x, centers, nearest, squares)
    distance = ((x.T[:, None] - centers) ** 2).sum(axis=2)
    np.testing.assert_array_equal(nearest, distance.argmin(axis=1))
    np.testing.assert_allclose(squares, distance.min(axis=1), rtol=1e-12)
    counts, sums = np.zeros(k), np.zeros((k, 5))
    clusters.add_to_clusters(x, nearest, centers, counts, sums)
    for c in range(k):
        rows_of = x[:, nearest == c]
        assert counts[c] == rows_of.shape[1]
        np.testing.assert_allclose(sums[c], (rows_of - centers[c][:, None]).sum(axis=1), atol=1e-10)


def test_a_cluster_without_rows_is_moved_to_the_farthest():
    x = rows(apart=20.0)
    start = np.vstack([x[:3], [[1e6, 1e6, 1e6]]])
    found = KMeans(4, init=start).fit(x)
    assert np.bincount(found.predict(x), minlength=4).min() > 0


def test_source_saved_model_and_workers_agree(tmp_path, dask_client):
    x = rows(20_000)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({f"f{j}": x[:, j] for j in range(3)}), path, row_group_size=3000)
    source = ParquetSource(path)
    model = KMeans(4, random_state=1, n_workers=1).fit(source)
    assert not hasattr(model, "labels_")
    for other in (KMeans(4, random_state=1, n_workers=2), KMeans(4, random_state=1, client=dask_client)):
        np.testing.assert_array_equal(other.fit(source).cluster_centers_, model.cluster_centers_)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(KMeans.load(tmp_path / "m").predict(source), model.predict(source))
    np.testing.assert_array_equal(
        load_model(tmp_path / "m").predict(pq.read_table(path)), model.predict(source)
    )


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"n_clusters": 0}, UsageError, "n_clusters must be a whole number of 1 or more"),
        ({"n_clusters": 11}, DataError, "n_samples=10 rows are fewer than the 11 clusters"),
        ({"init": "random"}, UsageError, "init must be 'k-means"),
        ({"init": np.zeros((2, 2))}, UsageError, r"init must have shape \(8, 3\)"),
        ({"max_iter": 0}, UsageError, "max_iter must be a whole number of 1 or more"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(options, error, line):
    with pytest.raises(error, match=line):
        KMeans(**options).fit(rows(10))


def test_labels_are_those_of_the_last_fit(tmp_path):
    x = rows(2_000)
    model = KMeans(4, random_state=0)
    np.testing.assert_array_equal(model.fit_predict(x), model.labels_)
    pq.write_table(pa.table({f"f{j}": x[:, j] for j in range(3)}), tmp_path / "rows.parquet")
    source = ParquetSource(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(model.fit_predict(source), model.predict(source))
    assert not hasattr(model, "labels_")


def test_a_missing_value_is_named_by_its_column(tmp_path):
    model = KMeans(2, random_state=0).fit(pa.table({"a": [1.0, 2.0, 8.0], "b": [1.0, 2.0, 9.0]}))
    model.save(tmp_path / "m")
    predictor = load_model(tmp_path / "m")
    with pytest.raises(DataError, match="row 1: column 'b' has no value"):
        model.transform(pa.table({"a": [1.0, 2.0], "b": [1.0, None]}))
    with pytest.raises(DataError, match="column 'a' has no value"):
        predictor.predict_one({"a": None, "b": 1.0})


@pytest.mark.parametrize("filters", [None, [("b", "<", 41_000.0)]])
def test_a_bad_value_of_a_sample_is_named_by_its_own_row(tmp_path, filters):
    n = 45_000  # of which 32,768 are sampled
    a = np.arange(n, dtype=np.float64)
    a[40_000:] = np.inf
    pq.write_table(
        pa.table({"a": a, "b": np.arange(n) * 1.0}), tmp_path / "rows.parquet", row_group_size=7_000
    )
    source = ParquetSource(tmp_path / "rows.parquet", filters=filters)
    with pytest.raises(DataError, match=r"rows\.parquet, row 40,00\d: column 'a' is inf .*; clean it"):
        KMeans(2, random_state=0).fit(source)


def test_more_clusters_than_distinct_rows_converge_and_say_so():
    x = np.repeat([[0.0, 1.0], [2.0, 3.0]], 20, axis=0)
    with pytest.warns(DataWarning, match="2 of 4 clusters have a center of their own"):
        model = KMeans(4, random_state=0).fit(x)
    assert model.converged_
    assert model.inertia_ == 0.0


def test_squares_beyond_floating_point_are_refused():
    with pytest.raises(DataError, match="beyond the range of floating point"), np.errstate(all="ignore"):
        KMeans(2, random_state=0).fit(1e200 * rows(50))
