"""Streamed Bayes scores against scikit-learn's on the same rows."""

import numpy as np
import pytest
from sklearn import metrics

import data_gen
from data_gen.optimum.bayes import BinaryTruth


@pytest.fixture(scope="module")
def known():
    p = data_gen.truth("fraud", 0, 200_000, prevalence=0.03)
    return p, data_gen.rows("fraud", 0, 200_000, ["is_fraud"], prevalence=0.03)["is_fraud"].to_numpy()


def test_scores_match_scikit_learn(known):
    p, y = known
    truth = BinaryTruth()
    truth.update((*known, None))
    scores = truth.scores()
    assert scores["rows"] == len(y)
    assert scores["positives"] == y.sum()
    assert scores["prevalence"] == pytest.approx(p.mean(), rel=1e-6)
    assert scores["auc"]["realised"] == pytest.approx(metrics.roc_auc_score(y, p), abs=2e-5)
    assert scores["average_precision"]["realised"] == pytest.approx(
        metrics.average_precision_score(y, p), abs=5e-4
    )
    assert scores["log_loss"]["realised"] == pytest.approx(metrics.log_loss(y, p), rel=1e-5)
    assert scores["brier"]["realised"] == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-5)
    assert scores["log_loss"]["expected"] == pytest.approx(
        -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean(), rel=1e-5
    )
    assert scores["brier"]["expected"] == pytest.approx((p * (1 - p)).mean(), rel=1e-5)


def test_expected_auc_is_the_weighted_one(known):
    p = known[0][:20_000]
    truth = BinaryTruth()
    truth.update((p, np.zeros(len(p), np.int8), None))
    both = np.r_[np.ones(len(p)), np.zeros(len(p))]
    exact = metrics.roc_auc_score(both, np.r_[p, p], sample_weight=np.r_[p, 1 - p])
    assert truth.scores()["auc"]["expected"] == pytest.approx(exact, abs=2e-5)
    assert truth.scores()["auc"]["realised"] is None


def test_standard_errors_describe_the_spread_of_samples():
    found = [data_gen.bayes_scores("fraud", [(i << 15, (i + 1) << 15)], prevalence=0.05) for i in range(30)]
    for key in ("auc", "log_loss", "brier"):
        spread = np.std([f[key] for f in found], ddof=1)
        assert 0.6 < spread / np.mean([f[f"se_{key}"] for f in found]) < 1.6


def test_merging_in_any_order_gives_the_same_bits(known):
    p, y = known
    parts = []
    for a, b in ((0, 70_000), (70_000, 70_001), (70_001, 200_000)):
        part = BinaryTruth()
        part.update((p[a:b], y[a:b], None))
        parts.append(part.arrays())
    results = []
    for order in ((0, 1, 2), (2, 0, 1)):
        whole = BinaryTruth()
        for i in order:
            whole.merge(parts[i])
        results.append(whole.scores())
    once = BinaryTruth()
    once.update((*known, None))
    assert results[0] == results[1] == once.scores()


def test_bayes_scores_of_ranges():
    ranges = [(0, 40_000), (300_000, 350_001), (1000_003, 1000_004)]
    found = data_gen.bayes_scores("fraud", ranges, seed=4, workers=2)
    truth = BinaryTruth()
    for a, b in ranges:
        label = data_gen.rows("fraud", a, b, ["is_fraud"], seed=4)["is_fraud"].to_numpy()
        truth.update((data_gen.truth("fraud", a, b, seed=4), label, None))
    expected = truth.scores()
    assert found["rows"] == 90_002
    for key in ("auc", "average_precision", "log_loss", "brier"):
        assert found[key] == expected[key]["realised"]
        assert found[f"expected_{key}"] == expected[key]["expected"]
        assert found[f"se_{key}"] == expected[key]["se"]


@pytest.mark.parametrize("duplicates", [0.5, 0.9])
def test_standard_errors_count_copies_as_one(duplicates):
    knobs = {"prevalence": 0.1, "duplicates": duplicates}
    found = [data_gen.bayes_scores("fraud", [(i << 14, (i + 1) << 14)], **knobs) for i in range(60)]
    plain = data_gen.bayes_scores("fraud", [(0, 1 << 14)], prevalence=0.1)
    for key in ("auc", "log_loss", "brier"):
        spread = np.std([f[key] for f in found], ddof=1)
        stated = np.mean([f[f"se_{key}"] for f in found])
        assert 0.75 < spread / stated < 1.33, key
        assert stated > (1.5 if duplicates == 0.5 else 4) * plain[f"se_{key}"]


def test_standard_errors_hold_where_few_positives_are_drawn():
    """With the labels drawn instead of their chances, some draws lay fifteen standard errors from what is expected."""
    found = [data_gen.bayes_scores("fraud", [(i << 15, (i + 1) << 15)], duplicates=0.9) for i in range(24)]
    for key in ("auc", "log_loss", "brier"):
        assert max(abs(f[key] - f[f"expected_{key}"]) / f[f"se_{key}"] for f in found) < 4


def test_clusters_add_up_in_any_order():
    p = data_gen.truth("fraud", 0, 5000, duplicates=0.5)
    y = data_gen.rows("fraud", 0, 5000, ["is_fraud"], duplicates=0.5)["is_fraud"].to_numpy()
    copies = np.random.default_rng(0).integers(1, 5, 5000)
    whole = BinaryTruth()
    whole.update((p, y, copies))
    parts = []
    for a, b in ((0, 2000), (2000, 5000)):
        part = BinaryTruth()
        part.update((p[a:b], y[a:b], copies[a:b]))
        parts.append(part)
    single = BinaryTruth()
    single.update((p[:0], y[:0], None))
    for order in ((0, 1), (1, 0)):
        total = BinaryTruth()
        total.merge(single.arrays())
        for i in order:
            total.merge(parts[i].arrays())
        assert total.scores() == whole.scores()
