"""Rankings on the native engine: gradients as the papers write them, LightGBM's first tree, one model for any deal."""

import itertools

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting import LGBMRanker
from scalable.errors import UsageError
from scalable.evaluate.queries import default_gains, query_values
from scalable.kernels.ranking.lambdarank import best_gains, lambda_gradients
from scalable.kernels.ranking.xendcg import xendcg_gradients


def pairs(score, label, gains, truncation, sigmoid, normed):
    """Return gradients and hessians of one query, as the papers write them."""
    order = np.argsort(-score, kind="stable")
    place = np.empty(len(score), int)
    place[order] = np.arange(len(score))
    discount = 1 / np.log2(2 + place)
    best = np.sum(
        np.sort(gains[label])[::-1][:truncation] / np.log2(2 + np.arange(min(truncation, len(score))))
    )
    g, h, total = np.zeros(len(score)), np.zeros(len(score)), 0.0
    for a in range(len(score)):
        for b in range(len(score)):
            if label[a] <= label[b] or min(place[a], place[b]) >= truncation:
                continue
            change = (gains[label[a]] - gains[label[b]]) * abs(discount[a] - discount[b]) / best
            if normed and score.min() != score.max():
                change /= 0.01 + abs(score[a] - score[b])
            p = 1 / (1 + np.exp(sigmoid * (score[a] - score[b])))
            g[a] -= sigmoid * change * p
            g[b] += sigmoid * change * p
            h[[a, b]] += sigmoid**2 * change * p * (1 - p)
            total += 2 * sigmoid * change * p
    factor = np.log2(1 + total) / total if normed and total > 0 else 1.0
    return g * factor, h * factor


@pytest.mark.parametrize(
    ("truncation", "sigmoid", "normed"), [(30, 1.0, True), (3, 2.0, False), (1, 0.5, True)]
)
def test_gradients_are_the_pairs(truncation, sigmoid, normed):
    rng = np.random.default_rng(truncation)
    sizes = np.array([1, 2, 9, 40, 5])
    edges = np.concatenate([[0], np.cumsum(sizes)])
    label = rng.integers(0, 4, edges[-1])
    label[edges[4] :] = 0  # nothing to rank
    score = np.round(rng.normal(size=edges[-1]), 1)  # with ties
    score[edges[1] : edges[2]] = 0.0
    weight, gains = rng.random(edges[-1]).astype(np.float32), np.array([0.0, 1.0, 3.0, 7.0])
    discounts, inverse = 1 / np.log2(2.0 + np.arange(40)), np.empty(5)
    best_gains(edges, label.astype(np.float32), gains, discounts, truncation, inverse)
    g, h = np.full(edges[-1], np.nan), np.full(edges[-1], np.nan)
    for first, last in ((0, 3), (3, 5)):
        lambda_gradients(
            edges, first, last, score, label.astype(np.float32), weight, gains, discounts, inverse, truncation,
            sigmoid, normed, g, h,
        )  # fmt: skip
    for low, high in itertools.pairwise(edges):
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = pairs(score[low:high], label[low:high], gains, truncation, sigmoid, normed)
        for found, wanted in zip((g, h), expected, strict=True):
            np.testing.assert_allclose(found[low:high], wanted * weight[low:high], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_xendcg_are_the_papers(weighted):
    rng = np.random.default_rng(0)
    edges = np.cumsum([0, 7, 1, 30])
    score, label = rng.normal(size=38), rng.integers(0, 5, 38)
    weight = rng.random(38).astype(np.float32) if weighted else np.empty(0, np.float32)
    g, h = np.full((2, 38), np.nan)
    for first, last in ((0, 2), (2, 3)):
        xendcg_gradients(edges, first, last, score, label.astype(np.float32), weight, 5, g, h)
    for q, (low, high) in enumerate(itertools.pairwise(edges)):
        state, drawn = 5 + q, []
        for _ in range(low, high):
            state = (214013 * state + 2531011) % 2**32
            drawn.append((state // 2**16 % 2**15) / 2**15)
        rho = np.exp(score[low:high]) / np.exp(score[low:high]).sum()
        phi = (2.0 ** label[low:high] - drawn) / (2.0 ** label[low:high] - drawn).sum()
        if high - low == 1:
            wanted = np.zeros((2, 1))
        else:
            first = rho - phi
            at = first / (1 - rho)
            second = rho * (at.sum() - at)
            at = second / (1 - rho)
            wanted = np.array([first + second + rho * (at.sum() - at), rho * (1 - rho)])
        wanted = wanted * (weight[low:high] if weighted else 1.0)
        np.testing.assert_allclose([g[low:high], h[low:high]], wanted, rtol=1e-10, atol=1e-14)


SIZES = np.random.default_rng(3).integers(1, 40, 300)
N = int(SIZES.sum())
X = np.random.default_rng(4).normal(size=(N, 5))
Y = np.clip(np.round(X[:, 0] + X[:, 1] * X[:, 2] + np.random.default_rng(5).normal(size=N)), 0, 4).astype(int)
FIRST = int(SIZES[:220].sum())


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"lambdarank_truncation_level": 4, "lambdarank_norm": False, "label_gain": [0, 1, 2, 5, 9]},
        {"objective": "rank_xendcg", "random_state": 3},
    ],
)
def test_first_tree_is_lightgbms_and_the_order_as_good(params):
    weight = np.linspace(0.5, 2, N)
    ours, theirs = (
        LGBMRanker(n_estimators=30, num_leaves=7, num_threads=1, engine=engine, **params).fit(
            X[:FIRST], Y[:FIRST], group=SIZES[:220], sample_weight=weight[:FIRST]
        )
        for engine in ("native", "lightgbm")
    )
    assert (ours.engine_, theirs.engine_) == ("native", "lightgbm")
    first = [model.booster_.predict(X, num_iteration=1) for model in (ours, theirs)]
    np.testing.assert_allclose(*first, rtol=1e-6)
    again = lgb.Booster(model_str=ours.booster_.model_to_string())
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))
    ndcg = [
        np.nanmean(query_values(SIZES[220:], Y[FIRST:], model.predict(X[FIRST:]), [10], default_gains())[0])
        for model in (ours, theirs)
    ]
    drawn = (
        params.get("objective") == "rank_xendcg"
    )  # after the first tree by other numbers: .01 apart by chance
    assert ndcg[0] > ndcg[1] - (0.03 if drawn else 0.01)


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_threads_give_one_model(objective):
    given = {"n_estimators": 5, "num_leaves": 15, "engine": "native", "min_child_samples": 5}
    texts = [
        LGBMRanker(objective=objective, num_threads=n, **given)
        .fit(X, Y, group=SIZES)
        .booster_.model_to_string()
        .split("parameters:")[0]
        for n in (1, 2, 3)
    ]
    assert texts[0] == texts[1] == texts[2]


def test_parameters_without_meaning_are_refused():
    for name, value in (("lambdarank_truncation_level", 0), ("sigmoid", 0.0)):
        with pytest.raises(UsageError, match=name):
            LGBMRanker(n_estimators=1, engine="native", **{name: value}).fit(X, Y, group=SIZES)
