"""Numbers cut into pieces: the encoding against NumPy, gradients, what it learns, and how it is saved."""

import itertools

import numpy as np
import pytest

from scalable.errors import ModelError, UsageError
from scalable.inference import load_model
from scalable.kernels.neural.pieces import through_pieces
from scalable.models.store import read_model, save_model
from scalable.neural import MLPClassifier, MLPRegressor
from scalable.neural.network import Network, Shape
from scalable.neural.number_pieces import LEAST_WIDTH, _column_edges

quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
EDGES = [np.array([-1.0, 0.5]), np.array([-2.0, -1.0, 0.0, 3.0])]


def expected(x):
    """Return what the paper's formula gives."""
    parts = []
    for column, edges in zip(x.T, EDGES, strict=True):
        last = len(edges) - 2
        for k, (low, high) in enumerate(itertools.pairwise(edges)):
            share = (column - low) / (high - low)
            parts.append(np.clip(share, 0.0 if k else -np.inf, 1.0 if k < last else np.inf))
    return np.stack(parts, axis=1)


def test_pieces_are_those_of_the_formula():
    x = np.random.default_rng(0).normal(size=(500, 2)) * 3.0
    out = np.full((500, 5), 7.0)
    through_pieces(x, np.concatenate(EDGES), np.array([1, 3]), out)
    np.testing.assert_allclose(out[:, :4], expected(x), rtol=1e-12)
    assert (out[:, 4] == 7.0).all()


@pytest.mark.parametrize("n_ids", [0, 1])
def test_a_network_of_pieces_is_one_of_the_numbers_that_they_become(n_ids):
    random = np.random.default_rng(1)
    shape = Shape(2, n_ids, 3 * n_ids, (6,), 1, "gelu", embedding=2, pieces=(1, 3))
    network = Network(shape, np.float64)
    network.initialise(random)
    network.edges[:] = np.concatenate(EDGES)
    plain = Network(Shape(4, n_ids, 3 * n_ids, (6,), 1, "gelu", embedding=2), np.float64)
    plain.take({name: array for name, array in network.named().items() if name != "edges"})
    x, ids = random.normal(size=(40, 2)), random.integers(0, 3, (40, n_ids)).astype(np.int32)
    gradient = random.normal(size=(40, 1))
    scores = network.forward(x, ids).copy()
    np.testing.assert_allclose(scores, plain.forward(expected(x), ids), rtol=1e-12)
    back, same = network.backward(gradient), plain.backward(gradient)
    np.testing.assert_allclose(network.gradient, plain.gradient, rtol=1e-9, atol=1e-14)
    assert (back is None) == (n_ids == 0)
    if back is not None:
        np.testing.assert_allclose(back, same, rtol=1e-9, atol=1e-14)


def test_where_a_column_is_cut():
    values = np.arange(101, dtype=np.float32)
    assert _column_edges(values, 4).tolist() == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert _column_edges(np.repeat(np.float32([0, 1]), 50), 8).tolist() == [0.0, 1.0]
    assert _column_edges(np.zeros(9, np.float32), 8).tolist() == [0.0, 1.0]
    close = _column_edges(np.linspace(0.0, 1.5 * LEAST_WIDTH, 50, dtype=np.float32), 16)
    assert (np.diff(close) > 0.0).all()
    assert len(close) == 2
    far = _column_edges(np.float32([1e9, 1e9 + 64, 1e9 + 128]), 8)
    assert (np.diff(far) > 0.0).all()


@quietly
def test_a_step_is_learned_sooner_saved_and_read(tmp_path):
    random = np.random.default_rng(0)
    X = random.normal(size=(4_000, 3))
    y = np.sin(8.0 * X[:, 0]) + 0.1 * random.normal(size=4_000)
    given = {"hidden_layer_sizes": (32,), "max_iter": 20, "learning_rate_init": 5e-3}
    plain, cut = (MLPRegressor(**given, pieces=n).fit(X[:3_000], y[:3_000]) for n in (0, 32))
    assert plain.score(X[3_000:], y[3_000:]) + 0.2 < cut.score(X[3_000:], y[3_000:])
    cut.save(tmp_path / "m")
    again = MLPRegressor.load(tmp_path / "m")
    assert np.array_equal(again.predict(X), cut.predict(X))
    predictor = load_model(tmp_path / "m")
    row = {f"x{j}": float(v) for j, v in enumerate(X[0])}
    assert predictor.predict_one(row) == pytest.approx(cut.predict(X[:1])[0], rel=1e-5)
    stored = read_model(tmp_path / "m")
    edges = stored.arrays["edges"].copy()
    edges[1] = edges[0]
    hostile = [
        ({}, {"edges": edges}),
        ({"network": {**stored.meta["network"], "pieces": [32]}}, {}),
        ({"network": {**stored.meta["network"], "pieces": [10**9] * 3}}, {}),
        ({"network": {**stored.meta["network"], "pieces": [-1, 32, 65]}}, {}),
    ]
    for meta, arrays in hostile:
        save_model(tmp_path / "bad", "neural", stored.meta | meta, stored.arrays | arrays)
        with pytest.raises(ModelError, match="damaged"):
            load_model(tmp_path / "bad")


@pytest.mark.parametrize("pieces", [-1, 2.5, 10**6])
def test_pieces_that_are_off(pieces):
    with pytest.raises(UsageError, match="pieces must be"):
        MLPClassifier(pieces=pieces).fit(np.eye(8), np.arange(8) % 2)
