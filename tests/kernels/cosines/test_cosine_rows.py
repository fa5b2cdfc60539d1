"""Cosines of rows, their scores and gradients, beside the same in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from scalable.kernel_approximation.feature_map import features
from scalable.kernel_approximation.single_precision import directions_of, padded, room, to_features
from scalable.kernels.cosines.class_rows import add_gradient_of_classes, score_classes
from scalable.kernels.cosines.cosine_rows import (
    add_gradient_of_rows,
    cosines_of_rows,
    score_rows,
    times_vector,
)

N = 83


def drawn(kind, p, n, d=128):
    random = np.random.default_rng(p)
    if kind == "nystroem":
        landmarks = random.normal(size=(n, p)) + 50.0
        whiten = random.normal(size=(n, n)) / n
        arrays = {"landmarks": landmarks, "gamma": np.array(0.5 / p), "whiten": whiten + whiten.T}
        return {**arrays, "centre": random.normal(size=p) + 50.0}, 50.0 + random.normal(size=(p, N))
    arrays = {"shift": random.uniform(0.0, 2.0 * np.pi, n), "centre": random.normal(size=p) + 50.0}
    if kind == "fourier":
        arrays["directions"] = random.normal(size=(n, p))
    else:
        arrays["signs"] = random.choice([-1.0, 1.0], size=(3, -(-n // d), d))
        arrays["scale"] = np.array(1.0 / d)
    return arrays, 50.0 + random.normal(size=(p, N))


CASES = [
    ("fourier", 1, 1, 128), ("fourier", 28, 100, 128), ("structured", 28, 300, 128), ("structured", 5, 20, 128),
    ("structured", 100, 128, 128), ("structured", 200, 300, 256), ("structured", 300, 700, 512),
    ("nystroem", 3, 20, 128), ("nystroem", 28, 150, 128), ("structured", 600, 100, 1024), ("structured", 40, 100, 2048),
    ("structured", 4000, 4096, 4096),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "p", "n", "d"), CASES)
def test_scores_and_cosines(kind, p, n, d):
    arrays, x = drawn(kind, p, n, d)
    directions = directions_of(arrays)
    exact = features(arrays, x)
    out = np.empty((N, len(directions.shift)), np.float32)
    cosines_of_rows(x, directions, room(directions), out)
    np.testing.assert_allclose(to_features(out[:, :n], arrays.get("whiten")).T, exact, atol=3e-5)
    coef, scores = np.random.default_rng(1).normal(size=n), np.empty(N)
    weights = padded(to_features(coef, arrays.get("whiten")), directions)
    score_rows(x, directions, weights, 0.5, room(directions), scores)
    np.testing.assert_allclose(scores, coef @ exact + 0.5, atol=1e-4)


def test_a_row_is_scored_as_it_is_alone():
    arrays, x = drawn("structured", 28, 300)
    directions = directions_of(arrays)
    coef = padded(np.random.default_rng(1).normal(size=300), directions)
    together, alone = np.empty(N), np.empty(1)
    score_rows(x, directions, coef, 0.0, room(directions), together)
    for i in (0, 15, 16, N - 1):
        score_rows(np.ascontiguousarray(x[:, i : i + 1]), directions, coef, 0.0, room(directions), alone)
        assert alone[0] == together[i]


@pytest.mark.parametrize("kind", ["fourier", "structured"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_some_rows(kind, weighted):
    arrays, x = drawn(kind, 28, 300)
    directions, random = directions_of(arrays), np.random.default_rng(2)
    y, coef = (random.random(N) < 0.4).astype(float), random.normal(size=300)
    weight = random.random(N) if weighted else np.empty(0)
    gradient = np.zeros(len(directions.shift), np.float32)
    some = slice(5, 77)
    loss, bias, total = add_gradient_of_rows(
        None,
        x,
        5,
        77,
        y,
        weight,
        directions,
        padded(to_features(coef, None), directions),
        0.3,
        room(directions),
        gradient,
    )
    z = features(arrays, x[:, some])
    score, w, truth = coef @ z + 0.3, weight[some] if weighted else np.ones(72), y[some]
    residual = w * (1.0 / (1.0 + np.exp(-score)) - truth)
    assert loss == pytest.approx(w @ (np.logaddexp(0.0, score) - truth * score), rel=1e-4)
    assert bias == pytest.approx(residual.sum(), rel=1e-3, abs=1e-4)
    assert total == pytest.approx(w.sum(), rel=1e-6)
    np.testing.assert_allclose(gradient[:300] * np.sqrt(2.0 / 300), z @ residual, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_several_classes(weighted):
    arrays, x = drawn("structured", 28, 300)
    directions, random = directions_of(arrays), np.random.default_rng(2)
    k, y = 4, random.integers(0, 4, N).astype(float)
    coef, intercept = random.normal(size=(k, 300)), random.normal(size=k)
    weight = random.random(N) if weighted else np.empty(0)
    gradient, bias = np.zeros((k, len(directions.shift)), np.float32), np.zeros(k)
    weights, memory = padded(to_features(coef, None), directions), room(directions, k)
    loss, total = add_gradient_of_classes(
        x, 5, 77, y, weight, directions, weights, intercept, memory, gradient, bias
    )
    z = features(arrays, x)
    scores, w = coef @ z + intercept[:, None], (weight if weighted else np.ones(N))[5:77]
    out = np.empty((k, N))
    score_classes(x, directions, weights, intercept, memory, out)
    np.testing.assert_allclose(out, scores, atol=1e-4)
    logs, some = log_softmax(scores[:, 5:77], axis=0), y[5:77].astype(int)
    residual = w * (np.exp(logs) - np.eye(k)[some].T)
    assert loss == pytest.approx(-(w @ logs[some, np.arange(72)]), rel=1e-4)
    assert total == pytest.approx(w.sum(), rel=1e-6)
    np.testing.assert_allclose(bias, residual.sum(axis=1), atol=1e-3)
    np.testing.assert_allclose(to_features(gradient[:, :300], None), residual @ z[:, 5:77].T, atol=1e-3)


def test_rows_beyond_all_bounds_have_finite_scores():
    for kind in ("structured", "nystroem"):
        arrays, x = drawn(kind, 28, 300)
        directions, scores = directions_of(arrays), np.empty(N)
        x[:, ::2] = 1e300
        score_rows(x, directions, padded(np.ones(300), directions), 0.0, room(directions), scores)
        assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[::2], 0.0, atol=1e-30)  # far from every landmark


def test_a_product_with_a_vector():
    random = np.random.default_rng(0)
    matrix, vector = (
        random.normal(size=(50, 70)).astype(np.float32),
        random.normal(size=70).astype(np.float32),
    )
    out = np.empty(50, np.float32)
    times_vector(matrix, vector, out)
    np.testing.assert_allclose(out, matrix @ vector, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("signs", (2, 3, 128)),
        ("signs", (3, 2, 128)),
        ("signs", (3, 3, 100)),
        ("centre", (200,)),
        ("shift", (0,)),
        ("shift", (2, 2)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(name, shape):
    arrays, _ = drawn("structured", 28, 300)
    with pytest.raises((ValueError, IndexError)):
        directions_of({**arrays, name: np.ones(shape)})
