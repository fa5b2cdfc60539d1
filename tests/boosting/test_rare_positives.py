"""What is bounded where positives are rare, and what that is worth against the base rate."""

import re

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.metrics import log_loss

from scalable.boosting import LGBMClassifier

SAME = {"n_jobs": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1}


def rare(n=20_000):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n, 6))
    return X, rng.random(n) < 0.004 * np.exp(X[:, 0])


def test_defaults_are_no_worse_than_the_base_rate_on_rare_positives():
    rows, y = rare(60_000)
    models = [m(**SAME).fit(rows[:30_000], y[:30_000]) for m in (LGBMClassifier, lgb.LGBMClassifier)]
    loss = [log_loss(y[30_000:], m.predict_proba(rows[30_000:])[:, 1]) for m in models]
    base = log_loss(y[30_000:], np.full(30_000, y[:30_000].mean()))
    assert loss[0] < base
    assert loss[0] < loss[1]
    share = y[:30_000].mean()
    wanted = min(30.0, 30_000 * share * (1.0 - share) / 4.0)
    assert _bound(models[0]) == pytest.approx(wanted, rel=1e-4)
    assert _bound(models[0], "min_gain_to_split") == 3.0
    few = {**SAME, "n_estimators": 2}
    for given in ({"min_child_weight": 0.001}, {"min_child_samples": 10}, {"class_weight": "balanced"}):
        model = LGBMClassifier(**few, **given).fit(rows, y)
        assert (_bound(model), _bound(model, "min_gain_to_split")) == (0.001, 0.0)
    for gain in (0.0, 0.5):
        model = LGBMClassifier(**few, min_split_gain=gain).fit(rows, y, np.full(len(y), 2.0))
        assert (_bound(model), _bound(model, "min_gain_to_split")) == (60.0, gain)
    weighted = LGBMClassifier(**few).fit(rows, y, np.full(len(y), 2.0))
    assert _bound(weighted, "min_gain_to_split") == 6.0


def test_without_any_signal_defaults_lose_next_to_nothing_against_the_base_rate():
    ratios = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        rows, y = rng.normal(size=(60_000, 6)), rng.random(60_000) < 0.004
        model = LGBMClassifier(**SAME).fit(rows[:30_000], y[:30_000])
        base = log_loss(y[30_000:], np.full(30_000, y[:30_000].mean()))
        ratios.append(log_loss(y[30_000:], model.predict_proba(rows[30_000:])[:, 1]) / base)
    assert np.mean(ratios) < 1.006  # 1.02 without a bound on the gain, and 1.26 by LightGBM's own defaults


def _bound(model, name="min_sum_hessian_in_leaf"):
    return float(re.search(rf"{name}: ([^]]+)]", model.booster_.model_to_string())[1])
