"""No configuration and no unit of a column may lead to NaN or to a bad model in silence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from scalable.errors import ScalableError
from scalable.kernels.linear.losses import LOSSES
from scalable.kernels.linear.optimizers import OPTIMIZERS
from scalable.linear import LogisticRegression, SGDClassifier, SGDRegressor

# Passes are few here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("solver", ["sgd", "newton"])
@pytest.mark.parametrize("seed", range(3))
def test_units_of_columns_do_not_matter(solver, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(8000, 6)) + rng.normal(size=6)
    y = (rng.random(8000) < 1 / (1 + np.exp(-X @ rng.normal(size=6)))).astype(int)
    scale = 10.0 ** rng.uniform(-6, 6, 6)
    train, test = slice(0, 6000), slice(6000, None)
    losses = [
        log_loss(y[test], LogisticRegression(solver=solver).fit(Z[train], y[train]).predict_proba(Z[test]))
        for Z in (X, X * scale)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def random_case(seed: int):
    rng = np.random.default_rng([7, seed])
    rows, columns = int(rng.integers(5, 400)), int(rng.integers(1, 8))
    X = rng.normal(size=(rows, columns)) * 10.0 ** rng.uniform(-12, 12, columns)
    if rng.random() < 0.3:
        X[rng.integers(rows), rng.integers(columns)] = rng.choice([1e30, -1e30, 1e-300, 0.0])
    if rng.random() < 0.3:
        X[rng.random(X.shape) < 0.2] = np.nan
    loss = str(rng.choice(list(LOSSES)))
    options = {
        "loss": loss,
        "penalty": rng.choice(["l1", "l2", "elasticnet", "none"]).item(),
        "alpha": float(10.0 ** rng.uniform(-12, 6)),
        "optimizer": str(rng.choice(list(OPTIMIZERS))),
        "fit_intercept": bool(rng.random() < 0.8),
        "average": bool(rng.random() < 0.5),
        "standardize": bool(rng.random() < 0.7),
        "batch_size": int(rng.choice([1, 7, 64, 1024])),
        "max_iter": int(rng.integers(1, 5)),
        "learning_rate": None if rng.random() < 0.7 else float(10.0 ** rng.uniform(-6, 3)),
    }
    weight = rng.random(rows) * 10.0 ** rng.uniform(-10, 10) if rng.random() < 0.5 else None
    if LOSSES[loss].classification:
        return SGDClassifier(**options), X, rng.integers(0, int(rng.choice([2, 4])), rows), weight
    y = np.abs(rng.normal(size=rows)) * 10.0 ** rng.uniform(-8, 8)
    return SGDRegressor(**options), X, y, weight


def run_cases(seeds) -> int:
    fitted = 0
    for seed in seeds:
        estimator, X, y, weight = random_case(seed)
        try:
            estimator.fit(X, y, weight)
        except ScalableError:  # a clear refusal, e.g. of infinite values, is an answer
            continue
        fitted += 1
        assert np.isfinite(estimator.model_.coef).all(), (seed, estimator)
        score = (
            estimator.predict(X) if isinstance(estimator, SGDRegressor) else estimator.decision_function(X)
        )
        assert np.isfinite(score).all(), (seed, estimator)
    return fitted


def test_random_configurations_stay_finite():
    assert run_cases(range(60)) > 40


@pytest.mark.slow
def test_a_thousand_random_configurations_stay_finite():
    assert run_cases(range(1000)) > 700


@pytest.mark.parametrize(
    ("loss", "parameter"),
    [("log_loss", None), ("huber", 0.01), ("huber", 1.35), ("quantile", 0.9), ("epsilon_insensitive", 0.1)],
)
def test_models_side_by_side_reach_the_minimum(loss, parameter):
    """Where a penalty slowed the first steps down, moves of replicas that had long arrived were added up."""
    rng = np.random.default_rng(3)
    X, coef, noise = rng.normal(size=(2**20, 2)), np.array([1.0, -2.0]), rng.logistic(size=2**20)
    y, truth = X @ coef + noise, 0.0
    if loss == "log_loss":
        model = SGDClassifier(loss).fit(X, y > 0)
        y = y > 0
    else:
        name = "quantile" if loss == "quantile" else "epsilon"
        model = SGDRegressor(loss, **{name: parameter}).fit(X, y)
        truth = np.log(parameter / (1 - parameter)) if loss == "quantile" else 0.0

    def mean_loss(z):
        miss = np.abs(y - z)
        if loss == "log_loss":
            return np.mean(np.logaddexp(0, z) - y * z)
        if loss == "huber":
            return np.mean(np.where(miss < parameter, miss**2 / 2, parameter * (miss - parameter / 2)))
        if loss == "quantile":
            return np.mean(np.maximum(parameter * (y - z), (parameter - 1) * (y - z)))
        return np.mean(np.maximum(0, miss - parameter))

    assert mean_loss(X @ model.coef_.ravel() + model.intercept_) < 1.003 * mean_loss(X @ coef + truth)
