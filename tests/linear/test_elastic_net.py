import numpy as np
import pytest
from sklearn import linear_model
from sklearn.model_selection import KFold

from scalable.errors import UsageError
from scalable.linear import ElasticNet, ElasticNetCV, Lasso


def make_rows(rows: int = 400, columns: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(rows, columns)) @ (np.eye(columns) + 0.3) * np.geomspace(0.1, 10, columns) + 3.0
    coef = np.where(np.arange(columns) % 3 == 0, 2.0, 0.0) / np.geomspace(0.1, 10, columns)
    return X, X @ coef + 50.0 + rng.normal(size=rows)


@pytest.mark.parametrize("alpha", [0.01, 0.3])
@pytest.mark.parametrize("ratio", [0.2, 0.9])
@pytest.mark.parametrize("intercept", [True, False])
def test_elastic_net_agrees_with_scikit_learn(alpha, ratio, intercept):
    X, y = make_rows()
    w = np.random.default_rng(0).random(len(y)) + 0.1
    ours = ElasticNet(alpha, l1_ratio=ratio, fit_intercept=intercept).fit(X, y, w)
    theirs = linear_model.ElasticNet(
        alpha=alpha, l1_ratio=ratio, fit_intercept=intercept, tol=1e-14, max_iter=100_000
    ).fit(X, y, w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    assert ((ours.coef_ == 0) == (theirs.coef_ == 0)).all()
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-6)


def test_lasso_has_zeros_and_agrees():
    X, y = make_rows()
    ours = Lasso(0.5).fit(X, y)
    theirs = linear_model.Lasso(alpha=0.5, tol=1e-14, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    assert (ours.coef_ == 0).any()


def test_cross_validation_from_one_pass_is_what_many_fits_give(monkeypatch):
    X, y = make_rows()
    cv = 4
    ours = ElasticNetCV(l1_ratio=0.7, cv=cv, n_alphas=20).fit(X, y)
    folds = [
        (np.flatnonzero(np.arange(len(y)) % cv != k), np.flatnonzero(np.arange(len(y)) % cv == k))
        for k in range(cv)
    ]
    theirs = linear_model.ElasticNetCV(
        l1_ratio=0.7, cv=folds, alphas=ours.alphas_, tol=1e-14, max_iter=200_000
    ).fit(X, y)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-6)
    assert ours.alpha_ == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    grid = linear_model.ElasticNetCV(l1_ratio=0.7, cv=KFold(3), alphas=20).fit(X, y).alphas_
    np.testing.assert_allclose(ours.alphas_, grid, rtol=1e-9)


def test_wrong_parameters_are_named():
    X, y = make_rows(30)
    for estimator in (ElasticNet(-1.0), ElasticNet(l1_ratio=2.0), ElasticNetCV(cv=1)):
        with pytest.raises(UsageError):
            estimator.fit(X, y)
