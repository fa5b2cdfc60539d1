import numpy as np
import pytest
from sklearn import linear_model, svm
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from scalable.errors import DataError, UsageError
from scalable.linear import LinearSVC, LogisticRegression, SGDClassifier, SGDRegressor


def classes(n: int = 3000, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = StandardScaler().fit_transform(rng.normal(size=(n, 5)))
    z = X @ rng.normal(size=(5, k)) + rng.gumbel(size=(n, k))
    return X, z.argmax(axis=1)


def quantity(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 4)) * [1, 10, 0.1, 1] + [0, 5, 0, 100]
    return X, 1000 * (X @ [1.0, 0.2, 5.0, -0.5] + rng.standard_t(3, size=n))


def test_multinomial_newton_agrees_with_scikit_learn():
    X, y = classes()
    w = np.random.default_rng(3).random(len(y))
    ours = LogisticRegression(C=0.5).fit(X, y, w)
    assert ours.solver_ == "newton"
    theirs = linear_model.LogisticRegression(C=0.5, solver="newton-cg", tol=1e-10, max_iter=1000).fit(X, y, w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X), atol=1e-12)
    descent = LogisticRegression(C=0.5, solver="sgd").fit(X, y, w)
    assert log_loss(y, descent.predict_proba(X)) < 1.01 * log_loss(y, theirs.predict_proba(X))


@pytest.mark.parametrize("k", [2, 3])
def test_squared_hinge_newton_is_liblinears_optimum(k):
    X, y = classes(k=k)
    ours = LinearSVC(C=0.1, fit_intercept=False).fit(X, y)
    theirs = svm.LinearSVC(C=0.1, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_hinge_descends_to_liblinears_objective():
    X, y = classes(k=2)
    s = 2 * y - 1

    def objective(coef):
        return np.maximum(0, 1 - s * (X @ coef)).sum() + 0.5 * coef @ coef

    ours = LinearSVC(loss="hinge", fit_intercept=False).fit(X, y)
    theirs = svm.LinearSVC(loss="hinge", fit_intercept=False, tol=1e-8, max_iter=1_000_000).fit(X, y)
    assert objective(ours.coef_[0]) < 1.01 * objective(theirs.coef_[0])


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        ("squared_error", linear_model.LinearRegression()),
        ("huber", linear_model.HuberRegressor(epsilon=1.35, alpha=0.0)),
        ("quantile", linear_model.QuantileRegressor(quantile=0.8, alpha=0.0)),
        ("epsilon_insensitive", linear_model.QuantileRegressor(quantile=0.5, alpha=0.0)),
    ],
)
def test_regression_losses_come_near_their_references(loss, reference):
    X, y = quantity()
    expected = reference.fit(X, y).predict(X)
    options = {"alpha": 0.0, "quantile": 0.8, "epsilon": 1350.0 if loss == "huber" else 0.0}
    for solver in ("sgd", "auto"):
        gap = SGDRegressor(loss, solver=solver, **options).fit(X, y).predict(X) - expected
        assert np.sqrt(np.mean(gap**2)) < 0.05 * np.std(y), solver


def test_poisson_newton_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.1] + 2))
    theirs = linear_model.PoissonRegressor(alpha=0.0, tol=1e-10, max_iter=1000).fit(X, y)
    ours = SGDRegressor("poisson", alpha=0.0, solver="newton").fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4)
    near = SGDRegressor("poisson", alpha=0.0).fit(X, y)
    np.testing.assert_allclose(near.coef_, theirs.coef_, atol=0.05)
    with pytest.raises(DataError, match="values >= 0"):
        SGDRegressor("poisson").fit(X, y - 10.0)


def test_parts_teach_what_the_whole_does():
    X, y = classes(20_000, k=3)
    model = SGDClassifier("log_loss")
    for start in range(0, len(y), 1000):
        model.partial_fit(X[start : start + 1000], y[start : start + 1000], classes=[0, 1, 2])
    whole = LogisticRegression().fit(X, y)
    assert model.n_iter_ == 20
    assert model.score(X, y) > whole.score(X, y) - 0.01
    assert model.predict_proba(X).shape == (len(y), 3)
    with pytest.raises(ValueError, match="not in classes"):
        SGDClassifier().partial_fit(X, y, classes=[0, 1])
    regressor = SGDRegressor(alpha=0.0)
    X, y = quantity(20_000)
    for start in range(0, len(y), 1000):
        regressor.partial_fit(X[start : start + 1000], y[start : start + 1000])
    assert regressor.score(X, y) > linear_model.LinearRegression().fit(X, y).score(X, y) - 0.01


def test_early_stopping_returns_the_best_pass():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 100))
    y = (X[:, 0] + rng.normal(size=600) > 0).astype(int)
    model = SGDClassifier("log_loss", alpha=0.0, early_stopping=True, max_iter=100).fit(X, y)
    held_out = model.held_out_loss_
    assert len(held_out) == model.n_iter_ < 100
    assert min(held_out) < held_out[-1]
    with pytest.raises(DataError, match="too few to hold out"):
        SGDClassifier(early_stopping=True).fit(X[:40], y[:40])


def test_l1_through_descent_gives_true_zeros():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 30))
    y = (X[:, 0] - X[:, 1] + rng.normal(size=20_000) > 0).astype(int)
    model = SGDClassifier("log_loss", penalty="l1", alpha=0.02, optimizer="ftrl", average=False).fit(X, y)
    assert (model.coef_[0, 2:] == 0).mean() > 0.8
    assert (np.abs(model.coef_[0, :2]) > 0.5).all()


def test_wrong_parameters_are_named():
    X, y = classes(100, k=2)
    for estimator in (
        SGDClassifier("huber"),
        SGDRegressor("hinge"),
        SGDClassifier(solver="newton"),
        SGDRegressor("quantile", quantile=1.5),
        SGDClassifier(alpha=-1.0),
    ):
        with pytest.raises(UsageError):
            estimator.fit(X, y)
    with pytest.raises(AttributeError, match="predict_proba"):
        SGDClassifier().fit(X, y).predict_proba(X)
