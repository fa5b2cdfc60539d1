"""Two-class metrics against scikit-learn, and the edges scikit-learn refuses."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn import metrics as sk

from scalable.errors import DataError
from scalable.evaluate import BinaryMetrics, evaluate_predictions
from scalable.kernels import metrics as kernels

reduction = BinaryMetrics()


def draw(n=20_000, seed=0, digits=None, weighted=False):
    """Rare positives whose probability is the score: what the fraud data looks like."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-random.normal(-4, 2, n)))
    p = p if digits is None else p.round(digits)
    y = (random.random(n) < p).astype(float)
    return y, p, random.integers(0, 4, n) / 2 if weighted else None


def exact(y, p, w):
    y, p = (y, p) if w is None else (y[w > 0], p[w > 0])
    w = None if w is None else w[w > 0]
    return {
        "auc": sk.roc_auc_score(y, p, sample_weight=w),
        "average_precision": sk.average_precision_score(y, p, sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "brier": sk.brier_score_loss(y, p, sample_weight=w),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [2, 3])
def test_equals_scikit_learn_where_scores_fall_in_distinct_bins(digits, weighted):
    y, p, w = draw(digits=digits, weighted=weighted)
    report = evaluate_predictions(y, p, w)
    for name, value in exact(y, p, w).items():
        assert report[name] == pytest.approx(value, rel=1e-11, abs=1e-14), name
    assert report["auc_error"] == report["average_precision_error"] == report["ks_error"] == 0.0


@pytest.mark.parametrize("bits", [2, 6, 12])
@pytest.mark.parametrize("weighted", [False, True])
def test_error_bounds_hold_and_shrink(bits, weighted):
    y, p, w = draw(weighted=weighted)
    coarse = BinaryMetrics(bits)
    report = coarse.finish(coarse.step(coarse.init(), y, p, w))
    truth = exact(y, p, w)
    assert abs(report.auc - truth["auc"]) <= report.auc_error + 1e-13
    assert (
        abs(report.average_precision - truth["average_precision"]) <= report.average_precision_error + 1e-13
    )
    assert report.auc_error < 0.3 * 2.0**-bits
    assert report.log_loss == pytest.approx(truth["log_loss"], rel=1e-12)
    assert report.brier == pytest.approx(truth["brier"], rel=1e-12)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 40), st.sampled_from([0, 1, 2.5])), min_size=2, max_size=50
    )
)
def test_ranking_bounds_hold_for_any_order_inside_crowded_bins(rows):
    y, p, w = np.array([(a, 0.25 + b / 1000, c) for a, b, c in rows]).T
    crowded = BinaryMetrics(bits=1)  # all of 0.25..0.29 is one bin
    if len(set(y[w > 0])) < 2:
        return
    report = crowded.finish(crowded.step(crowded.init(), y, p, w))
    truth = exact(y, p, w)
    assert abs(report.auc - truth["auc"]) <= report.auc_error + 1e-12
    assert (
        abs(report.average_precision - truth["average_precision"]) <= report.average_precision_error + 1e-12
    )


def test_ks_equals_scipy():
    y, p, _ = draw(digits=3)
    assert evaluate_predictions(y, p)["ks"] == pytest.approx(
        ks_2samp(p[y == 1], p[y == 0]).statistic, rel=1e-12
    )


def test_ks_bound_holds():
    y, p, _ = draw()
    coarse = BinaryMetrics(4)
    report = coarse.finish(coarse.step(coarse.init(), y, p))
    assert abs(report.ks - ks_2samp(p[y == 1], p[y == 0]).statistic) <= report.ks_error


def test_roc_points_lie_on_scikit_learns_curve():
    y, p, _ = draw(digits=3)
    fpr, tpr = np.array(evaluate_predictions(y, p)["roc"]).T
    known_fpr, known_tpr, _ = sk.roc_curve(y, p, drop_intermediate=False)
    known = set(zip(known_fpr.round(12), known_tpr.round(12), strict=True))
    assert set(zip(fpr.round(12), tpr.round(12), strict=True)) <= known
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(sk.roc_auc_score(y, p), abs=2e-3)


