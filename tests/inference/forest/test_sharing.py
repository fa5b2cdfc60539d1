"""Compiled forests copied, pickled, shared between threads, and files replaced under them."""

import copy
import os
import pickle
import subprocess
import sys
import threading

import lightgbm as lgb
import numpy as np
import pytest

from bench.forests import random_booster, random_data
from scalable.inference import compile_model, load_compiled
from scalable.inference.forest.places import Columns
from scalable.inference.linear_row import CompiledLinear

_OTHER = """
import pickle, sys
import numpy as np
model, X, expected = pickle.load(open(sys.argv[1], "rb"))
assert np.array_equal(model.predict(X), expected, equal_nan=True)
assert np.array_equal([model.predict_one(x) for x in X], expected, equal_nan=True)
"""


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 6))
    params = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 15}
    return lgb.train(params, lgb.Dataset(X, X[:, 0] * X[:, 1] > 0), 40), X


def used(model, X):
    """Ask a model in every way, so that whatever it keeps is there."""
    model.predict(X)
    model.predict_one(X[0])
    model.predict(X, pred_leaf=True)
    model.predict(X, pred_early_stop=True, pred_early_stop_margin=0.1)
    model.predict(X, num_iteration=3)
    return model


def test_a_pickle_of_a_used_predictor_works_in_another_process(trained, tmp_path):
    booster, X = trained
    model = used(compile_model(booster), X)
    model.save(tmp_path / "m.forest")
    linear = CompiledLinear(np.ones((1, 6)), np.zeros(1), "logistic")
    linear.predict_one(X[0])
    for name, one in (
        ("used", model),
        ("loaded", used(load_compiled(tmp_path / "m.forest"), X)),
        ("linear", linear),
    ):
        expected = (
            one.predict(X[:50]) if name != "linear" else np.array([linear.predict_one(x) for x in X[:50]])
        )
        (tmp_path / name).write_bytes(pickle.dumps((one, X[:50], expected)))
        if name != "linear":
            subprocess.run([sys.executable, "-c", _OTHER, str(tmp_path / name)], check=True)
    again = pickle.loads((tmp_path / "linear").read_bytes())[0]
    assert [again.predict_one(x) for x in X[:50]] == [linear.predict_one(x) for x in X[:50]]


def test_copies_share_no_memory(trained):
    booster, X = trained
    model = used(compile_model(booster), X)
    expected = model.predict(X)
    other = copy.deepcopy(model)
    assert other.programs.frozen.address != model.programs.frozen.address
    other.programs.frozen.memory[:] = 0
    other.programs.plan.table[:] = 0
    np.testing.assert_array_equal(model.predict(X), expected)
    assert model.predict_one(X[0]) == expected[0]


def test_columns_are_copied_with_their_values():
    matrix = np.random.default_rng(0).standard_normal((5, 3))
    for columns in (Columns.of_matrix(matrix), Columns.of_arrays(list(matrix.T), 5)):
        again = pickle.loads(pickle.dumps(columns))
        np.testing.assert_array_equal(again.matrix(), matrix)
        held = {values.ctypes.data for values in again.values}
        assert int(again.places["address"][0]) in held


@pytest.mark.parametrize("how", ["in place", "truncated", "removed"])
def test_a_loaded_forest_is_safe_from_its_file(trained, tmp_path, how):
    booster, X = trained
    path = tmp_path / "m.forest"
    compile_model(booster).save(path)
    loaded = load_compiled(path)
    if how == "in place":
        other = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, X[:, 2]), 60)
        compile_model(other).save(tmp_path / "other")
        with open(path, "r+b") as file:
            file.write((tmp_path / "other").read_bytes())
    elif how == "truncated":
        os.truncate(path, 100)
    else:
        path.unlink()
    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))
    assert loaded.predict_one(X[0]) == booster.predict(X[:1])[0]


def together(works):
    """Run functions at the same time; raise what one of them raised."""
    failed, gate = [], threading.Barrier(len(works))

    def run(work):
        try:
            gate.wait()
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_three_threads_save_to_one_path(trained, tmp_path):
    booster = trained[0]
    models = [
        compile_model(booster),
        compile_model(random_booster(3)[0]),
        compile_model(random_booster(4)[0]),
    ]
    sizes = {model.n_features for model in models}
    path = tmp_path / "m.forest"

    def save(model):
        for _ in range(15):
            model.save(path)
            assert load_compiled(path).n_features in sizes

    together([lambda model=model: save(model) for model in models])
    assert os.listdir(tmp_path) == ["m.forest"]


def test_many_iteration_ranges_from_eight_threads(trained):
    booster, X = trained
    model = compile_model(booster)
    expected = {n: booster.predict(X[:40], num_iteration=n, raw_score=True) for n in range(1, 40)}

    def ask(seed):
        for n in np.random.default_rng(seed).integers(1, 40, 150).tolist():
            np.testing.assert_array_equal(model.predict(X[:40], num_iteration=n, raw_score=True), expected[n])

    together([lambda seed=seed: ask(seed) for seed in range(8)])


def test_threads_share_one_predictor(trained):
    booster, X = trained
    model, expected = compile_model(booster), booster.predict(X)

    def ask(start):
        for at in range(start, 3000, 4):
            assert model.predict_one(X[at]) == expected[at]
        np.testing.assert_array_equal(model.predict(X), expected)

    together([lambda start=start: ask(start) for start in range(4)])


@pytest.mark.parametrize("seed", [3, 33])
def test_few_rows_and_many_have_the_same_bits(seed):
    """Leaves, early stopping and linear trees go other ways for a few rows than for a block."""
    booster, what = random_booster(seed)
    compiled = compile_model(booster)
    X = random_data(np.random.default_rng(0), 700, booster.num_feature())[0]
    for options in ({"pred_leaf": True}, {"pred_early_stop": True, "pred_early_stop_margin": 0.3}, {}):
        whole = booster.predict(X, **options)
        for n in (1, 7, 700):
            np.testing.assert_array_equal(compiled.predict(X[:n], **options), whole[:n], what)
