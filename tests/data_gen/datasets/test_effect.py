"""`effect`: the effects are those that the knobs say, and the plain slope is not."""

import numpy as np
import pytest

import data_gen

N = 1 << 16


def test_the_target_is_its_parts_and_the_coin_is_fair(small):
    table = data_gen.rows("effect", 0, N, seed=2, effect=-0.7, lift=0.2, confounding=2.0)
    base = data_gen.rows("effect", 0, N, seed=2, effect=0.0, lift=0.0, confounding=2.0)
    t, coin, y = (table[name].to_numpy().astype(float) for name in ("treatment", "coin", "target"))
    np.testing.assert_allclose(
        y - base["target"].to_numpy(), -0.7 * t + 0.2 * coin, atol=2e-6 * np.abs(t).max()
    )
    assert abs(coin.mean() - 0.5) < 4 * 0.5 / N**0.5
    assert abs(np.corrcoef(coin, t)[0, 1]) < 4 / N**0.5
    mean = data_gen.truth("effect", 0, N, seed=2, effect=-0.7, lift=0.2, confounding=2.0)
    reasons = mean + 0.7 * t - 0.2 * coin
    assert np.cov(reasons, t)[0, 1] / reasons.var() == pytest.approx(2.0, rel=0.02)
    assert (t - 2.0 * reasons).std() == pytest.approx(1.0, rel=0.02)
    slope = np.cov(y, t)[0, 1] / t.var()
    assert slope == pytest.approx(-0.7 + 2.0 / 5.0, abs=0.02)  # c / (c^2 + 1) of bias
    assert np.corrcoef(table["before"].to_numpy(), reasons)[0, 1] == pytest.approx(0.5**0.5, abs=0.02)
    truth = small("effect", lift=0.3).truth
    assert (truth["effect"], truth["lift"], truth["confounding"]) == (0.5, 0.3, 1.0)
