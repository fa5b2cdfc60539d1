"""Units at the edges of floating point give finite, right models or one line; nothing hangs in LAPACK."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import linear_model

from scalable import ParquetSource
from scalable.bayes import GaussianNB
from scalable.decomposition import PCA
from scalable.errors import DataError, DataWarning, UsageError
from scalable.linear import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from scalable.linear.solvers.gram import solve_psd

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=300)


@pytest.mark.parametrize("value", [1e300, 3e299, 1e295])
def test_a_constant_target_beyond_squares_is_learned(value):
    """Its mean differs from it by rounding, which is 1e283 here."""
    weight = np.random.default_rng(5).integers(0, 4, len(X))
    learner = LinearRegression().fit(X, np.full(len(X), value), sample_weight=weight)
    np.testing.assert_allclose(learner.predict(X), value)


@pytest.mark.parametrize("learner", [LinearRegression(), Ridge(), ElasticNet(alpha=0.1), SGDRegressor()])
@pytest.mark.parametrize("scale", [1e160, 1e-160])
def test_units_of_the_target_do_not_matter(learner, scale):
    if scale == 1e160 or not isinstance(learner, ElasticNet):
        strength = {"alpha": 0.0} if isinstance(learner, (ElasticNet, SGDRegressor)) else {}
        plain = learner.set_params(**strength).fit(X, Y).coef_
        np.testing.assert_allclose(learner.fit(X, Y * scale).coef_ / scale, plain, rtol=1e-6)


@pytest.mark.parametrize("learner", [LinearRegression(), SGDRegressor(alpha=0.0), LogisticRegression()])
@pytest.mark.parametrize("scale", [1e100, 1e-160])
def test_units_of_a_column_do_not_matter(learner, scale):
    y = Y > 0 if isinstance(learner, LogisticRegression) else Y
    plain = learner.fit(X, y).coef_
    far = learner.fit(X * [1.0, 1.0, scale], y).coef_ * [1.0, 1.0, scale]
    np.testing.assert_allclose(far, plain, rtol=1e-3)  # 1e-320, a variance, has four digits


def test_a_penalty_on_raw_units_of_a_tiny_column_removes_it():
    coef = Ridge(alpha=1.0).fit(X * [1.0, 1.0, 1e-160], Y).coef_
    assert np.isfinite(coef).all()
    assert abs(coef[2] * 1e-160) < 1e-100


@pytest.mark.parametrize("learner", [Ridge, ElasticNet, SGDRegressor, SGDClassifier])
@pytest.mark.parametrize("alpha", [np.inf, np.nan, -1.0])
def test_strengths_are_finite(learner, alpha):
    with pytest.raises(UsageError, match="alpha must be finite and not negative"):
        learner(alpha=alpha).fit(X, Y > 0)


def test_what_is_beyond_floating_point_is_said_in_one_line():
    with pytest.raises(DataError, match="its sums are not finite; scale it"):
        LinearRegression().fit(X, np.where(Y > 0, 1.7e308, 1.6e308))
    with pytest.raises(DataError, match="is nothing beside the spread of y, 3"):
        SGDRegressor("huber", epsilon=1.0).fit(X, Y * 1e160)
    with pytest.raises(UsageError, match="C must be positive"):
        LogisticRegression(C=1e-320).fit(X, Y > 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lapack_never_sees_what_is_not_finite(bad):
    matrix = np.eye(3)
    matrix[1, 1] = bad
    with pytest.raises(DataError, match="beyond the range of floating point"):
        solve_psd(matrix, np.ones(3))
    with pytest.raises(DataError, match="beyond the range of floating point"):
        solve_psd(np.eye(3), np.array([1.0, bad, 1.0]))


@pytest.mark.parametrize(
    "learner", [SGDClassifier(loss="log_loss"), LogisticRegression(), LinearRegression()]
)
@pytest.mark.parametrize(
    "scale", [1e307, 1e170, 8e-162, 1e-170, 1e-300]
)  # squares of the middle one are subnormal
def test_a_column_whose_squares_are_beyond_floating_point_is_learned_from(learner, scale):
    """It had become missing: sums that overflow both ways are no number, and a spread of 0 is no unit."""
    y = Y if isinstance(learner, LinearRegression) else Y > 0
    scores = getattr(learner, "decision_function", learner.predict)
    plain = learner.fit(X, y) and scores(X)
    far = X * [1.0, 1.0, scale]
    with pytest.warns(DataWarning, match="column 'x2': the squares of its values are beyond floating point"):
        learner.fit(far, y)
    assert np.corrcoef(plain, scores(far))[0, 1] > 0.999


def test_a_column_too_small_for_a_unit_is_refused_in_one_line():
    with pytest.raises(DataError, match=r"column 'x2' lies between -.*e-310 .*far outside the range"):
        LogisticRegression().fit(X * [1.0, 1.0, 1e-310], Y > 0)


def test_columns_far_from_zero_are_learned_as_numpy_learns_them_centred(tmp_path, monkeypatch):
    """Of float32, at a mean of a million: their squares have no digit left that tells of the spread."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)  # each pass reads the file, as of many rows
    rng, n = np.random.default_rng(0), 5_000
    X = rng.normal([1e6, -1e6, 0.0], 1.0, (n, 3)).astype(np.float32)
    wide = X.astype(np.float64)
    centred = wide - wide.mean(0)
    score = centred @ [1.0, -0.5, 0.3]
    number, yes = score + rng.normal(size=n), (rng.random(n) < 1 / (1 + np.exp(-score))).astype(np.int8)
    count = rng.poisson(np.exp(0.3 * score))
    columns = {f"x{k}": X[:, k] for k in range(3)}
    pq.write_table(
        pa.table({**columns, "number": number, "yes": yes, "count": count}), tmp_path / "a.parquet"
    )

    def source(target=None):
        return ParquetSource(tmp_path / "a.parquet", target, list(columns))

    gram, moment = centred.T @ centred, centred.T @ number
    least, ridge = (np.linalg.solve(gram + alpha * np.eye(3), moment) for alpha in (0.0, 100.0))
    logistic = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(centred, yes).coef_
    poisson = linear_model.PoissonRegressor(alpha=0.0, tol=1e-10).fit(centred, count).coef_
    for model, target, expected in (
        (LinearRegression(), "number", least), (Ridge(alpha=100.0), "number", ridge),
        (LogisticRegression(penalty=None, solver="newton", tol=1e-9), "yes", logistic),
        (SGDRegressor("poisson", alpha=0.0, solver="newton", tol=1e-9), "count", poisson),
    ):  # fmt: skip
        np.testing.assert_allclose(model.fit(source(target)).coef_, expected, rtol=1e-4, atol=1e-6)
    variances = np.linalg.eigvalsh(np.cov(wide.T))[::-1]
    np.testing.assert_allclose(PCA().fit(source()).explained_variance_, variances, rtol=1e-9)
    within = [wide[yes == k].var(0) for k in (0, 1)]
    np.testing.assert_allclose(GaussianNB().fit(source("yes")).var_, within, rtol=1e-6)
