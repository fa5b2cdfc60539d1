"""Gaussian mixtures from Parquet beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import mixture
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.errors import DataError, UsageError
from scalable.inference import load_model
from scalable.mixture import GaussianMixture

SHAPES = ("full", "diag", "tied")


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([GaussianMixture(random_state=0)])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=4000, k=3, p=5, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    return apart * rng.normal(size=(k, p))[rng.integers(0, k, n)] + rng.normal(size=(n, p)) @ rng.normal(
        size=(p, p)
    )


def start(shape, k=3, p=5):
    means = np.random.default_rng(7).normal(size=(k, p))
    precisions = {"full": np.stack([np.eye(p)] * k), "diag": np.ones((k, p)), "tied": np.eye(p)}[shape]
    return {"weights_init": np.full(k, 1 / k), "means_init": means, "precisions_init": precisions}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("passes", [1, 2, 15])
def test_steps_are_scikit_learns(shape, passes):
    x, options = rows(), {"covariance_type": shape, "max_iter": passes, "tol": 0.0, **start(shape)}
    ours, theirs = GaussianMixture(3, **options).fit(x), mixture.GaussianMixture(3, **options).fit(x)
    for name in ("weights_", "means_", "covariances_", "precisions_", "lower_bound_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-10, err_msg=name
        )
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x), rtol=1e-9)
    np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
    assert ours.bic(x) == pytest.approx(theirs.bic(x))
    assert ours.aic(x) == pytest.approx(theirs.aic(x))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_likelihood_never_falls(shape):
    history = np.array(GaussianMixture(4, covariance_type=shape, tol=0.0, max_iter=40, random_state=0, reg_covar=0.0)
                       .fit(rows()).history_)  # fmt: skip
    assert (np.diff(history) > -1e-12).all()


@pytest.mark.parametrize("p", [1, 2, 4, 6])
def test_densities_are_scipys(p):
    x = rows(600, p=p)
    model = GaussianMixture(2, random_state=0, max_iter=200).fit(x)
    density = sum(
        w * stats.multivariate_normal(m, c).pdf(x)
        for w, m, c in zip(model.weights_, model.means_, model.covariances_, strict=True)
    )
    np.testing.assert_allclose(model.score_samples(x), np.log(density), rtol=1e-9)


def test_the_right_number_of_components_has_the_least_bic():
    x = rows(8000, k=3, apart=9.0, seed=3)
    scores = [GaussianMixture(k, random_state=0, n_init=3, max_iter=300).fit(x).bic(x) for k in (1, 2, 3, 4)]
    assert int(np.argmin(scores)) == 2


def test_source_saved_model_and_workers_agree(tmp_path, dask_client):
    x = rows(20_000)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({f"f{j}": x[:, j] for j in range(5)}), path, row_group_size=3000)
    source = ParquetSource(path)
    options = {"n_components": 3, "random_state": 1, "max_iter": 300}
    model = GaussianMixture(**options, n_workers=1).fit(source)
    for other in (GaussianMixture(**options, n_workers=2), GaussianMixture(**options, client=dask_client)):
        np.testing.assert_array_equal(other.fit(source).covariances_, model.covariances_)
    model.save(tmp_path / "m")
    loaded = GaussianMixture.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(source), model.predict_proba(source))
    assert loaded.history_ == model.history_
    predictor = load_model(tmp_path / "m")
    np.testing.assert_array_equal(predictor.predict(pq.read_table(path)), model.predict_proba(source))
    one = {f"f{j}": float(x[9, j]) for j in range(5)}
    np.testing.assert_array_equal(predictor.predict_one(one), model.predict_proba(source)[9])


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"n_components": 0}, UsageError, "n_components must be a whole number of 1 or more"),
        ({"n_components": 11}, DataError, "n_samples=10 rows are fewer"),
        ({"covariance_type": "spherical"}, UsageError, "covariance_type must be full, diag, tied"),
        ({"reg_covar": -1.0}, UsageError, "reg_covar must be finite and not negative"),
        ({"reg_covar": np.inf}, UsageError, "reg_covar must be finite and not negative"),
        ({"tol": np.nan}, UsageError, "tol must be finite and not negative"),
        ({"means_init": np.zeros((2, 2))}, UsageError, r"means_init must have shape \(1, 5\)"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(options, error, line):
    with pytest.raises(error, match=line):
        GaussianMixture(**options).fit(rows(10))


def test_singular_covariances_are_said_and_regularised():
    x = rows(200)
    x[:, 1] = x[:, 0]
    with pytest.raises(DataError, match=r"the covariance of component 0 is singular.*raise reg_covar"):
        GaussianMixture(1, reg_covar=0.0).fit(x)
    assert np.isfinite(GaussianMixture(1).fit(x).lower_bound_)
    with pytest.raises(DataError, match="beyond the range of floating point"), np.errstate(all="ignore"):
        GaussianMixture(1).fit(rows(200) * 1e200)


def test_too_few_passes_are_said():
    with pytest.warns(ConvergenceWarning, match="1 passes ended before the likelihood stood still"):
        GaussianMixture(3, max_iter=1, random_state=0).fit(rows())
