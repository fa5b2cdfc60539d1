"""Multi-class metrics against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from scalable.errors import DataError
from scalable.evaluate import MulticlassMetrics, evaluate_predictions


def draw(n=4_000, k=4, seed=0, weighted=False):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(k, 0.7), n)
    y = (random.random(n)[:, None] > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return y, p, random.integers(1, 4, n) / 2 if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 4, 9])
def test_agrees_with_scikit_learn(k, weighted):
    y, p, w = draw(k=k, weighted=weighted)
    report = evaluate_predictions(y, p, w, kind="multiclass")
    assert report["log_loss"] == pytest.approx(sk.log_loss(y, p, sample_weight=w), rel=1e-12)
    assert report["accuracy"] == pytest.approx(
        sk.accuracy_score(y, p.argmax(axis=1), sample_weight=w), rel=1e-12
    )
    chosen = sk.confusion_matrix(y, p.argmax(axis=1), sample_weight=w)
    np.testing.assert_allclose(report["confusion"], chosen)
    brier = np.average(((p - np.eye(k)[y]) ** 2).sum(axis=1), weights=w)
    assert report["brier"] == pytest.approx(brier, rel=1e-12)
    for c, one in enumerate(report["classes"]):
        exact = sk.roc_auc_score(y == c, p[:, c], sample_weight=w)
        assert abs(one["auc"] - exact) <= one["auc_error"] + 1e-12
        assert one["auc_error"] < 1e-3
        assert one["average_precision"] == pytest.approx(
            sk.average_precision_score(y == c, p[:, c], sample_weight=w), abs=2e-3
        )
        assert one["recall"] == pytest.approx(chosen[c, c] / chosen[c].sum())
        assert one["precision"] == pytest.approx(chosen[c, c] / chosen[:, c].sum())
    assert report["auc_macro"] == pytest.approx(np.mean([one["auc"] for one in report["classes"]]))


def test_exact_where_scores_fall_in_distinct_bins():
    random = np.random.default_rng(1)
    y = random.integers(0, 3, 500)
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]])[random.integers(0, 3, 500)]
    report = evaluate_predictions(y, p, kind="multiclass")
    assert report["auc_macro_error"] == 0.0
    assert report["auc_macro"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"), rel=1e-12)


def test_two_classes_equal_the_binary_report():
    y, p, w = draw(k=2, weighted=True)
    two = evaluate_predictions(y, p, w, kind="multiclass")
    one = evaluate_predictions(y, p[:, 1], w)
    assert two["log_loss"] == pytest.approx(one["log_loss"], rel=1e-12)
    assert two["brier"] == pytest.approx(2 * one["brier"], rel=1e-12)
    assert two["classes"][1]["auc"] == pytest.approx(one["auc"], abs=one["auc_error"] + 1e-3)


def test_merged_parts_equal_the_whole():
    y, p, w = draw(weighted=True)
    reduction = MulticlassMetrics(4)
    parts = [reduction.step(reduction.init(), y[a::3], p[a::3], w[a::3]) for a in range(3)]
    merged = reduction.finish(reduction.merge(reduction.merge(parts[0], parts[1]), parts[2])).to_json()
    whole = evaluate_predictions(y, p, w, kind="multiclass")
    for name in ("rows", "weight", "accuracy", "log_loss", "brier", "auc_macro", "auc_macro_error"):
        assert merged[name] == pytest.approx(whole[name], rel=1e-12), name
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_an_absent_class_has_no_auc():
    report = evaluate_predictions(
        [0, 1, 1], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1]], kind="multiclass"
    )
    assert report["auc_macro"] is None
    assert [one["auc"] for one in report["classes"]] == [1.0, 1.0, None]
    assert report["classes"][2]["recall"] is None


def test_many_classes_keep_the_state_small():
    for k in (2, 7, 100):
        assert MulticlassMetrics(k).init().bins.nbytes < 14e6


@pytest.mark.parametrize(
    ("y", "p", "found"),
    [
        ([0, 5], [[0.5, 0.5]] * 2, "row 1 .* class index below 2"),
        ([0, 1], [[0.5, 0.5], [0.9, 0.9]], "sum to one"),
        ([0, 1], [0.5, 0.5], "expected one label and 1 prediction"),
        ([0, 1], [[0.5, 0.5]], "shape"),
    ],
)
def test_unusable_input_is_refused_by_name(y, p, found):
    with pytest.raises(DataError, match=found):
        evaluate_predictions(y, p, kind="multiclass")
