"""NDCG and MAP of queries that blocks cut anywhere."""

from itertools import pairwise, permutations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from scalable.data.block import RawBlock
from scalable.evaluate.groups import runs_of
from scalable.evaluate.queries import PLACES, QueryMetrics, default_gains, query_values

RNG = np.random.default_rng(0)
SIZES = RNG.integers(1, 20, 50)
LABEL, SCORE = RNG.integers(0, 5, SIZES.sum()).astype(float), RNG.normal(size=SIZES.sum())
QUERY = pa.array([f"q{k}" for k in np.repeat(np.arange(50), SIZES)])
ENDS = np.cumsum(SIZES)[:-1]


def by_scikit_learn(place):
    """Return mean NDCG and mean average precision, 1 where there is nothing to find."""
    parts = list(zip(np.split(LABEL, ENDS), np.split(SCORE, ENDS), strict=True))
    ndcg = [ndcg_score([2**y - 1], [s], k=place) if y.any() and len(y) > 1 else 1.0 for y, s in parts]
    return np.mean(ndcg), np.mean([average_precision_score(y > 0, s) if y.any() else 1.0 for y, s in parts])


@pytest.mark.parametrize("every", [1, 7, 100, 10_000])
def test_blocks_cut_anywhere_give_one_report(every):
    metrics = QueryMetrics()
    cuts = [*range(0, len(LABEL), every), len(LABEL)]
    states = []
    for low, high in pairwise(cuts):
        runs = runs_of(RawBlock({"q": QUERY.slice(low, high - low)}, low, high - low), "q")
        states.append(metrics.step(metrics.init(), *runs, LABEL[low:high], SCORE[low:high]))
    while len(states) > 1:
        pairs = [states[k : k + 2] for k in range(0, len(states), 2)]
        states = [metrics.merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    report = metrics.finish(states[0])
    assert (report.rows, report.queries) == (len(LABEL), 50)
    for place in PLACES:
        assert getattr(report, f"ndcg_{place}") == pytest.approx(by_scikit_learn(place)[0], abs=1e-12)
    assert report.map_10 == pytest.approx(np.mean(query_values(SIZES, LABEL, SCORE, [10], ())[2]), abs=1e-12)


def test_average_precision_of_all_rows_is_scikit_learn_s():
    found = query_values(SIZES, LABEL, SCORE, [1000], default_gains())[2]
    assert found.mean() == pytest.approx(by_scikit_learn(None)[1], abs=1e-12)


def test_chance_is_the_mean_over_all_orders():
    label = np.array([2.0, 0.0, 1.0, 1.0])
    orders = [np.array(order, float) for order in permutations(range(4))]
    every = [query_values(np.array([4]), label, order, [1, 3], default_gains()) for order in orders]
    np.testing.assert_allclose(np.mean([ndcg for ndcg, _, _ in every], axis=0), every[0][1], atol=1e-12)
