"""`regression`: correlations, condition number, coefficients and noise as stated."""

import numpy as np
import pytest
from scipy import stats

import data_gen
from data_gen.datasets import recipe

N = 1 << 17
NOISES = ("homoscedastic", "heteroscedastic", "heavy-tailed")


def arrays(noise="homoscedastic", n=N, **knobs):
    table = data_gen.rows("regression", 0, n, seed=4, noise=noise, features=20, **knobs)
    x = np.stack([table[c].to_numpy() for c in table.column_names[:-1]]).astype(np.float64)
    return x, table["target"].to_numpy().astype(np.float64)


@pytest.mark.parametrize(("condition", "block"), [(1.0, 5), (10.0, 4), (100.0, 5), (1000.0, 20), (50.0, 1)])
def test_condition_number(condition, block):
    x, _ = arrays(condition=condition, block=block)
    bound = recipe("regression", 4, {"features": 20, "condition": condition, "block": block})
    exact = np.eye(20)
    for start in range(0, 20, block):
        exact[start : start + block, start : start + block] = bound.rho
    np.fill_diagonal(exact, 1.0)
    stated = bound.truth_parameters()["condition_number"]
    assert np.linalg.cond(exact) == pytest.approx(stated, rel=1e-9)
    assert np.linalg.cond(np.corrcoef(x)) == pytest.approx(stated, rel=0.06)
    assert np.abs(np.cov(x) - exact).max() < 5 * np.sqrt(2 / N)


def test_features_are_standard_normal():
    x, _ = arrays()
    for row in x[::3]:
        assert stats.kstest(row, "norm").pvalue > 1e-4


@pytest.mark.parametrize("noise", NOISES)
def test_mean_and_noise(noise):
    x, y = arrays(noise)
    bound = recipe("regression", 4, {"features": 20, "noise": noise})
    beta = np.array([bound.coefficients.get(name, 0.0) for name in bound.feature_names])
    assert np.count_nonzero(beta) == 10
    mean = data_gen.truth("regression", 0, N, seed=4, noise=noise, features=20)
    np.testing.assert_allclose(mean, beta @ x, atol=1e-9)
    assert mean.var() == pytest.approx(1.0, rel=0.05)
    error = (y - mean) / bound.sigma
    if noise == "heteroscedastic":
        error = error / np.exp(x[0] / 2 - 0.25)
    law = stats.t(4, scale=1 / np.sqrt(2)) if noise == "heavy-tailed" else stats.norm
    assert stats.kstest(error, law.cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(error, mean)[0, 1]) < 4.5 / np.sqrt(N)


@pytest.mark.parametrize("noise", NOISES)
def test_manifest_truth(noise, small):
    truth = small("regression", noise=noise, features=20, r2=0.6).truth
    assert truth["population_r2"] == 0.6
    assert truth["noise_variance"] == pytest.approx(0.4 / 0.6)
    assert truth["mse"]["expected"] == pytest.approx(truth["noise_variance"], rel=0.05)
    assert abs(truth["mse"]["realised"] - truth["mse"]["expected"]) < 5 * truth["mse"]["se"]
    assert truth["r2"]["realised"] == pytest.approx(0.6, abs=0.03)
    assert len(truth["coefficients"]) == 10


def test_least_squares_recovers_the_coefficients():
    x, y = arrays()
    bound = recipe("regression", 4, {"features": 20})
    beta = np.array([bound.coefficients.get(name, 0.0) for name in bound.feature_names])
    found = np.linalg.lstsq(x.T, y, rcond=None)[0]
    error = bound.sigma * np.sqrt(np.diag(np.linalg.inv(x @ x.T)))
    assert np.abs((found - beta) / error).max() < 4.5
