"""The best split of a feature against trying every split with plain formulas."""

import itertools

import numpy as np
import pytest

from scalable.kernels.histogram.gain import FEATURE, LEAF, NONE, RULES, SPLIT, answers
from scalable.kernels.histogram.search import search_categories, search_numbers
from scalable.kernels.histogram.split_categories import left_categories

PLAIN = {"min_data": 5, "min_hessian": 1e-3, "cat_smooth": 10, "cat_l2": 10, "max_cat_threshold": 32,
         "max_cat_to_onehot": 4, "min_data_per_group": 10}  # fmt: skip


def output(g, h, n, l2, rules, parent, low, high):
    value = -np.sign(g) * max(0.0, abs(g) - rules.get("l1", 0)) / (h + l2)
    step = rules.get("max_delta_step", 0)
    value = np.clip(value, -step, step) if step > 0 else value
    if rules.get("path_smooth", 0):
        share = n / rules["path_smooth"]
        value = value * share / (share + 1) + parent / (share + 1)
    return min(max(value, low), high)


def saved(g, h, value, l2, rules):
    return -(2 * np.sign(g) * max(0.0, abs(g) - rules.get("l1", 0)) * value + (h + l2) * value**2)


def case(
    rules, n_bins=12, missing=0, categorical=0, monotone=0, seed=0, output_=0.0, bounds=(-np.inf, np.inf)
):
    rng = np.random.default_rng(seed)
    histogram = np.zeros((3, n_bins + 3), np.int64)
    histogram[2, 2:-1] = rng.integers(0, 30, n_bins)
    histogram[0, 2:-1] = rng.normal(size=n_bins) * 100 * histogram[2, 2:-1]
    histogram[1, 2:-1] = histogram[2, 2:-1] * rng.integers(50, 150, n_bins)
    features, leaf, record = np.zeros(1, FEATURE), np.zeros(1, LEAF), np.zeros(1, RULES)
    features[0] = (2, n_bins, missing, categorical, monotone)
    leaf[0] = (*histogram.sum(axis=1), 0.01, 0.005, output_, *bounds)
    for name, value in rules.items():
        record[name] = value
    record["constrained"] = monotone != 0
    return histogram, features, leaf, record


def value_of(left, histogram, leaf, rules, l2, monotone):
    """Return the gain of sending the bins `left` left, or None where that is not allowed."""
    total = np.array([leaf["gradient"][0], leaf["hessian"][0], leaf["count"][0]])
    inside = histogram[:, [2 + b for b in left]].sum(axis=1)
    # LightGBM's count: average rows of the leaf that have these hessians, bin by bin.
    share = total[2] / total[1]
    inside[2] = sum(int(histogram[1, 2 + b] * share + 0.5) for b in left)
    outputs, gain = [], 0.0
    for g, h, n in (inside, total - inside):
        g, h = g * 0.01, h * 0.005
        if n < rules["min_data"] or h < rules["min_hessian"]:
            return None
        parent, low, high = (float(leaf[name][0]) for name in ("output", "low", "high"))
        outputs.append(output(g, h, n, l2, rules, parent, low, high))
        gain += saved(g, h, outputs[-1], l2, rules)
    if (monotone > 0 and outputs[0] > outputs[1]) or (monotone < 0 and outputs[0] < outputs[1]):
        return None
    g, h, n = total * [0.01, 0.005, 1]
    base = float(leaf["output"][0]) if rules.get("path_smooth") else None
    base = output(g, h, n, rules.get("l2", 0), rules, 0, -np.inf, np.inf) if base is None else base
    return gain - saved(g, h, base, rules.get("l2", 0), rules) - rules.get("min_gain", 0)


RULESETS = [
    PLAIN,
    PLAIN | {"l2": 3.0, "min_data": 40},
    PLAIN | {"l1": 5.0, "l2": 1.0},
    PLAIN | {"max_delta_step": 0.3},
    PLAIN | {"path_smooth": 20.0},
    PLAIN | {"min_gain": 50.0, "min_hessian": 60.0},
]


@pytest.mark.parametrize("rules", RULESETS)
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("monotone", [0, 1, -1])
def test_numbers(rules, missing, monotone):
    for seed in range(12):
        bounds = (-0.4, 0.5) if seed % 3 == 0 and monotone else (-np.inf, np.inf)
        histogram, features, leaf, record = case(
            rules, missing=missing, monotone=monotone, seed=seed, output_=0.2, bounds=bounds
        )
        splits = np.zeros(1, SPLIT)
        search_numbers(histogram, features, np.array([0]), leaf, record, np.uint64(0), splits)
        numeric = 12 - missing
        tried = {}
        for t in range(numeric - (0 if missing else 1)):
            for to_left in (False, True) if missing else (False,):
                left = [*range(t + 1), *([11] if to_left else [])]
                if len(left) < 12:
                    tried[tuple(left)] = value_of(left, histogram, leaf, rules, rules.get("l2", 0), monotone)
        best = max((gain for gain in tried.values() if gain is not None), default=-1)
        if best < 1e-9:  # nothing but what rounding leaves
            assert splits["kind"][0] == NONE or splits["gain"][0] < 1e-9
            continue
        assert splits["gain"][0] == pytest.approx(best, rel=1e-9)
        chosen = (
            *range(splits["threshold"][0] + 1),
            *([11] if missing and splits["missing_left"][0] else []),
        )
        assert tried[chosen] == pytest.approx(best, rel=1e-9)
        sums = histogram[:, 2:][:, list(chosen)].sum(axis=1)
        assert [splits[name][0] for name in ("gradient", "hessian", "count")] == sums.tolist()


