"""`mixture`: weights, means, covariances, densities and posteriors against SciPy."""

import numpy as np
import pytest
from scipy import stats

import data_gen
from data_gen.datasets import recipe

N = 1 << 16
KNOBS = {"components": 4, "dimensions": 3, "separation": 1.0, "correlation": 0.4}


@pytest.fixture(scope="module")
def drawn():
    table = data_gen.rows("mixture", 0, N, seed=6, **KNOBS)
    x = np.stack([table[c].to_numpy() for c in table.column_names[:-1]], axis=1).astype(np.float64)
    return x, table["component"].to_numpy(), recipe("mixture", 6, KNOBS)


def covariance(bound, k):
    s, rho = bound.spread[:, k], bound.knobs["correlation"]
    return np.outer(s, s) * (rho + (1 - rho) * np.eye(len(s)))


def test_components_follow_their_weights(drawn):
    """The chi-square p-values of many seeds are uniform."""
    weights, n = drawn[2].weights, 1 << 13
    found = []
    for seed in range(40):
        component = data_gen.rows("mixture", 0, n, ["component"], seed=seed, **KNOBS)["component"].to_numpy()
        found.append(stats.chisquare(np.bincount(component, minlength=4), n * weights).pvalue)
    assert stats.kstest(found, "uniform").pvalue > 1e-4


def test_each_component_is_its_gaussian(drawn):
    x, component, bound = drawn
    for k in range(4):
        inside = x[component == k]
        z = (inside - bound.mean[:, k]) / bound.spread[:, k]
        for j in range(3):
            assert stats.kstest(z[:, j], "norm").pvalue > 1e-4
        np.testing.assert_allclose(
            np.cov(inside.T), covariance(bound, k), atol=0.06 * bound.spread.max() ** 2
        )


def test_density_and_posterior_against_scipy(drawn):
    x, component, bound = drawn
    n = 2000
    joint = np.stack(
        [
            np.log(bound.weights[k])
            + stats.multivariate_normal(bound.mean[:, k], covariance(bound, k)).logpdf(x[:n])
            for k in range(4)
        ]
    )
    density = np.logaddexp.reduce(joint, axis=0)
    np.testing.assert_allclose(data_gen.truth("mixture", 0, n, seed=6, **KNOBS), density, rtol=1e-9)
    _, (_, posterior, right) = bound.score(0, n, ())
    np.testing.assert_allclose(posterior, np.exp(joint.max(axis=0) - density), rtol=1e-8)
    np.testing.assert_array_equal(right, joint.argmax(axis=0) == component[:n])


def test_manifest_truth(small):
    truth = small("mixture", **KNOBS).truth
    assert np.shape(truth["means"]) == (4, 3)
    assert sum(truth["weights"]) == pytest.approx(1)
    assert abs(truth["accuracy"]["realised"] - truth["accuracy"]["expected"]) < 5 * truth["accuracy"]["se"]
    assert truth["log_likelihood"]["realised"] < 0