def test_pr_points_lie_on_scikit_learns_curve():
    y, p, _ = draw(digits=3)
    recall, precision = np.array(evaluate_predictions(y, p)["pr"]).T
    known_precision, known_recall, _ = sk.precision_recall_curve(y, p)
    known = set(zip(known_recall.round(12), known_precision.round(12), strict=True))
    assert set(zip(recall[1:].round(12), precision[1:].round(12), strict=True)) <= known
    assert recall[-1] == 1


@pytest.mark.parametrize("n", [3, 50_000])
def test_curves_stay_small(n):
    y, p, _ = draw(n)
    y[:2] = [0, 1]
    report = evaluate_predictions(y, p)
    assert 2 <= len(report["roc"]) <= 400
    assert 2 <= len(report["pr"]) <= 400


def test_calibration_error_equals_a_direct_computation():
    y, p, w = draw(digits=2, weighted=True)
    report = evaluate_predictions(y, p, w)
    width = np.minimum((p * 15).astype(int), 14)
    expected = sum(abs((w * (y - p))[width == b].sum()) for b in range(15)) / w.sum()
    assert report["calibration_error_width"] == pytest.approx(expected, rel=1e-10)
    scores = np.unique(p[w > 0])
    mass = np.array([w[p == s].sum() for s in scores])
    group = np.minimum((20 * (mass.cumsum() - mass / 2) / mass.sum()).astype(int), 19)
    gaps = [abs((w * (y - p))[np.isin(p, scores[group == g])].sum()) for g in range(20)]
    assert report["calibration_error"] == pytest.approx(sum(gaps) / w.sum(), rel=1e-10)


def test_reliability_groups_have_about_equal_weight():
    y, p, _ = draw(100_000)
    groups = reduction.finish(reduction.step(reduction.init(), y, p)).reliability
    assert len(groups) == 20
    assert all(group.weight == pytest.approx(5_000, rel=0.02) for group in groups)
    assert [g.predicted for g in groups] == sorted(g.predicted for g in groups)
    assert sum(abs(g.observed - g.predicted) < 4 * g.error for g in groups) >= 19  # p is the true rate


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_leaves_only_what_is_defined(label):
    report = evaluate_predictions(np.full(5, label), np.linspace(0.1, 0.9, 5))
    assert report["auc"] is None
    assert report["ks"] is None
    assert report["roc"] == []
    assert report["average_precision"] == (None if label == 0 else 1.0)
    assert report["base_log_loss"] == 0.0
    assert report["log_loss"] > 0


def test_constant_scores_know_nothing():
    report = evaluate_predictions([0, 1, 0, 0], np.full(4, 0.25))
    assert (report["auc"], report["ks"], report["average_precision"]) == (0.5, 0.0, 0.25)
    assert report["calibration_error"] == 0.0
    assert report["log_loss"] == pytest.approx(report["base_log_loss"])


def test_certain_and_right_costs_almost_nothing_certain_and_wrong_is_clipped():
    right = evaluate_predictions([0, 1], [0, 1])
    assert right["log_loss"] == pytest.approx(2.0**-52)
    assert right["auc"] == 1.0
    wrong = evaluate_predictions([0, 1], [1, 0])
    assert wrong["log_loss"] == pytest.approx(52 * np.log(2))
    assert wrong["log_loss"] == pytest.approx(sk.log_loss([0, 1], [1.0, 0.0]))
    assert wrong["auc"] == 0.0


@given(st.lists(st.integers(0, 7), min_size=1, max_size=12), st.integers(0, 1000))
def test_any_split_into_blocks_gives_the_same_report(lengths, seed):
    y, p, w = draw(sum(lengths) + 2, seed, digits=2, weighted=True)
    w[:2], y[:2] = 1, [0, 1]
    ends = np.cumsum([0, *lengths, 2])
    states = [reduction.step(reduction.init(), y[a:b], p[a:b], w[a:b]) for a, b in itertools.pairwise(ends)]
    while len(states) > 1:
        states[:2] = [reduction.merge(states[0], states[1])]
    whole = evaluate_predictions(y, p, w)
    parts = reduction.finish(states[0]).to_json()
    for name in ("rows", "auc", "average_precision", "log_loss", "brier", "ks", "calibration_error"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-12, abs=1e-15), name