@pytest.mark.parametrize("rules", RULESETS[:3])
def test_one_category_against_the_rest(rules):
    for seed in range(12):
        histogram, features, leaf, record = case(rules | {"max_cat_to_onehot": 12}, categorical=1, seed=seed)
        splits = np.zeros(1, SPLIT)
        search_categories(histogram, features, np.array([0]), leaf, record, np.uint64(0), splits)
        tried = [value_of([b], histogram, leaf, rules, rules.get("l2", 0), 0) for b in range(1, 12)]
        best = max((gain for gain in tried if gain is not None), default=-1)
        if best > 0:
            assert splits["gain"][0] == pytest.approx(best, rel=1e-9)
            assert tried[splits["threshold"][0] - 1] == pytest.approx(best, rel=1e-9)
        else:
            assert splits["kind"][0] == NONE


def test_sorted_categories_are_the_best_of_all_sets():
    """Fisher's theorem: with nothing but the hessians to regularise, no set beats those of the sorted order."""
    rules = PLAIN | {
        "cat_smooth": 0,
        "cat_l2": 0,
        "min_data": 1,
        "min_data_per_group": 1,
        "max_cat_threshold": 99,
    }
    for seed in range(6):
        histogram, features, leaf, record = case(rules, n_bins=9, categorical=1, seed=seed)
        histogram[:, 2] = 0  # nobody is missing or rare
        leaf[0]["gradient"], leaf[0]["hessian"], leaf[0]["count"] = histogram.sum(axis=1)
        splits = np.zeros(1, SPLIT)
        search_categories(histogram, features, np.array([0]), leaf, record, np.uint64(0), splits)
        used = [b for b in range(1, 9) if histogram[2, 2 + b]]
        sets = itertools.chain.from_iterable(itertools.combinations(used, k) for k in range(1, len(used)))
        gains = [value_of(list(s), histogram, leaf, rules, 0.0, 0) for s in sets]
        best = max(gain for gain in gains if gain is not None)
        assert splits["gain"][0] == pytest.approx(best, rel=1e-9)
        left = left_categories(histogram, features[0], leaf[0], record[0], *splits[["kind", "threshold"]][0])
        assert value_of(left, histogram, leaf, rules, 0.0, 0) == pytest.approx(best, rel=1e-9)


def test_the_order_of_many_categories_is_total():
    """Equal statistics are ordered by bin, so that a set never depends on how it was sorted."""
    n = 3000
    histogram = np.zeros((3, n), np.int64)
    histogram[2, 1:], histogram[1, 1:] = 50, 100
    histogram[0, 1:] = np.random.default_rng(0).integers(-3, 4, n - 1) * 100
    features, leaf, record = np.zeros(1, FEATURE), np.zeros(1, LEAF), np.zeros(1, RULES)
    features[0] = (0, n, 0, 1, 0)
    leaf[0] = (*histogram.sum(axis=1), 0.01, 0.01, 0, -np.inf, np.inf)
    for name, value in (PLAIN | {"max_cat_threshold": 100}).items():
        record[name] = value
    splits = np.zeros(1, SPLIT)
    search_categories(histogram, features, np.array([0]), leaf, record, np.uint64(0), splits)
    left = left_categories(histogram, features[0], leaf[0], record[0], *splits[["kind", "threshold"]][0])
    order = np.lexsort((np.arange(1, n), histogram[0, 1:])) + 1
    lowest, highest = order[: splits["threshold"][0] + 1], order[::-1][: splits["threshold"][0] + 1]
    assert set(left) in (set(lowest), set(highest))


def test_answers_add_up_from_the_leaves_to_the_root():
    children = np.array([[1, ~0], [~1, ~2]])
    sums = np.array([[0, 0], [0, 0], [-30, 10], [50, 40], [7, 20]])
    counts = np.array([0, 0, 3, 5, 2])
    rules = np.zeros(1, RULES)
    rules["path_smooth"], rules["l2"] = 4.0, 1.0
    weights, values = np.empty(5), np.empty(5)
    bounds = np.array([[-np.inf, np.inf], [-0.1, 0.1], [-np.inf, np.inf]])
    answers(
        children, np.array([1.0, 2.0]), sums, counts, bounds, np.array([0.5, 0.25]), rules, weights, values
    )
    assert counts.tolist() == [10, 7, 3, 5, 2]
    np.testing.assert_allclose(weights, np.array([70, 60, 10, 40, 20]) * 0.25)
    smooth = {"path_smooth": 4.0}
    root = output(13.5, 17.5, 10, 1.0, {}, 0, -np.inf, np.inf)
    inner = output(28.5, 15.0, 7, 1.0, smooth, root, -np.inf, np.inf)
    wanted = [
        root,
        inner,
        output(-15, 2.5, 3, 1.0, smooth, root, -np.inf, np.inf),
        output(25, 10, 5, 2.0, smooth, inner, -0.1, 0.1),
        output(3.5, 5, 2, 2.0, smooth, inner, -np.inf, np.inf),
    ]
    np.testing.assert_allclose(values, wanted, rtol=1e-12)
