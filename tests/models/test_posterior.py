"""Linear models with a posterior: scikit-learn's, SciPy's, and what their intervals promise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import integrate, optimize, special
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.bayes import BayesianLogisticRegression, BayesianRidge
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import DataError, UsageError
from scalable.inference import load_model


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([BayesianRidge(), BayesianLogisticRegression()])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=2000, p=5, seed=0, noise=0.7):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * rng.uniform(0.5, 3.0, p) + rng.normal(size=p)
    coef = rng.normal(size=p)
    return x, x @ coef + 2.0 + noise * rng.normal(size=n), coef


@pytest.mark.parametrize("n", [4, 2000])
@pytest.mark.parametrize(
    "options", [{}, {"fit_intercept": False}, {"lambda_1": 2.0, "alpha_2": 0.1, "tol": 1e-10}]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_scikit_learns(n, options, weighted):
    x, y, _ = rows(n)
    w = np.random.default_rng(1).random(n) + 0.5 if weighted else None
    ours = BayesianRidge(**options).fit(x, y, w)
    theirs = linear_model.BayesianRidge(compute_score=True, **options).fit(x, y, w)
    for name in ("coef_", "intercept_", "alpha_", "lambda_", "sigma_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-6, atol=1e-9, err_msg=name
        )
    assert ours.n_iter_ == theirs.n_iter_
    if n > x.shape[1]:  # theirs counts the determinant otherwise where rows are few
        np.testing.assert_allclose(ours.scores_[:-1], theirs.scores_[:-1], rtol=1e-8)
    for mine, their in zip(ours.predict(x, return_std=True), theirs.predict(x, return_std=True), strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-6, atol=1e-9)


def test_updates_that_end_early_say_so():
    x, y, _ = rows(50)
    assert BayesianRidge().fit(x, y).converged_
    with pytest.warns(ConvergenceWarning, match="BayesianRidge has not converged: 1 updates"):
        assert not BayesianRidge(max_iter=1).fit(x, y).converged_


def test_large_targets_are_learned():
    x, y, _ = rows()
    for scale in (1e6, 1e12):  # where all of scikit-learn's coefficients are 0
        scaled = BayesianRidge().fit(x, y * scale)
        np.testing.assert_allclose(scaled.coef_ / scale, BayesianRidge().fit(x, y).coef_, rtol=1e-4)
    with pytest.raises(DataError, match="scale the target"), np.errstate(all="ignore"):
        BayesianRidge().fit(x, y * 1e160)


def test_intervals_cover_what_they_promise():
    held, inside = [], []
    for seed in range(60):
        x, y, coef = rows(60, 3, seed)
        model = BayesianRidge().fit(x[:40], y[:40])
        low, high = model.predict_interval(x[40:], 0.9).T
        held.append(((y[40:] >= low) & (y[40:] <= high)).mean())
        low, high = model.credible_intervals(0.9).T
        inside.append(((coef >= low) & (coef <= high)).mean())
    assert 0.86 < np.mean(held) < 0.94
    assert 0.83 < np.mean(inside) < 0.96


def labels(n=400, seed=0):
    x, z, _ = rows(n, 3, seed)
    return x, (np.random.default_rng(seed).random(n) < special.expit(z - z.mean())).astype(int)


@pytest.mark.parametrize("prior", [0.1, 10.0])
def test_the_mode_its_covariance_and_its_evidence(prior):
    x, y = labels()
    model = BayesianLogisticRegression(prior=prior).fit(x, y)
    theirs = linear_model.LogisticRegression(C=1.0 / prior, tol=1e-12, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_[0], rtol=1e-6)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_[0], rtol=1e-6)
    z = np.column_stack([x, np.ones(len(x))])
    p = special.expit(z @ np.r_[model.coef_, model.intercept_])
    hessian = (z.T * (p * (1.0 - p))) @ z + np.diag([prior] * 3 + [0.0])
    np.testing.assert_allclose(model.sigma_, np.linalg.inv(hessian), rtol=1e-6, atol=1e-12)


def test_the_evidence_is_nearly_the_integral_and_the_learned_prior_its_top():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 1))
    y = (rng.random(80) < special.expit(1.2 * x[:, 0])).astype(int)

    def joint(b, w, prior=1.0):
        z = w * x[:, 0] + b
        likelihood = (y * z - np.logaddexp(0.0, z)).sum() + 50.0
        return np.exp(likelihood - 0.5 * prior * w * w) * np.sqrt(prior / (2.0 * np.pi))

    exact, _ = integrate.dblquad(joint, -3.0, 5.0, -3.0, 3.0)
    model = BayesianLogisticRegression(prior=1.0).fit(x, y)
    assert model.evidence_ == pytest.approx(np.log(exact) - 50.0, abs=0.05)
    x, y = labels()
    learned = BayesianLogisticRegression().fit(x, y)
    top = optimize.minimize_scalar(
        lambda log: -float(BayesianLogisticRegression(prior=float(np.exp(log))).fit(x, y).evidence_),
        (-2.0, 2.0),
    )
    assert np.log(learned.prior_precision_) == pytest.approx(top.x, abs=0.1)
    assert learned.evidence_ >= -top.fun - 1e-2


def test_far_from_the_rows_it_is_less_sure_than_the_mode():
    x, y = labels(40)
    model = BayesianLogisticRegression().fit(x, y)
    z = x @ model.coef_ + model.intercept_
    sure, averaged = special.expit(z), model.predict_proba(x)[:, 1]
    assert (np.abs(averaged - 0.5) <= np.abs(sure - 0.5) + 1e-12).all()
    low, high = model.credible_intervals(0.5).T
    np.testing.assert_allclose((low + high) / 2.0, model.coef_)


@pytest.mark.parametrize("learner", ["bayesian-ridge", "bayesian-logistic"])
def test_source_saved_model_workers_and_command_line_agree(learner, tmp_path, dask_client, capsys):
    x, y, _ = rows(20_000)
    if learner.endswith("logistic"):
        y = (y > y.mean()) ^ (np.random.default_rng(0).random(len(y)) < 0.2)
    data, path = str(tmp_path / "rows.parquet"), str(tmp_path / "m")
    pq.write_table(pa.table({**{f"f{j}": x[:, j] for j in range(5)}, "y": y}), data, row_group_size=3000)
    source = ParquetSource(data, target="y")
    make = BayesianRidge if learner == "bayesian-ridge" else BayesianLogisticRegression
    models = [make(n_workers=n).fit(source) for n in (1, 2)] + [make(client=dask_client).fit(source)]
    for model in models[1:]:
        np.testing.assert_array_equal(model.sigma_, models[0].sigma_)
    assert run(build(), ["train", learner, data, "--target", "y", "--model", path]) == 0
    loaded = make.load(path)
    np.testing.assert_array_equal(loaded.coef_, models[0].coef_)
    predictor = load_model(path)
    found = predictor.predict(pq.read_table(data).drop(["y"]))
    expected = loaded.predict(source) if make is BayesianRidge else loaded.predict_proba(source)[:, 1]
    np.testing.assert_array_equal(found, expected)
    assert predictor.predict_one({f"f{j}": float(x[7, j]) for j in range(5)}) == expected[7]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("model", "error", "line"),
    [
        (BayesianRidge(alpha_init=-1.0), UsageError, "positive and finite, not"),
        (BayesianRidge(max_iter=0), UsageError, "max_iter must be a whole number of 1 or more"),
        (BayesianLogisticRegression(prior=0.0), UsageError, "prior must be a positive precision"),
    ],
)
def test_impossible_parameters_are_refused(model, error, line):
    x, y = labels(20)
    with pytest.raises(error, match=line):
        model.fit(x, y)
    with pytest.raises(UsageError, match="level must be between"):
        BayesianRidge().fit(x, y).predict_interval(x, 1.5)


def test_a_missing_value_and_three_classes_are_refused():
    x, _ = labels(30)
    with pytest.raises(DataError, match="row 1: column 'a' has no value"):
        BayesianRidge().fit(pa.table({"a": [1.0, None, 3.0]}), [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="Only binary classification"):
        BayesianLogisticRegression().fit(x, np.arange(30) % 3)


def test_columns_that_tell_nothing_leave_no_covariance():
    with pytest.raises(DataError, match="the posterior has no covariance"):
        BayesianLogisticRegression().fit(np.ones((40, 2)), np.arange(40) % 2)