def test_zero_weight_rows_are_as_if_absent():
    y, p, w = draw(500, weighted=True)
    kept = w > 0
    all_rows, some = evaluate_predictions(y, p, w), evaluate_predictions(y[kept], p[kept], w[kept])
    assert all_rows.pop("rows") == 500
    assert some.pop("rows") == kept.sum()
    assert all_rows == some


def test_integer_weights_equal_repeated_rows():
    y, p, _ = draw(300, digits=2)
    times = np.random.default_rng(1).integers(1, 4, 300)
    one = evaluate_predictions(y, p, times)
    other = evaluate_predictions(np.repeat(y, times), np.repeat(p, times))
    for name in ("auc", "average_precision", "log_loss", "brier", "ks", "calibration_error", "prevalence"):
        assert one[name] == pytest.approx(other[name], rel=1e-11), name


def test_report_is_json():
    report = evaluate_predictions(*draw(100))
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_state_does_not_grow_with_rows():
    state = reduction.init()
    size = state.bins.nbytes
    for seed in range(3):
        state = reduction.step(state, *draw(10_000, seed))
    assert state.bins.nbytes == size < 7e6


@pytest.mark.parametrize(
    ("y", "p", "w", "found"),
    [
        ([0, 1], [0.5, np.nan], None, "row 1 .* prediction .*nan"),
        ([0, 2], [0.5, 0.5], None, r"row 1 .* label .*2\.0.* expected a label of 0 or 1"),
        ([0, 1], [0.5, 7.0], None, "probability within"),
        ([0, 1], [0.5, 0.5], [1, -1], r"weight .*-1\.0"),
        (["no", "yes"], [0.5, 0.5], None, "labels are not numbers .*'no'.* 0 and 1"),
        ([0, 1], [0.5], None, r"shape \(2,\), predictions \(1,\)"),
        ([0, 1], [0.5, 0.6], [1], r"weights \(1,\)"),
        ([], [], None, "0 rows"),
        ([0, 1], [0.5, 0.6], [0, 0], "2 rows, none of positive weight"),
    ],
)
def test_unusable_input_is_refused_by_name(y, p, w, found):
    with pytest.raises(DataError, match=found):
        evaluate_predictions(y, p, w)


@pytest.mark.parametrize("centre", [-30, -60, -200, -600, 20])
def test_scores_far_from_one_half_are_ranked_too(centre):
    random = np.random.default_rng(4)
    y = random.integers(0, 2, 20_000).astype(float)
    odds = centre + random.normal(size=len(y)) + 1.6 * y
    p = np.exp(-np.logaddexp(0, -odds))
    report = evaluate_predictions(y, p)
    truth = sk.roc_auc_score(y, p)
    assert truth > 0.8
    assert report["auc"] == pytest.approx(truth, abs=2e-3)
    assert abs(report["auc"] - truth) <= report["auc_error"] + 1e-13


def test_the_order_of_bins_is_the_order_of_scores():
    random = np.random.default_rng(5)
    p = np.concatenate([[0.0, 5e-324, 2.0**-25, 2.0**-65, 0.5, 1.0], 2.0 ** random.uniform(-1074, 0, 500)])
    p = np.sort(np.concatenate([p, 1 - p]))
    for bits in (1, 6, 12):
        places = [kernels.score_bin(value, bits) for value in p]
        assert places == sorted(places)
        assert (places[0], places[-1]) == (0, kernels.n_score_bins(bits) - 1)


def test_negatives_of_near_scores_above_all_positives_have_a_finite_error():
    p = np.r_[0.9 + 1e-9 * np.arange(20), 0.1, 0.2]
    y = np.r_[np.zeros(20), 1.0, 0.0]
    report = evaluate_predictions(y, p)
    truth = sk.average_precision_score(y, p)
    assert abs(report["average_precision"] - truth) <= report["average_precision_error"] + 1e-13


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux tells")
def test_a_state_takes_memory_for_the_scores_that_occur():
    """Of states some wait to be merged, more of them with more rows: written whole, each takes 7 MB."""

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    measures, rng = BinaryMetrics(), np.random.default_rng(0)
    y, p = rng.integers(0, 2, 1000), rng.uniform(0.01, 0.02, 1000)
    measures.step(measures.init(), y, p)
    before = resident()
    states = [measures.step(measures.init(), y, p) for _ in range(8)]
    assert measures.merge(states[0], states[1]).rows == 2000
    assert resident() - before < 8 * 2**20
