"""Leaves that are split together: which they are, the same bits for any deal, and the exchanges and bytes they save."""

import numpy as np
import pytest

from scalable.boosting.estimates import predict_traffic, rounds_of
from scalable.boosting.params import resolve
from scalable.errors import UsageError

CASES = {
    "binary": {"objective": "binary"},
    "constraints": {"objective": "binary", "interaction_constraints": [[0, 1], [2, 3, 4]], "max_depth": 5},
}


def fit(grown, table, together, name="binary", **more):
    X, targets = table
    params = CASES[name] | {"num_leaves": 20} | ({"leaves_per_round": together} if together else {})
    return grown(X, targets["binary"], params, **({"categorical": (1, 2), "iterations": 2} | more))


def test_one_leaf_a_round_is_leaf_wise_growth(grown, table):
    assert fit(grown, table, 1).text == fit(grown, table, None).text != fit(grown, table, 4).text


@pytest.mark.parametrize("together", [1, 4, 32])
def test_a_round_splits_the_leaves_that_gain_most(grown, table, together):
    for tree in fit(grown, table, together).trees:
        parents = np.full(len(tree.features), -1)
        for node, children in enumerate(tree.children):
            parents[children[children >= 0]] = node
        gains, first, n = tree.splits["gain"], 0, len(parents)
        while first < n:
            last = first + 1
            while last < min(n, first + together) and parents[last] < first:
                last += 1
            assert (np.diff(gains[first:last]) <= 0).all()
            left_over = np.arange(last, n)
            left_over = left_over[parents[left_over] < first]  # they could have been split, and gained less
            assert (gains[left_over] <= gains[last - 1]).all()
            assert last - first == together or len(left_over) == 0
            first = last


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("together", [4, 32])
def test_threads_and_workers_give_the_same_bits(grown, table, on_workers, name, together):
    wanted = fit(grown, table, together, name).text
    for threads in (2, 4):
        assert fit(grown, table, together, name, threads=threads).text == wanted
    for n in (2, 4):
        made = on_workers(
            n, lambda mesh: fit(grown, table, together, name, mesh=mesh, threads=mesh.worker % 2 + 1)
        )
        assert [model.text for model in made] == [wanted] * n


@pytest.mark.parametrize(("together", "n_workers", "categorical"), [(1, 2, ()), (8, 2, ()), (8, 3, (0,))])
def test_exchanges_and_bytes_are_the_models(grown, on_workers, together, n_workers, categorical):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 12))
    X[:, categorical] = rng.integers(0, 300, size=(20_000, len(categorical)))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    params = {
        "objective": "regression",
        "num_leaves": 31,
        "min_data_in_leaf": 1,
        "leaves_per_round": together,
    }

    def counted(mesh, iterations):
        model = grown(X, y, params, mesh=mesh, iterations=iterations, categorical=categorical)
        return mesh.exchanges, mesh.bytes_sent, mesh.bytes_received, model.bins

    two, five = (on_workers(n_workers, lambda mesh, n=n: counted(mesh, n)) for n in (2, 5))
    bins = two[0][3]
    widest = int(bins.features["n_bins"].max()) if bins.has_categories else 0
    plan = predict_traffic(
        bins.n_bins, 31, n_workers, engine="native", widest=widest, leaves_per_round=together
    )
    assert plan.exchanges == (five[0][0] - two[0][0]) / 3
    for way in (1, 2):
        more = sum(after[way] - before[way] for before, after in zip(two, five, strict=True))
        assert more / 3 / n_workers == pytest.approx(plan.total, rel=0.001)  # beats


def test_rounds_double_until_they_are_full():
    assert rounds_of(31, 1) == [1] * 30
    assert rounds_of(31, 8) == [1, 2, 4, 8, 8, 7]


def test_it_is_this_engines_and_a_whole_number():
    with pytest.raises(UsageError, match="leaves_per_round must be a whole number at least 1, not 0"):
        resolve({"leaves_per_round": 0}, 2)
    with pytest.raises(UsageError, match="leaves_per_round=4 needs engine='native'"):
        resolve({"leaves_per_round": 4, "engine": "lightgbm"}, 2)
    with pytest.raises(UsageError, match=r"leaves_per_round=4 needs engine='native', and .*boosting='dart'"):
        resolve({"leaves_per_round": 4, "boosting": "dart"}, 2)
    asked = resolve({"leaves_per_round": 4}, 2)
    assert (asked.engine, asked.yields, asked.values["leaves_per_round"]) == ("native", False, 4)
    assert "leaves_per_round" not in resolve({"leaves_per_round": 1}, 2).values
