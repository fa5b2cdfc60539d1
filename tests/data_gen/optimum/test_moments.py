"""Exact sums: the order of merging leaves no trace."""

import numpy as np

from data_gen.optimum.moments import MixtureTruth, RegressionTruth


def pieces(rng, n):
    mean = rng.normal(size=n)
    return mean, np.full(n, 0.5), mean + 0.5 * rng.normal(size=n)


def test_merge_in_any_order():
    rng = np.random.default_rng(0)
    states = []
    for n in (10, 1000, 77):
        part = RegressionTruth()
        part.update(pieces(rng, n))
        states.append(part.arrays())
    results = []
    for order in ((0, 1, 2), (2, 1, 0)):
        whole = RegressionTruth()
        for i in order:
            whole.merge(states[i])
        results.append(whole.scores())
    assert results[0] == results[1]
    assert results[0]["rows"] == 1087


def test_negative_and_huge_sums_survive():
    truth = MixtureTruth()
    values = np.full(3, -1e9)
    for _ in range(4):
        truth.update((values, np.ones(3), np.ones(3, bool)))
    assert truth.scores()["log_likelihood"]["realised"] == -1e9
    assert truth.scores()["accuracy"]["realised"] == 1.0


def test_scores_are_the_plain_ones():
    mean, deviation, target = pieces(np.random.default_rng(1), 5000)
    truth = RegressionTruth()
    truth.update((mean, deviation, target))
    scores = truth.scores()
    np.testing.assert_allclose(scores["mse"]["realised"], ((target - mean) ** 2).mean(), rtol=1e-6)
    np.testing.assert_allclose(
        scores["r2"]["realised"], 1 - ((target - mean) ** 2).mean() / target.var(), rtol=1e-5
    )
    np.testing.assert_allclose(scores["r2"]["expected"], mean.var() / (mean.var() + 0.25), rtol=1e-5)
