"""Whether a fit reached its optimum is reported, kept, and said when it did not."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from scalable.errors import DataWarning
from scalable.linear import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LinearRegression,
    LinearSVC,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 3))
SCORE = X @ [1.0, -2.0, 0.5]
Y = (SCORE + RNG.logistic(size=500) > 0).astype(int)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegression(penalty=None),
        LogisticRegression(solver="sgd"),
        LogisticRegression(solver="sgd", early_stopping=True, tol=1e-2),
        LinearSVC(),
        SGDClassifier("modified_huber", solver="newton"),
        Ridge(),
        LinearRegression(),
        Lasso(0.1),
        ElasticNetCV(n_alphas=5, cv=3),
        SGDRegressor("huber", solver="newton"),
    ],
    ids=str,
)
def test_a_finished_fit_says_so_and_keeps_it(model, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y if model._classify else SCORE + RNG.normal(size=500))
    assert model.converged_ is True
    assert model.n_iter_ >= 1
    model.save(tmp_path / "m")
    loaded = type(model).load(tmp_path / "m")
    assert (loaded.converged_, loaded.n_iter_) == (True, model.n_iter_)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LogisticRegression(max_iter=1), "1 passes of the newton solver"),
        (LogisticRegression(solver="sgd", max_iter=2), "2 passes of the sgd solver"),
        (SGDRegressor("quantile", max_iter=1), "1 passes of the sgd solver"),
        (Lasso(0.01, max_iter=1), "1 of 1 strengths took all max_iter=1 sweeps"),
        (ElasticNet(0.01, max_iter=2), "raise max_iter or tol"),
        (ElasticNetCV(n_alphas=4, cv=2, max_iter=1), "strengths took all"),
    ],
    ids=str,
)
def test_an_end_by_anything_else_is_said(model, reason, tmp_path):
    with pytest.warns(ConvergenceWarning, match=reason) as caught:
        model.fit(X, Y if model._classify else SCORE)
    assert caught[0].filename == __file__
    assert model.converged_ is False
    model.save(tmp_path / "m")
    assert type(model).load(tmp_path / "m").converged_ is False


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separated_classes_without_a_penalty_have_no_best_coefficients(n_classes):
    y = np.digitize(SCORE, [0.0, 1.0][: n_classes - 1])
    with pytest.warns(ConvergenceWarning, match="separated"):
        model = LogisticRegression(penalty=None).fit(X[:, :3], y)
    assert model.converged_ is False
    assert model.score(X, y) == 1.0
    assert LogisticRegression().fit(X, y).converged_ is True
    if n_classes == 2:
        assert LinearSVC(penalty="none").fit(X, y).converged_ is True  # its loss is 0 at finite scores


def test_one_pass_over_many_rows_is_the_rule_of_descent(monkeypatch):
    for module in ("scalable.linear.solvers.rounds", "scalable.linear.prepare"):
        monkeypatch.setattr(f"{module}.ONE_PASS_ROWS", 400)
    monkeypatch.setattr("scalable.linear.solvers.choice.FEW_ROWS", 0)
    monkeypatch.setattr("scalable.linear.solvers.rounds.LATE", np.inf)  # of so few rows, late is early
    model = LogisticRegression(solver="sgd").fit(X, Y)
    assert (model.n_iter_, model.converged_) == (1, True)


def test_parts_claim_nothing():
    model = LogisticRegression().fit(X, Y)
    with pytest.warns(DataWarning, match="partial_fit begins anew"):
        model.partial_fit(X, Y)
    assert not hasattr(model, "converged_")


def close_to_separable(n=60_000, p=24):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p)).astype(np.float32)
    return x, (rng.random(n) < 1.0 / (1.0 + np.exp(-(x @ rng.normal(size=p)) * 5.0))).astype(int)


def test_one_pass_is_not_the_end_where_much_was_learned_late_in_it(monkeypatch):
    monkeypatch.setattr("scalable.linear.solvers.rounds.ONE_PASS_ROWS", 50_000)
    x, y = close_to_separable()
    found = SGDClassifier("log_loss", random_state=0).fit(x, y)
    exact = SGDClassifier("log_loss", solver="newton").fit(x, y)
    assert found.n_iter_ > 1
    losses = [log_loss(y, model.predict_proba(x)) for model in (found, exact)]
    assert losses[0] < 1.02 * losses[1]


def test_a_rare_class_is_passed_over_until_it_was_met_as_often_as_an_even_one(monkeypatch):
    monkeypatch.setattr("scalable.linear.solvers.rounds.ONE_PASS_ROWS", 40_000)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 4)).astype(np.float32)
    passes = {}
    for offset in (0.0, -3.0, -5.0):
        y = (rng.random(len(x)) < 1.0 / (1.0 + np.exp(-x[:, 0] - offset))).astype(int)
        model = SGDClassifier("log_loss", random_state=0, tol=0.0).fit(x, y)
        rate = y.mean()
        passes[offset] = model.n_iter_, int(np.ceil(1.0 / (16.0 * rate * (1.0 - rate))))
        assert model.converged_
    assert passes[0.0] == passes[-3.0] == (1, 1)
    made, asked = passes[-5.0]
    assert 1 < made <= asked  # `tol` may end them before


@pytest.mark.parametrize("noise", [1.0, 0.01])
@pytest.mark.parametrize("p", [17, 60])
def test_little_noise_and_many_columns_do_not_mislead_squared_error(noise, p, monkeypatch):
    monkeypatch.setattr("scalable.linear.solvers.rounds.ONE_PASS_ROWS", 10_000)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, p))
    y = x @ rng.normal(size=p) + noise * rng.normal(size=len(x))
    found, exact = SGDRegressor(alpha=0.0).fit(x, y), LinearRegression().fit(x, y)
    errors = [np.mean((model.predict(x) - y) ** 2) for model in (found, exact)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-9)


def test_hashed_categories_remember_rows_and_do_not_ask_for_more_passes(monkeypatch):
    monkeypatch.setattr("scalable.linear.solvers.rounds.ONE_PASS_ROWS", 50_000)
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 30_000, 60_000)
    rows = pa.table({"x": rng.normal(size=len(ids)), "name": [f"n{k}" for k in ids]})
    model = LogisticRegression().fit(rows, (rng.random(len(ids)) < 0.3).astype(int))
    assert model.solver_ == "sgd"
    assert (model.n_iter_, model.converged_) == (1, True)


@pytest.mark.parametrize("rows", [100, 300])
def test_many_passes_asked_of_few_rows_are_a_bound(rows):
    """Noise of descent stopped it after three passes, 4 % above the minimum, as converged."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 3))
    y = X @ [1.0, -1.0, 0.5] + rng.logistic(size=rows) > 0
    bounded = SGDClassifier("log_loss", tol=1e-8, max_iter=1000).fit(X, y)
    assert bounded.converged_
    np.testing.assert_allclose(bounded.coef_, SGDClassifier("log_loss").fit(X, y).coef_, rtol=1e-4)


