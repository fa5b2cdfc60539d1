"""Losses that no outlier moves: the least objective is reached, whatever the targets' tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import QuantileRegressor

from scalable.kernels.linear import losses
from scalable.linear import SGDClassifier, SGDRegressor

TAILS = ("normal", "outlier", "lognormal")


def draw(n, tail):
    random = np.random.default_rng(1)
    X = random.normal(size=(n, 3))
    noise = np.exp(2 * random.normal(size=n)) if tail == "lognormal" else random.normal(size=n)
    y = X @ [1.0, 2.0, 3.0] + noise
    if tail == "outlier":
        y[7] = 1e6
    return X, y


def pinball(residual, q):
    return np.mean(np.maximum(q * residual, (q - 1) * residual))


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantiles_equal_those_of_linear_programming(tail, q):
    X, y = draw(1000, tail)
    model = SGDRegressor("quantile", quantile=q, alpha=0).fit(X, y)
    least = pinball(y - QuantileRegressor(quantile=q, alpha=0).fit(X, y).predict(X), q)
    assert pinball(y - model.predict(X), q) == pytest.approx(least, rel=1e-5)
    assert model.converged_
    assert model.solver_ == "newton"


@pytest.mark.parametrize("tail", TAILS)
def test_descent_on_many_rows_comes_within_a_percent(tail):
    X, y = draw(200_000, tail)
    model = SGDRegressor("quantile", alpha=0).fit(X, y)
    assert model.solver_ == "sgd"
    np.testing.assert_allclose(model.coef_, [1, 2, 3], rtol=0.02)
    bulk = np.abs(y) < 1e5  # the outlier's own loss would hide all others
    least = pinball(y[bulk] - X[bulk] @ [1, 2, 3] - np.median(y - X @ [1, 2, 3]), 0.5)
    assert pinball(y[bulk] - model.predict(X[bulk]), 0.5) < 1.01 * least


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("solver", ["sgd", "newton"])
def test_huber_reaches_the_minimum(tail, solver):
    X, y = draw(1500, tail)

    def loss(w):
        residual = y - X @ w[:3] - w[3]
        clipped = np.clip(residual, -1, 1)
        return np.mean(clipped * (residual - clipped / 2))

    least = minimize(loss, [1, 2, 3, 0], method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-11}).fun
    model = SGDRegressor("huber", epsilon=1.0, alpha=0, solver=solver).fit(X, y)
    assert loss(np.append(model.coef_, model.intercept_)) == pytest.approx(least, rel=1e-6)


def test_huber_with_no_row_near_the_start_does_not_stop_there():
    x = np.repeat([0.0, 1.0], 100)[:, None]
    y = np.repeat([10.0, -10.0], 100) + 0.1 * np.random.default_rng(0).normal(size=200)
    model = SGDRegressor("huber", alpha=0, solver="newton").fit(x, y)
    assert (model.coef_[0], model.intercept_) == pytest.approx((-20, 10), abs=0.05)
    assert model.converged_


@pytest.mark.parametrize("n", [100, 400, 1500])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber"])
def test_few_rows_go_to_the_minimum(n, loss):
    random = np.random.default_rng(2)
    X = random.normal(size=(n, 5))
    y = (X @ [2, -1, 0.5, 0, 0] + random.normal(size=n) > 0).astype(int)
    model = SGDClassifier(loss, alpha=1e-3).fit(X, y)
    spread = X.std(axis=0)

    def objective(w):
        z = X @ w[:5] + w[5]
        m = np.where(y == 1, z, -z)
        values = {
            "hinge": np.maximum(1 - m, 0),
            "log_loss": np.logaddexp(0, -m),
            "squared_hinge": np.maximum(1 - m, 0) ** 2,
            "modified_huber": np.where(m < -1, -4 * m, np.maximum(1 - m, 0) ** 2),
        }[loss]
        return values.mean() + 0.5e-3 * np.sum((w[:5] * spread) ** 2)

    found = np.append(model.coef_, model.intercept_)
    best = objective(found)
    for scale in (1e-1, 1e-2, 1e-3):  # convex: no better point in any direction from the minimum
        for _ in range(100):
            assert objective(found + scale * random.normal(size=6)) > best * (1 - 1e-4)


@pytest.mark.parametrize("name", [name for name, loss in losses.LOSSES.items() if loss.majorant])
def test_majorants_touch_the_loss_and_lie_above_it(name):
    loss = losses.LOSSES[name]
    for y in (0.0, 1.0):
        for z in np.linspace(-4, 4, 41) + 0.013:
            value, slope, bend = loss.majorant(z, y, 0.5)
            assert value == pytest.approx(loss.terms(z, y, 0.5)[0], abs=3e-4)
            step = np.linspace(-6, 6, 101)
            parabola = value + slope * step + 0.5 * bend * step**2
            others = [loss.majorant(z + s, y, 0.5)[0] for s in step]
            assert np.all(parabola >= np.array(others) - 1e-9)
