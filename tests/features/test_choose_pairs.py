import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from scalable.boosting import LGBMClassifier
from scalable.data.table import TableSource
from scalable.execution.threads import Threads
from scalable.features.hashing import HashedCategories
from scalable.features.target import Labels
from scalable.features.target_encoding import interactions
from scalable.features.target_encoding.interactions import MOST_KEPT, candidates, learn_means


def table(n, seed, size=1.0):
    rng, world = np.random.default_rng(seed), np.random.default_rng(0)
    a, b, c = rng.integers(0, 15, n), rng.integers(0, 20, n), rng.integers(0, 10, n)
    effect = size * world.normal(size=(15, 20))[a, b] + world.normal(size=10)[c]
    y = rng.random(n) < 1 / (1 + np.exp(1.5 - effect))
    return pa.table({"a": [f"a{k}" for k in a], "b": [f"b{k}" for k in b], "c": [f"c{k}" for k in c], "y": y})


LEVELS = {name: [f"{name}{k}" for k in range(n)] for name, n in (("a", 15), ("b", 20), ("c", 10))}


def test_only_pairs_that_interact_are_chosen():
    labels = Labels("y", (False, True))
    source = TableSource(table(60_000, 1), target="y")
    pairs, sums = learn_means(Threads(2), source, (), LEVELS, labels)
    assert [pair.names for pair in pairs] == [("a", "b")]
    assert list(sums) == ["a_x_b"]
    quiet = TableSource(table(60_000, 1, size=0.0), target="y")
    assert learn_means(Threads(2), quiet, (), LEVELS, labels) == ((), {})
    assert learn_means(Threads(2), source, (), LEVELS, Labels("y", (0, 1, 2))) == ((), {})


def test_more_rows_than_are_screened_give_the_same_sums(monkeypatch):
    labels = Labels("y", (False, True))
    source = TableSource(table(60_000, 1), target="y")
    hashed = (HashedCategories("c", 2**16),)
    pairs, sums = learn_means(Threads(2), source, hashed, LEVELS, labels)
    monkeypatch.setattr(interactions, "SCREENED_ROWS", 20_000)
    again, others = learn_means(Threads(2), source, hashed, LEVELS, labels)
    assert again == pairs
    assert list(others) == list(sums) == ["c", "a_x_b"]
    for name, found in sums.items():
        np.testing.assert_array_equal(found.counts, others[name].counts)
        np.testing.assert_array_equal(found.sums, others[name].sums)


def test_candidates_have_many_cells_but_not_too_many():
    levels = {
        "few": ["x", "y"],
        "a": LEVELS["a"],
        "many": [str(k) for k in range(900)],
        "open": None,
        "none": [],
    }
    assert [pair.names for pair in candidates(levels)] == [("a", "many"), ("few", "many")]
    everything = {f"t{k}": LEVELS["b"] for k in range(40)}
    assert MOST_KEPT < len(candidates(everything)) <= 28


def test_a_pair_is_learned_and_can_be_left_out(tmp_path):
    train, test = (TableSource(table(40_000, seed), target="y") for seed in (1, 2))
    y = table(40_000, 2)["y"].to_numpy()
    found = {}
    for pairs in (True, False):
        model = LGBMClassifier(20, num_leaves=15, pairs=pairs).fit(train)
        assert any(line.startswith("a x b") for line in model.describe_columns()) is pairs
        found[pairs] = roc_auc_score(y, model.predict_proba(test)[:, 1])
    assert found[True] > found[False] + 0.005
    model = LGBMClassifier(5).fit(train)
    model.save(tmp_path / "m")
    again = LGBMClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(test), model.predict_proba(test))