@pytest.mark.parametrize("loss", ["huber", "quantile", "epsilon_insensitive"])
def test_descent_along_kinks_is_converged_only_where_it_is(loss):
    """Noise ended it after six passes of a hundred rows, 2 to 8 % above the minimum, as converged."""
    rng = np.random.default_rng(1)
    few = rng.normal(size=(100, 5))
    y = few @ rng.normal(size=5) + 0.7 * rng.normal(size=100)
    best = SGDRegressor(loss).fit(few, y)
    enough = SGDRegressor(loss, max_iter=400).fit(few, y)
    assert enough.converged_
    np.testing.assert_allclose(enough.coef_, best.coef_, rtol=1e-3)
    with pytest.warns(ConvergenceWarning, match="40 passes of the sgd solver"):
        SGDRegressor(loss, max_iter=40).fit(few, y)


@pytest.mark.parametrize("rows", [100, 330])
def test_descent_over_few_rows_is_not_ended_by_noise(rows):
    """Of 33 rows in steps of 16, the last one counted sixteen times; and three passes were found enough."""
    few, y = X[:rows], Y[:rows]
    scaled = (few - few.mean(axis=0)) / few.std(axis=0)  # whose penalty is that of raw units

    def objective(model):
        margins = (2 * y - 1) * (scaled @ model.coef_[0] + model.intercept_[0])
        return np.logaddexp(0.0, -margins).sum() + 0.5 * (model.coef_**2).sum()

    best = objective(LogisticRegression().fit(scaled, y))
    assert objective(LogisticRegression(solver="sgd", batch_size=16).fit(scaled, y)) < 1.01 * best
    bounded = LogisticRegression(solver="sgd", max_iter=8).fit(scaled, y)
    assert bounded.converged_
    assert objective(bounded) < 1.0001 * best


def test_replicas_of_fixed_rates_go_as_far_together_as_one_goes_alone():
    rng = np.random.default_rng(1)
    many = rng.normal(size=(20_000, 3))
    y = many @ [1.0, -2.0, 0.5] + rng.logistic(size=20_000) > 0
    for optimizer in ("adagrad", "ftrl"):
        found = []
        for replicas in (1, 8):
            model = LogisticRegression(
                solver="sgd", optimizer=optimizer, max_iter=1, batch_size=16, n_replicas=replicas
            )
            with pytest.warns(ConvergenceWarning):
                found.append(np.abs(model.fit(many, y).coef_).sum())
        assert found[1] > 0.8 * found[0]
